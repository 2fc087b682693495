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
from scipy import sparse

from ntk_labelqa.diagnostics.panels import class_panels
from ntk_labelqa.gram.inverse import RegularizedInverse


class Weights:
    """What item i adds to the overlaps with each class b: by what others predict for it, and by what it makes others
    predict. A panel of classes at a time: all of them at once are N times K numbers.

    Args:
        inverse: G.
        labels: Y, sparse float64[N, K].
    """

    def __init__(self, inverse: RegularizedInverse, labels: sparse.csr_matrix) -> None:
        self.labels = labels
        self._inverse, self._by_class = inverse, labels.tocsc()
        self._last: tuple[slice, np.ndarray, np.ndarray] | None = None

    @property
    def panels(self) -> list[slice]:
        """The classes in order, in panels."""
        return list(class_panels(*self.labels.shape))

    def of(self, panel: slice) -> tuple[np.ndarray, np.ndarray]:
        """The weights and GY, both float64[N, classes of the panel]. The last panel asked for is kept.

        Cost: one ``apply`` of two columns a class.
        """
        if self._last is None or self._last[0] != panel:
            self._last = None  # else two panels would be held meanwhile
            diagonal = self._inverse.diagonal()[:, None]
            given = self._by_class[:, panel].toarray()
            applied, sent = np.hsplit(self._inverse.apply(np.hstack([given, given / diagonal])), 2)
            self._last = panel, given - (applied / diagonal + sent) / 2, applied
        return self._last[1:]

    def members(self, code: int) -> tuple[np.ndarray, np.ndarray]:
        """The items with a label of class *code*, ascending, and how much of their label it is."""
        at = slice(*self._by_class.indptr[code : code + 2])
        return self._by_class.indices[at], self._by_class.data[at]


@dataclass(frozen=True)
class Overlaps:
    """Z, the overlaps, and their standard deviations.

    Attributes:
        couplings: Z, float64[K, K].
        values: overlap, float64[K, K]; 0 = never confused, 1 = the same, 0 for empty classes.
        deviations: standard deviation of each overlap, float64[K, K].
        own_deviation: standard deviation of Z_kk, float64[K].
        weights: what each item adds to the overlaps with each class.
        counts: items a class, float64[K].
    """

    couplings: np.ndarray
    values: np.ndarray
    deviations: np.ndarray
    own_deviation: np.ndarray
    weights: Weights
    counts: np.ndarray

    @classmethod
    def of(cls, inverse: RegularizedInverse, labels: sparse.csr_matrix) -> Self:
        """For labels Y, sparse float64[N, K].

        Cost: one ``apply`` of 2K columns, or two where they are more than one panel, and O(K) an entry of Y.
        """
        weights, counts = Weights(inverse, labels), np.asarray(labels.sum(axis=0)).ravel()
        k, mine, own_deviation = labels.shape[1], np.zeros(labels.shape[0]), np.zeros(labels.shape[1])
        z, summed, toward, both = (np.zeros((k, k)) for _ in range(4))
        for panel in weights.panels:
            some, applied = weights.of(panel)
            given = labels[:, panel]
            z[:, panel], summed[:, panel] = labels.T @ applied, labels.T @ some
            toward[:, panel] = labels.T @ np.square(some)
            mine += np.asarray(given.multiply(some).sum(axis=1)).ravel()
            own_deviation[panel] = _own_deviation(given, applied, counts[panel])
        for panel in reversed(weights.panels):
            both[:, panel] = labels.T @ (weights.of(panel)[0] * mine[:, None])
        values, scales, own = _overlaps(summed, counts**2 / labels.shape[0])
        slope = _divided(values, own[:, None])
        variance = _divided(toward, scales**2) - 2 * slope * _divided(both, scales)
        variance += slope**2 * (labels.T @ np.square(mine))[:, None]
        # With L the weights, item i of class a has the influence L_ib / √(R_aa R_bb) − overlap_ab L_ia / R_aa.
        deviations = np.sqrt(np.maximum(variance + variance.T, 0.0))
        return cls((z + z.T) / 2, values, deviations, own_deviation, weights, counts)

    def baseline(self) -> float:
        """What a pair of classes overlaps by without being special: the median; 0 for fewer than four classes."""
        used = np.flatnonzero(self.counts > 0)
        if len(used) < 4:
            return 0.0
        pairs = self.values[np.ix_(used, used)][np.triu_indices(len(used), k=1)]
        return float(max(np.median(pairs), 0.0))


def overlap_values(inverse: RegularizedInverse, labels: sparse.csr_matrix) -> np.ndarray:
    """The overlaps alone, float64[K, K], for labels Y, sparse float64[N, K]. Cost: one ``apply`` of 2K columns."""
    weights, counts = Weights(inverse, labels), np.asarray(labels.sum(axis=0)).ravel()
    summed = np.hstack([labels.T @ weights.of(panel)[0] for panel in weights.panels])
    return _overlaps(summed, counts**2 / labels.shape[0])[0]


def _overlaps(weights: np.ndarray, chance: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """R / √(R_aa R_bb), the root, and R_aa; a class recognised worse than by chance counts as by chance."""
    symmetric = (weights + weights.T) / 2
    own = np.maximum(np.diag(symmetric), chance)
    scales = np.sqrt(np.outer(own, own))
    return _divided(symmetric, scales), scales, own


def _own_deviation(given: sparse.csr_matrix, applied: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Of Z_kk, whose derivative in an item's weight is 2 (GY)_ik."""
    counts = np.maximum(counts, 1.0)
    entries = given.multiply(applied)
    mean, square = (np.asarray(of.sum(axis=0)).ravel() for of in (entries, entries.multiply(applied)))
    return 2 * np.sqrt(np.maximum(square - counts * (mean / counts) ** 2, 0.0))


def _divided(values: np.ndarray, by: np.ndarray) -> np.ndarray:
    return np.divide(values, by, out=np.zeros(np.broadcast_shapes(values.shape, by.shape)), where=by > 0)
