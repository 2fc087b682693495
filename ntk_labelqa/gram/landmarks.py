"""What stands for all items in Nyström's approximation: some of them, or means of clusters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular

from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.gram.arrays import panels
from ntk_labelqa.gram.matrix import gram_of
from ntk_labelqa.gram.tiles import cross_block, diagonal_of
from ntk_labelqa.kernels.kernel import Kernel
from ntk_labelqa.row_store import Rows

Sampling = Literal["kmeans", "uniform", "leverage"]
Tick = Callable[[int, int], None]
LLOYD_STEPS = 2
ITEMS_A_CLUSTER = 10
"""Items that the means are taken of, for each landmark; more change them little."""
PILOT = 1000
"""Items from which leverages are estimated."""
PANEL = 2048


@dataclass(frozen=True)
class LandmarkMap:
    """From an item to its eigen-features, by way of the landmarks: φ(x) = k(x, inputs) projection.

    Attributes:
        inputs: the landmarks, as the kernel has prepared them, [m, …].
        projection: float64[m, m'].
    """

    inputs: np.ndarray
    projection: np.ndarray

    @classmethod
    def of(cls, anchors: np.ndarray, factor: np.ndarray, vectors: np.ndarray) -> Self:
        """From :func:`~ntk_labelqa.gram.nystrom.independent_landmarks`, and *vectors* of
        :func:`~ntk_labelqa.gram.nystrom.carrying`.
        """
        return cls(anchors, solve_triangular(factor.astype(np.float64), vectors, trans="T", lower=True))


def landmarks_of(
    kernel: Kernel,
    inputs: Rows,
    count: int,
    *,
    sampling: Sampling = "kmeans",
    seed: int = 0,
    progress: Tick | None = None,
) -> np.ndarray:
    """*count* landmarks as prepared inputs, [m, …].

    Args:
        kernel: the architecture's kernel.
        inputs: prepared inputs, [N, …].
        count: m, from 1 to N; N gives the items themselves.
        sampling: ``kmeans``, the means of clusters, which stand for all items with half as many landmarks as drawn
            items need (Zhang, Tsang and Kwok, "Improved Nyström Low-Rank Approximation", ICML 2008); ``uniform``, items
            drawn alike; or ``leverage``, items drawn the more probably, the worse a sample of the others explains them.
        seed: of the draw.
        progress: called with (steps done, steps).

    Raises:
        InvalidInputError: fewer items than landmarks, or none asked for.

    Cost: for ``kmeans`` 4N'mD flops, N' = min(N, 10m); for ``leverage`` 1,000 N kernel values and 10⁶ N flops.
    """
    if not 1 <= count <= len(inputs):
        raise InvalidInputError(
            f"{count:,} landmarks cannot be drawn from {len(inputs):,} items.",
            remedy=f"Pass 1 to {len(inputs):,}, 'all' for an exact inverse, or 'auto'.",
        )
    if sampling == "leverage" and count < len(inputs):
        leverages = ridge_leverages(kernel, inputs, count, seed=seed)
        drawn = np.random.default_rng(seed).choice(len(inputs), count, replace=False, p=leverages / leverages.sum())
        return inputs[np.sort(drawn)]
    drawn = np.sort(np.random.default_rng(seed).permutation(len(inputs))[:count])
    if sampling == "uniform" or count == len(inputs):
        return inputs[drawn]
    means = _means(inputs, inputs[drawn], seed, progress or (lambda _done, _steps: None))
    return kernel.prepare(means, inputs.dtype)[:]


def _means(inputs: Rows, centres: np.ndarray, seed: int, tick: Tick) -> np.ndarray:
    """*centres* after a few steps of Lloyd's algorithm on a sample of *inputs*.

    A centre without items stays what it was, as does one whose items cancel: it would have no direction.
    """
    most = ITEMS_A_CLUSTER * len(centres)
    rows = inputs[:] if len(inputs) <= most else inputs[np.random.default_rng(seed).permutation(len(inputs))[:most]]
    shape, flat, means = centres.shape, rows.reshape(len(rows), -1), centres.reshape(len(centres), -1).copy()
    for step in range(LLOYD_STEPS):
        nearest = _nearest(flat, means)
        order = np.argsort(nearest, kind="stable")
        clusters, first, sizes = np.unique(nearest[order], return_index=True, return_counts=True)
        new = np.add.reduceat(flat[order], first, axis=0) / sizes[:, None].astype(flat.dtype)
        usable = np.abs(new).max(axis=1) > 0
        means[clusters[usable]] = new[usable]
        tick(step + 1, LLOYD_STEPS)
    return means.reshape(shape)


def _nearest(rows: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Index of the centre nearest to each of *rows*, int[N]."""
    offsets = np.square(centres).sum(axis=1) / 2
    return np.concatenate([(rows[panel] @ centres.T - offsets).argmax(axis=1) for panel in panels(len(rows), PANEL)])


def ridge_leverages(kernel: Kernel, inputs: Rows, count: int, *, seed: int = 0) -> np.ndarray:
    r"""Ridge leverages of all items at the ridge where they sum to about *count*, estimated from a uniform pilot S.

    .. math:: \ell_i = \tfrac1λ \bigl(k_{ii} - k_{iS} (K_{SS} + \tfrac{|S|}{N} λ I)^{-1} k_{Si}\bigr),
        \qquad λ = \operatorname{tr} H / m

    Source: Musco and Musco, "Recursive Sampling for the Nyström Method", NeurIPS 2017.

    Returns:
        float64[N] in (0, 1]; high = unlike the others.
    """
    size = len(inputs)
    diagonal = diagonal_of(kernel, inputs).astype(np.float64)
    ridge = diagonal.sum() / count
    pilot = inputs[np.sort(np.random.default_rng(seed).permutation(size)[: min(PILOT, size)])]
    shifted = gram_of(kernel, pilot).astype(np.float64) + np.eye(len(pilot)) * ridge * len(pilot) / size
    factor = cholesky(shifted, lower=True)
    leverages = np.empty(size)
    for panel in panels(size, PANEL):
        cross = cross_block(kernel, inputs[panel], pilot).astype(np.float64)
        explained = np.einsum("ij,ji->i", cross, cho_solve((factor, True), cross.T))
        leverages[panel] = (diagonal[panel] - explained) / ridge
    return np.clip(leverages, 1e-12, 1.0)
