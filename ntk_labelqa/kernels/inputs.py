"""Inputs checked before any kernel sees them, and scaled as its architecture expects."""

from __future__ import annotations

import numpy as np

from ntk_labelqa.errors import InvalidInputError


def unit_rows(features: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Rows flattened and scaled to norm 1, dtype[N, D].

    Dense networks are defined on rows of norm √D; the kernels here take the √D into their formulas.

    Raises InvalidInputError for wrong rank, no items, NaN or infinity, and rows of zeros, which have no direction.
    """
    check_finite(features, ranks=(2, 3, 4))
    rows = features.reshape(len(features), -1).astype(dtype)
    # Scaled by the largest entry first: squares of very small or large features would under- or overflow.
    largest = np.abs(rows).max(axis=1, keepdims=True)
    zero = np.flatnonzero(largest[:, 0] == 0)
    if len(zero):
        raise InvalidInputError(
            f"{len(zero)} of {len(rows)} rows of features are zero: {_some(zero)}.",
            why="A row of zeros has no direction, so no kernel can compare it.",
            remedy="Leave these items out.",
        )
    rows /= largest
    rows /= np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))[:, None].astype(dtype)
    return rows


def check_finite(features: np.ndarray, *, ranks: tuple[int, ...]) -> None:
    """Raise InvalidInputError unless *features* is a non-empty finite array of one of *ranks*."""
    if features.ndim not in ranks or 0 in features.shape:
        raise InvalidInputError(
            f"Features of shape {list(features.shape)} do not fit this architecture.",
            remedy="Dense networks take [N, D]; convolutional ones [N, H, W] or [N, H, W, C].",
        )
    finite = np.isfinite(features.reshape(len(features), -1)).all(axis=1)
    if not finite.all():
        broken = np.flatnonzero(~finite)
        raise InvalidInputError(
            f"{len(broken)} of {len(features)} rows of features have NaN or infinite values: {_some(broken)}.",
            remedy="Mend these items' features, or leave the items out.",
        )


def _some(rows: np.ndarray) -> str:
    return ", ".join(str(row) for row in rows[:10]) + (" …" if len(rows) > 10 else "")
