"""Inputs checked before any kernel sees them, and scaled as its architecture expects."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.row_store import DERIVED, Rows, derived, row_panels

CHANNELS = (1, 3, 4)
BLANK = 1e-12
"""Standard deviation of a constant image relative to its largest value: rounding alone."""


def unit_rows(features: Rows, dtype: np.dtype) -> Rows:
    """Rows flattened and scaled to norm 1, dtype[N, D].

    Dense networks are defined on rows of norm √D; the kernels here take the √D into their formulas.

    Raises InvalidInputError for wrong rank, no items, NaN or infinity, and rows of zeros, which have no direction.
    """
    check_finite(features, ranks=(2, 3, 4))
    zero = np.flatnonzero(~_by_row(np.any, features))
    if len(zero):
        raise InvalidInputError(
            f"{len(zero)} of {len(features)} rows of features are zero: {_some(zero)}.",
            why="A row of zeros has no direction, so no kernel can compare it.",
            remedy="Leave these items out.",
        )
    return _scaled(_unit, features, dtype)


def _unit(features: np.ndarray) -> np.ndarray:
    rows = features.reshape(len(features), -1)
    # Scaled by the largest entry first: squares of very small or large features would under- or overflow.
    exact = rows / np.abs(rows).max(axis=1, keepdims=True)
    return exact / np.sqrt(np.einsum("ij,ij->i", exact, exact))[:, None]


def standardized_images(features: Rows, dtype: np.dtype, *, standardize: bool = True) -> Rows:
    """Images dtype[N, H, W, C], each with mean 0 and variance 1; a constant image becomes zeros.

    Raises InvalidInputError for wrong rank, channels that come first, no items, NaN or infinity.
    """
    rank = len(features.shape)
    if rank not in (3, 4):
        raise InvalidInputError(
            f"Features of {rank} axes are no images.",
            why="Convolutional networks compare pixels with their neighbours.",
            remedy="Pass [N, H, W] or [N, H, W, C], or use a dense network (2-L, 10-L).",
        )
    check_finite(features, ranks=(3, 4))
    if rank == 4 and features.shape[1] in CHANNELS and features.shape[3] not in CHANNELS:
        raise InvalidInputError(
            f"Features of shape {list(features.shape)} seem to have their channels first.",
            remedy="Move them to the end: features.transpose(0, 2, 3, 1).",
        )
    return _scaled(_standard if standardize else _with_channels, features, dtype)


def _with_channels(images: np.ndarray) -> np.ndarray:
    return images[..., None] if images.ndim == 3 else images


def _standard(features: np.ndarray) -> np.ndarray:
    images = _with_channels(features)
    exact = images - images.mean(axis=(1, 2, 3), keepdims=True)
    deviation = exact.std(axis=(1, 2, 3), keepdims=True)
    blank = deviation <= BLANK * np.abs(images).max(axis=(1, 2, 3), keepdims=True)
    return np.where(blank, 0.0, exact / np.where(blank, 1.0, deviation))


def _scaled(scale: Callable[[np.ndarray], np.ndarray], features: Rows, dtype: np.dtype) -> Rows:
    """*scale* of all *features*, computed in float64 and a panel at a time: the whole would take several copies.

    In float64 from the start: -(-128) is -128 in int8, and the mean of large values of small spread would leave a blank
    image with noise.
    """
    return derived(lambda rows: scale(rows.astype(np.float64)).astype(dtype), features)


def check_finite(features: Rows, *, ranks: tuple[int, ...]) -> None:
    """Raise InvalidInputError unless *features* is a non-empty finite array of one of *ranks*."""
    if len(features.shape) not in ranks or 0 in features.shape:
        raise InvalidInputError(
            f"Features of shape {list(features.shape)} do not fit this architecture.",
            remedy="Dense networks take [N, D]; convolutional ones [N, H, W] or [N, H, W, C].",
        )
    finite = _by_row(lambda rows, axis: np.isfinite(rows).all(axis=axis), features)
    if not finite.all():
        broken = np.flatnonzero(~finite)
        raise InvalidInputError(
            f"{len(broken)} of {len(features)} rows of features have NaN or infinite values: {_some(broken)}.",
            remedy="Correct these items' features, or leave the items out.",
        )


def _by_row(judged: Callable[..., np.ndarray], features: Rows) -> np.ndarray:
    """What is *judged* of each row, bool[N]."""
    result = np.empty(len(features), bool)
    for panel in row_panels(features.shape, DERIVED):
        rows = features[panel]
        result[panel] = judged(rows.reshape(len(rows), -1), axis=1)
    return result


def _some(rows: np.ndarray) -> str:
    return ", ".join(str(row) for row in rows[:10]) + (" …" if len(rows) > 10 else "")
