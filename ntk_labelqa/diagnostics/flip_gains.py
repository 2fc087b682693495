r"""How the Block Diagonalization Error changes when labels do: its gradient, and the exact change of one move.

Let item i move the share σ of its label row from class a to class j (σ = 1 for its only label, 1/A for one of A). With
n' the class counts afterwards, W' = W(n') and Z, W those before,

.. math::
    ΔL = \sum (W' - W) \circ Z + 2 σ (GY)_i \cdot (W'_{:j} - W'_{:a}) + σ^2 G_{ii} (W'_{aa} + W'_{jj} - 2 W'_{aj})

The change is exact, so a descent by it is monotone and ends by itself; the gradient is a linearisation, which does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from ntk_labelqa import bde
from ntk_labelqa.gram.arrays import Array, fused, in_few_sizes, to_host
from ntk_labelqa.gram.inverse import RegularizedInverse, learnt
from ntk_labelqa.gram.rows_there import panels_there
from ntk_labelqa.label_model.annotations import Annotations
from ntk_labelqa.row_store import Rows


def gradient(applied: np.ndarray, z: np.ndarray, counts: np.ndarray, beta: float = 1.0) -> np.ndarray:
    r"""∇L in Y, class counts included, float64[N, K].

    .. math::
        ∇_Y L = 2 G Y W + 1 c^\top, \qquad
        c_k = -\frac{2 n_k - 1}{K n_k^2 (n_k - 1)^2} Z_{kk}
              + \frac{2β}{K^2 - K} \sum_{d \neq k} \frac{Z_{kd}}{n_k^2 n_d}

    A class of one item has no intra term and an empty one no inter term, as in :mod:`ntk_labelqa.bde`; their share of
    the gradient is 0 likewise.

    Args:
        applied: GY, float64[N, K].
        z: Z, float64[K, K].
        counts: n, float64[K].
        beta: weight of the inter-class terms.

    Cost: O(NK): off its diagonal W is −(β / (K² − K)) u uᵀ with u = 1/n.
    """
    w = bde.weights(counts, beta)
    own, others = np.diag(w), w - np.diag(np.diag(w))
    # d/dn of 1/(n(n-1)) is -(2n-1)/(n(n-1)) times it, and of 1/n it is -1/n times it.
    pairs = counts * (counts - 1)
    steeper = np.divide(2 * counts - 1, pairs, out=np.zeros_like(pairs), where=counts > 1)
    shares = _inverted(counts)
    by_count = -steeper * own * np.diag(z) - 2 * shares * (others * z).sum(axis=1)
    inter = _inter_weight(len(counts), beta)
    by_labels = applied * (own + inter * shares**2) - np.outer(applied @ shares, inter * shares)
    return 2 * by_labels + by_count


@dataclass(frozen=True)
class LabelState:
    """Labels, and what every change of the BDE is computed from.

    Attributes:
        applied: GY, float64[N, K].
        diagonal: diag G, float64[N].
        z: Z, float64[K, K].
        counts: n, float64[K].
    """

    applied: np.ndarray
    diagonal: np.ndarray
    z: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, inverse: RegularizedInverse, labels: np.ndarray) -> Self:
        """For labels Y, float[N, K]. Cost: one ``apply`` of K columns."""
        applied = inverse.apply(labels)
        z = labels.T @ applied
        return cls(applied, inverse.diagonal(), (z + z.T) / 2, labels.sum(axis=0))

    @classmethod
    def of_some(cls, inverse: RegularizedInverse, labels: Rows, items: np.ndarray) -> Self:
        """:meth:`of` with GY and diag G of *items* alone, ascending. Cost: one ``apply``, a panel at a time."""
        diagonal = inverse.diagonal()
        regression, k = learnt(inverse.regression(), labels), labels.shape[1]
        applied, z, counts = np.empty((len(items), k)), np.zeros((k, k)), np.zeros(k)
        for rows in panels_there(labels.shape):
            given = labels[rows]
            first, last = np.searchsorted(items, [rows.start, rows.stop])
            chosen = in_few_sizes(items[first:last] - rows.start)
            some, of_z, of_counts = to_host(_summed(given, regression.left_out(rows, given), diagonal[rows], chosen))
            applied[first:last], z, counts = some[: last - first], z + of_z, counts + of_counts
        return cls(applied, diagonal[items], (z + z.T) / 2, counts)

    def moved(self, column: np.ndarray, item: int, given: int, target: int) -> LabelState:
        """The state once *item*, labelled *given*, is labelled *target*; *column* is G[:, item]. Cost: O(N)."""
        applied = self.applied.copy()
        applied[:, given] -= column
        applied[:, target] += column
        # Z' = Z + (e_j − e_a) (GY)_i + its transpose + G_ii (e_j − e_a)(e_j − e_a)ᵀ
        half = np.zeros_like(self.z)
        half[target] += self.applied[item]
        half[given] -= self.applied[item]
        z = self.z + half + half.T
        own = self.diagonal[item]
        z[[given, target], [given, target]] += own
        z[[given, target], [target, given]] -= own
        counts = self.counts.copy()
        counts[[given, target]] += (-1, 1)
        return LabelState(applied, self.diagonal, z, counts)

    def all_changes(self, codes: np.ndarray, *, beta: float = 1.0) -> np.ndarray:
        """ΔL of moving each item by itself to each class, float64[N, K]; 0 where it is already.

        Args:
            codes: the labels that the state is of, one an item, int64[N].
            beta: weight of the inter-class terms.

        Cost: O(NK), as W' has the form of W (see :func:`gradient`).
        """
        each, n, k = np.arange(len(codes)), self.counts, len(self.counts)
        inter = _inter_weight(k, beta)
        now, more, fewer = _inverted(n), _inverted(n + 1), _inverted(n - 1)[codes]
        given, own_fewer = self.applied[each, codes], _own_weights(n - 1)[codes]
        # (GY)_i · u' for the u' = 1/n' of each move
        shared = (self.applied @ now + given * (fewer - now[codes]))[:, None] + self.applied * (more - now)
        to = self.applied * (_own_weights(n + 1) + inter * more**2) - inter * more * shared
        away = (given * (own_fewer + inter * fewer**2))[:, None] - inter * fewer[:, None] * shared
        own = own_fewer[:, None] + _own_weights(n + 1) + 2 * inter * fewer[:, None] * more
        changes = self._count_changes(beta)[codes] + 2 * (to - away) + self.diagonal[:, None] * own
        changes[each, codes] = 0.0
        return changes

    def _count_changes(self, beta: float) -> np.ndarray:
        """Σ (W' − W)∘Z for a move from each class to each other one, float64[K, K]."""
        n, diagonal, inter = self.counts, np.diag(self.z), _inter_weight(len(self.counts), beta)
        now, fewer, more = _inverted(n), _inverted(n - 1), _inverted(n + 1)
        own = _own_weights(n) + inter * now**2
        fall, rise = fewer - now, more - now
        seen = self.z @ now
        leaving = (_own_weights(n - 1) + inter * fewer**2 - own - inter * fall**2) * diagonal - 2 * inter * fall * seen
        coming = (_own_weights(n + 1) + inter * more**2 - own - inter * rise**2) * diagonal - 2 * inter * rise * seen
        return leaving[:, None] + coming - 2 * inter * np.outer(fall, rise) * self.z

    def changes(
        self, items: np.ndarray, given: int, target: int, *, share: float = 1.0, beta: float = 1.0
    ) -> np.ndarray:
        """ΔL of moving each of *items* by itself from class *given* to *target*, float64[n]; negative = the BDE falls.

        Args:
            items: rows, int64[n], all labelled *given*.
            given, target: a and j, different classes.
            share: σ, how much of their label row moves.
            beta: weight of the inter-class terms.

        Cost: O(nK).
        """
        after = self.counts.astype(float)
        after[[given, target]] += (-share, share)
        (from_now, to_now), (from_new, to_new) = (
            (_weights_row(given, n, beta), _weights_row(target, n, beta)) for n in (self.counts, after)
        )
        fall, rise = from_new - from_now, to_new - to_now
        # W changes in two rows and the same two columns; what they share must count once.
        by_counts = 2 * (fall @ self.z[given] + rise @ self.z[target]) - 2 * fall[target] * self.z[given, target]
        by_counts -= fall[given] * self.z[given, given] + rise[target] * self.z[target, target]
        by_labels = self.applied[items] @ (to_new - from_new)
        own = from_new[given] + to_new[target] - 2 * from_new[target]
        return by_counts + 2 * share * by_labels + share**2 * own * self.diagonal[items]


def bde_gains(inverse: RegularizedInverse, annotations: Annotations, predicted: np.ndarray) -> np.ndarray:
    """By how much the BDE would fall if each annotation's label became the one predicted, float64[A]; high = suspect.

    Args:
        inverse: G.
        annotations: the labels as given.
        predicted: class codes, int64[A]; the gain is 0 where they equal the label.

    Cost: one ``apply`` of K columns, and O(K) for each annotation that would change.
    """
    labels_of_item = annotations.per_item()[annotations.items]
    gains = np.zeros(len(annotations))
    moves = np.flatnonzero(predicted != annotations.labels)
    moved = np.unique(annotations.items[moves])
    state = LabelState.of_some(inverse, annotations.means_there(), moved)
    place = np.searchsorted(moved, annotations.items)
    kinds, kind_of_move = np.unique(
        np.stack([annotations.labels[moves], predicted[moves], labels_of_item[moves]]), axis=1, return_inverse=True
    )
    for kind, (given, target, labels) in enumerate(kinds.T.tolist()):
        chosen = moves[kind_of_move == kind]
        gains[chosen] = -state.changes(place[chosen], given, target, share=1 / labels)
    return gains


@fused()
def _summed(given: Array, left_out: Array, diagonal: Array, chosen: Array) -> tuple[Array, Array, Array]:
    """GY of the items *chosen*, YᵀGY and the class counts, of Y and P: for P = Y − diag(G)⁻¹ G Y."""
    applied = (given - left_out) * diagonal[:, None]
    return applied[chosen], given.T @ applied, given.sum(axis=0)


def _inverted(counts: np.ndarray) -> np.ndarray:
    """1/n, and 0 for empty classes."""
    return np.divide(1.0, counts, out=np.zeros(len(counts)), where=counts > 0)


def _own_weights(counts: np.ndarray) -> np.ndarray:
    """diag W: 1/(K n (n − 1)), and 0 for classes of fewer than two."""
    own = len(counts) * counts * (counts - 1.0)
    return np.divide(1.0, own, out=np.zeros(len(counts)), where=counts > 1)


def _inter_weight(class_count: int, beta: float) -> float:
    """β / (K² − K), and 0 for one class."""
    return beta / (class_count**2 - class_count) if class_count > 1 else 0.0


def _weights_row(row: int, counts: np.ndarray, beta: float) -> np.ndarray:
    """W[row] of :func:`ntk_labelqa.bde.weights`, float64[K], in O(K)."""
    k, own = len(counts), counts[row]
    weights = np.zeros(k)
    pairs = own * counts
    np.divide(-beta / (k * k - k), pairs, out=weights, where=pairs > 0)
    weights[row] = 1 / (k * own * (own - 1)) if own > 1 else 0.0
    return weights
