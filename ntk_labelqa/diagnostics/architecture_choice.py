"""``auto``: which architecture's kernel explains the labels best, judged on a sample and without training any."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ntk_labelqa.gram.choose import invert
from ntk_labelqa.gram.ridge import leave_one_out_error

CANDIDATES = ("linear", "2-L", "10-L")
"""Kernels whose Gram matrix costs seconds at any size an audit meets. Convolutional ones are chosen by name."""
SAMPLE = 1000


@dataclass(frozen=True)
class ArchitectureChoice:
    """The architecture chosen, and each candidate's leave-one-out mean squared error (low = fits)."""

    name: str
    errors: dict[str, float]


def choose_architecture(features: np.ndarray, labels: np.ndarray, *, seed: int = 0) -> ArchitectureChoice:
    """The candidate with the least leave-one-out error on a sample, each at its own best ridge.

    Args:
        features: float[N, …].
        labels: Y, float[N, K].
        seed: of the sample.

    Cost: a Gram matrix of at most 1,000 items and its eigendecomposition, for each candidate.
    """
    rows = np.sort(np.random.default_rng(seed).permutation(len(features))[:SAMPLE])
    sample, given = features[rows], labels[rows]
    errors = {name: leave_one_out_error(invert(sample, given, architecture=name), given) for name in CANDIDATES}
    return ArchitectureChoice(min(errors, key=errors.__getitem__), errors)
