"""Inputs checked before any kernel sees them, and scaled as its architecture expects."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ntk_labelqa.errors import InvalidInputError

CHANNELS = (1, 3, 4)
BLANK = 1e-12
"""Standard deviation of a constant image relative to its largest value: rounding alone."""
PANEL = 512


def unit_rows(features: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Rows flattened and scaled to norm 1, dtype[N, D].

    Dense networks are defined on rows of norm √D; the kernels here take the √D into their formulas.

    Raises InvalidInputError for wrong rank, no items, NaN or infinity, and rows of zeros, which have no direction.
    """
    check_finite(features, ranks=(2, 3, 4))
    rows = features.reshape(len(features), -1)
    zero = np.flatnonzero(~rows.any(axis=1))
    if len(zero):
        raise InvalidInputError(
            f"{len(zero)} of {len(rows)} rows of features are zero: {_some(zero)}.",
            why="A row of zeros has no direction, so no kernel can compare it.",
            remedy="Leave these items out.",
        )
    return _in_panels(_unit, rows, dtype)


def _unit(rows: np.ndarray) -> np.ndarray:
    # Scaled by the largest entry first: squares of very small or large features would under- or overflow.
    exact = rows / np.abs(rows).max(axis=1, keepdims=True)
    return exact / np.sqrt(np.einsum("ij,ij->i", exact, exact))[:, None]


def standardized_images(features: np.ndarray, dtype: np.dtype, *, standardize: bool = True) -> np.ndarray:
    """Images dtype[N, H, W, C], each with mean 0 and variance 1; a constant image becomes zeros.

    Raises InvalidInputError for wrong rank, channels that come first, no items, NaN or infinity.
    """
    if features.ndim not in (3, 4):
        raise InvalidInputError(
            f"Features of {features.ndim} axes are no images.",
            why="Convolutional networks compare pixels with their neighbours.",
            remedy="Pass [N, H, W] or [N, H, W, C], or use a dense network (2-L, 10-L).",
        )
    check_finite(features, ranks=(3, 4))
    images = features[..., None] if features.ndim == 3 else features
    if images.shape[1] in CHANNELS and images.shape[3] not in CHANNELS:
        raise InvalidInputError(
            f"Features of shape {list(features.shape)} seem to have their channels first.",
            remedy="Move them to the end: features.transpose(0, 2, 3, 1).",
        )
    return _in_panels(_standard, images, dtype) if standardize else images.astype(dtype)


def _standard(images: np.ndarray) -> np.ndarray:
    exact = images - images.mean(axis=(1, 2, 3), keepdims=True)
    deviation = exact.std(axis=(1, 2, 3), keepdims=True)
    blank = deviation <= BLANK * np.abs(images).max(axis=(1, 2, 3), keepdims=True)
    return np.where(blank, 0.0, exact / np.where(blank, 1.0, deviation))


def _in_panels(scale: Callable[[np.ndarray], np.ndarray], features: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """*scale* of all *features*, computed in float64 and a panel at a time: the whole would take several copies.

    In float64 from the start: -(-128) is -128 in int8, and the mean of large values of small spread would leave a blank
    image with noise.
    """
    result = np.empty(features.shape, dtype)
    for start in range(0, len(features), PANEL):
        result[start : start + PANEL] = scale(features[start : start + PANEL].astype(np.float64))
    return result


def check_finite(features: np.ndarray, *, ranks: tuple[int, ...]) -> None:
    """Raise InvalidInputError unless *features* is a non-empty finite array of one of *ranks*."""
    if features.ndim not in ranks or 0 in features.shape:
        raise InvalidInputError(
            f"Features of shape {list(features.shape)} do not fit this architecture.",
            remedy="Dense networks take [N, D]; convolutional ones [N, H, W] or [N, H, W, C].",
        )
    rows = features.reshape(len(features), -1)
    finite = np.concatenate(
        [np.isfinite(rows[start : start + PANEL]).all(axis=1) for start in range(0, len(rows), PANEL)]
    )
    if not finite.all():
        broken = np.flatnonzero(~finite)
        raise InvalidInputError(
            f"{len(broken)} of {len(features)} rows of features have NaN or infinite values: {_some(broken)}.",
            remedy="Correct these items' features, or leave the items out.",
        )


def _some(rows: np.ndarray) -> str:
    return ", ".join(str(row) for row in rows[:10]) + (" …" if len(rows) > 10 else "")
