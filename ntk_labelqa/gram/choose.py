"""From features to the inverse that fits their number and the memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import DTypeLike

from ntk_labelqa.gram.dense import DenseInverse
from ntk_labelqa.gram.inverse import RegularizedInverse, sample
from ntk_labelqa.gram.landmarks import Sampling
from ntk_labelqa.gram.low_rank import LowRankInverse, exact_inverse, nystrom_inverse
from ntk_labelqa.gram.matrix import gram_of, prepare
from ntk_labelqa.gram.plan import require_memory, usable_memory
from ntk_labelqa.gram.ridge import with_best_ridge
from ntk_labelqa.kernels.kernel import Kernel

LANDMARKS = 3000
"""Items up to which ``auto`` inverts exactly, and landmarks beyond."""
FEWEST = 500
"""Landmarks below which ``auto`` would rather refuse than answer."""
EIGEN_ITEMS = 4000
"""Items up to which an exact inverse is an eigendecomposition, 19 times as dear as Cholesky but good for any ridge."""

Landmarks = int | Literal["all", "auto"]
Tick = Callable[[int, int], None]


def invert(
    features: np.ndarray,
    labels: np.ndarray,
    *,
    architecture: str | Kernel,
    ridge: float | Literal["auto"] = "auto",
    landmarks: Landmarks = "auto",
    sampling: Sampling = "uniform",
    dtype: DTypeLike = "float32",
    seed: int = 0,
    memory_limit: int | None = None,
    progress: Tick | None = None,
) -> RegularizedInverse:
    """The regularised inverse of the Gram matrix of *features*.

    Args:
        features: float[N, …] as the architecture takes them.
        labels: Y, float[N, K], which choose the ridge.
        architecture: see :func:`ntk_labelqa.gram.matrix.gram_matrix`.
        ridge: relative to tr(H)/N, positive; ``auto`` takes the one with the least leave-one-out error, for a dense
            inverse on a sample of :data:`EIGEN_ITEMS`.
        landmarks: m of Nyström's approximation, at most N; ``all`` inverts exactly; ``auto`` does so up to
            :data:`LANDMARKS` items, and takes that many landmarks beyond, or as many as memory holds.
        sampling: of the landmarks.
        dtype: precision of kernel values, and of the features of Nyström's approximation.
        seed: of the landmarks.
        memory_limit: bytes; None takes what is free.
        progress: called with (done, total).

    Raises:
        InvalidInputError: more landmarks than items, or features that do not fit the architecture.
        MemoryBudgetError: it does not fit into memory; the message says what would.

    Cost: about 10N³ flops for up to 4,000 items exactly, N³ beyond; 4Nm² with landmarks.
    """
    kernel, inputs = prepare(features, architecture, dtype)
    limit = usable_memory() if memory_limit is None else memory_limit
    count = _landmarks(landmarks, len(inputs), inputs.dtype.itemsize, limit)
    start = 1.0 if ridge == "auto" else ridge
    if count is None and len(inputs) > EIGEN_ITEMS:
        if ridge == "auto":
            start = _sampled_ridge(kernel, inputs, labels)
        return _dense(kernel, inputs, start, limit, progress)
    inverse: LowRankInverse
    if count is None:
        inverse = exact_inverse(gram_of(kernel, inputs, memory_limit=limit, progress=progress), ridge=start)
    else:
        require_memory(
            low_rank_bytes(len(inputs), count, inputs.dtype.itemsize),
            f"An approximation of {len(inputs):,} items from {count:,} landmarks",
            remedy="Use fewer landmarks, or float32.",
            memory_limit=limit,
        )
        inverse = nystrom_inverse(
            kernel, inputs, landmarks=count, ridge=start, sampling=sampling, seed=seed, progress=progress
        )
    return with_best_ridge(inverse, labels) if ridge == "auto" else inverse


def low_rank_bytes(items: int, landmarks: int, itemsize: int) -> int:
    """Peak memory of Nyström's approximation: F, and four float64 arrays of the landmarks' size (eigh's workspace)."""
    return items * landmarks * itemsize + 4 * 8 * landmarks**2


def dense_bytes(items: int, itemsize: int) -> int:
    """Peak memory of the dense inverse: H and one float64 array of its size."""
    return items**2 * (itemsize + 8)


def _landmarks(asked: Landmarks, items: int, itemsize: int, limit: int) -> int | None:
    """How many landmarks to use; None to invert exactly."""
    if asked == "all" or (asked == "auto" and items <= LANDMARKS):
        return None
    if asked != "auto":
        return asked
    fitting = (m for m in range(LANDMARKS, FEWEST, -250) if low_rank_bytes(items, m, itemsize) <= limit)
    return next(fitting, FEWEST)


def _dense(kernel: Kernel, inputs: np.ndarray, ridge: float, limit: int, progress: Tick | None) -> DenseInverse:
    require_memory(
        dense_bytes(len(inputs), inputs.dtype.itemsize),
        f"The exact inverse of {len(inputs):,} items",
        remedy=f"Use --landmarks {LANDMARKS}, or float32.",
        memory_limit=limit,
    )
    return DenseInverse(gram_of(kernel, inputs, memory_limit=limit, progress=progress), ridge=ridge)


def _sampled_ridge(kernel: Kernel, inputs: np.ndarray, labels: np.ndarray) -> float:
    """The best ridge of a sample; before the whole is factorised, since that is done for one ridge."""
    rows = sample(len(inputs), EIGEN_ITEMS)
    return with_best_ridge(exact_inverse(gram_of(kernel, inputs[rows]), ridge=1.0), labels[rows]).ridge
