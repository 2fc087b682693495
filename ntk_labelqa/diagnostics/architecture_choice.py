"""``auto``: which architecture's kernel explains the labels best, judged on a sample and without training any."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ntk_labelqa.gram.dense import DenseInverse
from ntk_labelqa.gram.inverse import RegularizedInverse, leave_one_out
from ntk_labelqa.gram.matrix import gram_matrix

CANDIDATES = ("linear", "2-L", "10-L")
"""Kernels whose Gram matrix costs seconds at any size an audit meets. Convolutional ones are chosen by name."""
SAMPLE = 1500
RIDGES = np.logspace(-3, 1.5, 10)


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

    Cost: a Gram matrix and ten Cholesky factorisations of at most 1,500 items, for each candidate.
    """
    rows = np.sort(np.random.default_rng(seed).permutation(len(features))[:SAMPLE])
    sample, given = features[rows], labels[rows]
    errors = {
        name: least_error(DenseInverse(gram_matrix(sample, architecture=name), ridge=1.0), given) for name in CANDIDATES
    }
    return ArchitectureChoice(min(errors, key=errors.__getitem__), errors)


def least_error(inverse: RegularizedInverse, labels: np.ndarray) -> float:
    """The leave-one-out mean squared error at the ridge where it is least."""
    return min(float(((leave_one_out(inverse.at(ridge), labels) - labels) ** 2).mean()) for ridge in RIDGES)
