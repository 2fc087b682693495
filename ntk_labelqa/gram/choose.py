"""From features to the inverse that fits their number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import DTypeLike

from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.gram.low_rank import LowRankInverse, exact_inverse, nystrom_inverse
from ntk_labelqa.gram.matrix import gram_matrix, prepare
from ntk_labelqa.gram.ridge import with_best_ridge

LANDMARKS = 3000
"""Items up to which ``auto`` inverts exactly, and landmarks beyond."""


def invert(
    features: np.ndarray,
    labels: np.ndarray,
    *,
    architecture: str,
    ridge: float | Literal["auto"] = "auto",
    landmarks: int | Literal["auto"] = "auto",
    dtype: DTypeLike = "float32",
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> LowRankInverse:
    """The regularised inverse of the Gram matrix of *features*.

    Args:
        features: float[N, …] as the architecture takes them.
        labels: Y, float[N, K], which choose the ridge.
        architecture: see :func:`ntk_labelqa.gram.matrix.gram_matrix`.
        ridge: relative to tr(H)/N, positive; ``auto`` takes the one with the least leave-one-out error.
        landmarks: m of Nyström's approximation; N or more inverts exactly; ``auto`` does up to :data:`LANDMARKS` items.
        dtype: precision of kernel values, and of the features of Nyström's approximation.
        seed: of the landmarks.
        progress: called with (done, total).
    """
    count = LANDMARKS if landmarks == "auto" else landmarks
    if count < 1:
        raise InvalidInputError(f"{count} landmarks cannot stand for any item.", remedy="Pass at least one.")
    start = 1.0 if ridge == "auto" else ridge
    inverse = (
        exact_inverse(gram_matrix(features, architecture=architecture, dtype=dtype, progress=progress), ridge=start)
        if count >= len(features)
        else nystrom_inverse(
            *prepare(features, architecture, dtype), landmarks=count, ridge=start, seed=seed, progress=progress
        )
    )
    return with_best_ridge(inverse, labels) if ridge == "auto" else inverse
