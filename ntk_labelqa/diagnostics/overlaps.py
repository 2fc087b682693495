r"""How much classes overlap under a kernel, and how sure that is.

.. math::
    \text{overlap}_{ab} = \frac{R_{ab}}{\sqrt{R_{aa} R_{bb}}}, \qquad R = \tfrac12 (Y^\top P + P^\top Y),
    \quad P = Y - \operatorname{diag}(G)^{-1} G Y

P_ib is the leave-one-out prediction of class b for item i. Z weighs it by G_ii, which duplicates with different labels
make as large as they please; here no item counts for more than another. Were item i drawn w_i times, R_ab would be a
quadratic form in w; its derivative at w = 1 is the item's influence, and the sum of the squared influences the variance
(infinitesimal jackknife; Efron, "The Jackknife, the Bootstrap and Other Resampling Plans", 1982).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from ntk_labelqa.gram.inverse import RegularizedInverse


@dataclass(frozen=True)
class Overlaps:
    """Z, the overlaps, and their standard deviations.

    Attributes:
        couplings: Z, float64[K, K].
        values: overlap, float64[K, K]; 0 = never confused, 1 = the same, 0 for empty classes.
        deviations: standard deviation of each overlap, float64[K, K].
        own_deviation: standard deviation of Z_kk, float64[K].
        weights: float64[N, K]: what item i adds to the overlaps with each class, by what others predict for it and by
            what it makes others predict.
        counts: items a class, float64[K].
    """

    couplings: np.ndarray
    values: np.ndarray
    deviations: np.ndarray
    own_deviation: np.ndarray
    weights: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, inverse: RegularizedInverse, labels: np.ndarray) -> Self:
        """For labels Y, float[N, K]. Cost: one ``apply`` of 2K columns and 6NK² flops."""
        diagonal = inverse.diagonal()[:, None]
        applied, sent = np.hsplit(inverse.apply(np.hstack([labels, labels / diagonal])), 2)
        z = labels.T @ applied
        weights = labels - (applied / diagonal + sent) / 2
        counts = labels.sum(axis=0)
        values, scales, own = _overlaps(labels.T @ weights, counts**2 / len(labels))
        deviations = _deviations(labels, weights, values, scales, own)
        return cls((z + z.T) / 2, values, deviations, _own_deviation(labels, applied), weights, counts)

    def baseline(self) -> float:
        """What a pair of classes overlaps by without being special: the median; 0 for fewer than four classes."""
        used = np.flatnonzero(self.counts > 0)
        if len(used) < 4:
            return 0.0
        pairs = self.values[np.ix_(used, used)][np.triu_indices(len(used), k=1)]
        return float(max(np.median(pairs), 0.0))


def _overlaps(weights: np.ndarray, chance: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """R / √(R_aa R_bb), the root, and R_aa; a class recognised worse than by chance counts as by chance."""
    symmetric = (weights + weights.T) / 2
    own = np.maximum(np.diag(symmetric), chance)
    scales = np.sqrt(np.outer(own, own))
    return _divided(symmetric, scales), scales, own


def _deviations(
    labels: np.ndarray, weights: np.ndarray, values: np.ndarray, scales: np.ndarray, own: np.ndarray
) -> np.ndarray:
    """With L the weights, item i of class a has the influence L_ib / √(R_aa R_bb) − overlap_ab L_ia / R_aa."""
    mine = (labels * weights).sum(axis=1)
    toward, both = labels.T @ np.square(weights), labels.T @ (weights * mine[:, None])
    slope = _divided(values, own[:, None])
    variance = _divided(toward, scales**2) - 2 * slope * _divided(both, scales)
    variance += slope**2 * (labels.T @ np.square(mine))[:, None]
    return np.sqrt(np.maximum(variance + variance.T, 0.0))


def _own_deviation(labels: np.ndarray, applied: np.ndarray) -> np.ndarray:
    """Of Z_kk, whose derivative in an item's weight is 2 (GY)_ik."""
    counts = np.maximum(labels.sum(axis=0), 1.0)
    mean, square = (labels * applied).sum(axis=0) / counts, (labels * np.square(applied)).sum(axis=0)
    return 2 * np.sqrt(np.maximum(square - counts * mean**2, 0.0))


def _divided(values: np.ndarray, by: np.ndarray) -> np.ndarray:
    return np.divide(values, by, out=np.zeros(np.broadcast_shapes(values.shape, by.shape)), where=by > 0)
