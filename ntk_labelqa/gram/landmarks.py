"""Which items stand for all in Nyström's approximation."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.linalg import cho_solve, cholesky

from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.gram.matrix import gram_of
from ntk_labelqa.gram.tiles import cross_block, panels
from ntk_labelqa.kernels.kernel import Kernel

Sampling = Literal["uniform", "leverage"]
PILOT = 1000
"""Items from which leverages are estimated."""
PANEL = 2048


def choose_landmarks(
    kernel: Kernel, inputs: np.ndarray, count: int, *, sampling: Sampling = "uniform", seed: int = 0
) -> np.ndarray:
    """Indices of *count* different items, ascending, int[count].

    Args:
        kernel: the architecture's kernel.
        inputs: prepared inputs, [N, …].
        count: m, from 1 to N.
        sampling: ``uniform``, or ``leverage``: the more probable, the worse a sample of the others explains an item, so
            that small clusters are not missed.
        seed: of the draw.

    Raises:
        InvalidInputError: fewer items than landmarks, or none asked for.

    Cost: none for uniform; for leverage 1,000 N kernel values and 10⁶ N flops.
    """
    if not 1 <= count <= len(inputs):
        raise InvalidInputError(
            f"{count:,} landmarks cannot be drawn from {len(inputs):,} items.",
            remedy=f"Pass 1 to {len(inputs):,}, 'all' for an exact inverse, or 'auto'.",
        )
    random = np.random.default_rng(seed)
    if sampling == "uniform" or count == len(inputs):
        return np.sort(random.permutation(len(inputs))[:count])
    leverages = ridge_leverages(kernel, inputs, count, seed=seed)
    return np.sort(random.choice(len(inputs), count, replace=False, p=leverages / leverages.sum()))


def ridge_leverages(kernel: Kernel, inputs: np.ndarray, count: int, *, seed: int = 0) -> np.ndarray:
    r"""Ridge leverages of all items at the ridge where they sum to about *count*, estimated from a uniform pilot S.

    .. math:: \ell_i = \tfrac1λ \bigl(k_{ii} - k_{iS} (K_{SS} + \tfrac{|S|}{N} λ I)^{-1} k_{Si}\bigr),
        \qquad λ = \operatorname{tr} H / m

    Source: Musco and Musco, "Recursive Sampling for the Nyström Method", NeurIPS 2017.

    Returns:
        float64[N] in (0, 1]; high = unlike the others.
    """
    size = len(inputs)
    diagonal = kernel.diagonal(inputs).astype(np.float64)
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
