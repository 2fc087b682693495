"""Which pairs of classes deserve a warning, why they overlap, and which items carry it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.special import ndtr

from ntk_labelqa.diagnostics.overlaps import Overlaps, Weights, overlap_values
from ntk_labelqa.diagnostics.panels import Best, class_panels
from ntk_labelqa.gram.inverse import RegularizedInverse

SIGNIFICANCE = 0.05
"""Largest false discovery rate at which an overlap counts as more than the usual one of this data set."""
SIZE = 0.15
"""Least overlap that deserves a warning."""
FEWEST = 5
"""Items a class needs before anything is said of its overlaps."""
SPLITS = 5
"""Times that the labels are halved."""
VOTING_RIDGE = 1.0
"""Least ridge of the halves' predictions: a vote has to be an average over many labels, or it repeats their noise."""
REPEATED = 0.65
"""Share of a pair's contradicted labels on which halves of the data agree, from which wrong labels may explain it."""
FIRMNESS = 0.6
"""How firmly they have to be contradicted for that, where other labels of the two classes are confirmed with 1."""
CARRIERS = 6
"""Items named for each class of a warned pair."""
CONFIDENCE = 1.959964

LABELS, CLASSES = "labels", "classes"
"""Causes: wrong labels, which reviewers can correct; or the classes themselves, which guideline or taxonomy must."""


def judge(pairs: pd.DataFrame, overlaps: Overlaps) -> pd.DataFrame:
    """*pairs* (``a`` < ``b``, all pairs) with the overlap, its interval and significance, and the warning.

    A pair is warned of where its overlap is larger than the usual one (one-sided, with the false discovery rate over
    all pairs held at :data:`SIGNIFICANCE`) and at least :data:`SIZE`.
    """
    a, b = pairs["a"].to_numpy(), pairs["b"].to_numpy()
    value, deviation = overlaps.values[a, b], overlaps.deviations[a, b]
    enough = np.minimum(overlaps.counts[a], overlaps.counts[b]) >= FEWEST
    excess = np.divide(value - overlaps.baseline(), deviation, out=np.zeros(len(value)), where=deviation > 0)
    q = false_discovery_rates(np.where(enough, ndtr(-excess), 1.0))
    return pairs.assign(
        overlap=value,
        overlap_low=np.maximum(value - CONFIDENCE * deviation, 0.0),
        overlap_high=value + CONFIDENCE * deviation,
        q_value=q,
        is_warned=(q <= SIGNIFICANCE) & (value >= SIZE),
    )


def explained(pairs: pd.DataFrame, inverse: RegularizedInverse, labels: sparse.csr_matrix) -> pd.DataFrame:
    """*pairs* that are judged, with the overlap that corrected labels would leave, and the cause of each warning.

    Args:
        pairs: rows of :func:`judge`.
        inverse: G.
        labels: Y, sparse float64[N, K].

    Cost: where there is a warning, 2 :data:`SPLITS` + 2 ``apply`` of K columns, and an inverse at another ridge.
    """
    pairs = pairs.assign(overlap_refurbished=pairs["overlap"], cause="")
    rows = np.flatnonzero(pairs["is_warned"])
    if not len(rows):
        return pairs
    a, b = pairs["a"].to_numpy(), pairs["b"].to_numpy()
    halves = vote_by_halves(inverse.at(max(inverse.ridge, VOTING_RIDGE)), labels, a[rows], b[rows])
    pairs["overlap_refurbished"] = overlap_values(inverse, corrected(labels, halves.agreed))[a, b]
    pairs.loc[pairs.index[rows], "cause"] = [
        LABELS if repeated >= REPEATED and firmness >= FIRMNESS else CLASSES
        for repeated, firmness in halves.contradictions
    ]
    return pairs


@dataclass(frozen=True)
class Halves:
    """What leave-one-out predictions from either half of the labels say, over several random halves.

    Attributes:
        agreed: the class that all halves predict for an item, int64[N]; -1 where they differ.
        contradictions: of each pair of classes, (share, firmness). Of the items of either class that are predicted to
            be of the other one: how often the halves agree, and how firmly they are contradicted, relative to how
            firmly other items of the two are confirmed; both are 0 where no label is contradicted.
    """

    agreed: np.ndarray
    contradictions: list[tuple[float, float]]


def vote_by_halves(
    inverse: RegularizedInverse, labels: sparse.csr_matrix, first: np.ndarray, second: np.ndarray
) -> Halves:
    """Halve the labels :data:`SPLITS` times and predict each item from either half, leaving it out.

    Predictions are linear in the labels, so the two halves' add up to those of all labels, and noise in the labels of
    one half cannot reach the other's. A wrong label is contradicted by either half of the data, and as firmly as right
    ones are confirmed. Where nothing distinguishes two classes, each half contradicts what the chance of its own labels
    makes it, and they agree on half of the items. Items that lie between the classes are contradicted faintly.

    Args:
        inverse: G.
        labels: Y, sparse float64[N, K].
        first, second: the pairs to look at, int[W] each, first < second.

    Cost: 2 :data:`SPLITS` ``apply`` of K columns, a panel of classes of one half at a time.
    """
    random, count = np.random.default_rng(0), labels.shape[0]
    members = _Members.of(labels, first, second)
    unseen, differ = -2, -1
    agreed: np.ndarray = np.full(count, unseen)
    for _ in range(SPLITS):
        half = np.zeros(count)
        half[random.permutation(count)[: count // 2]] = 1.0
        leans = []
        for part in (half, 1.0 - half):
            best, lean = _voted(inverse, sparse.csr_matrix(labels.multiply(part[:, None])), members)
            agreed = np.where((agreed == best) | (agreed == unseen), best, differ)
            leans.append(lean)
        members.see(*leans)
    return Halves(agreed, members.contradictions())


def _voted(inverse: RegularizedInverse, labels: sparse.csr_matrix, members: _Members) -> tuple[np.ndarray, np.ndarray]:
    """Of the predictions from *labels*, the largest's class of each item, and how members of pairs lean."""
    best, lean, diagonal = Best(labels.shape[0]), np.zeros(len(members.items)), inverse.diagonal()[:, None]
    by_class = labels.tocsc()
    for panel in class_panels(*labels.shape):
        given = by_class[:, panel].toarray()
        votes = given - inverse.apply(given) / diagonal
        best.see(votes, panel)
        members.lean(votes, panel, lean)
    return best.classes, lean


@dataclass
class _Members:
    """The items of either class of each pair, and how predictions lean: to the first class, or, below 0, the second.

    Attributes:
        items: item of each entry, pair after pair, int[E].
        pair: its pair, int[E].
        given: label of the first class less that of the second, float64[E].
        classes: first and second class of each entry, int[2, E].
        sizes: items a class, float64[K].
        total: sum of all leans so far, float64[E].
        alike: splits so far in which both halves lean to the same class, int[E].
    """

    items: np.ndarray
    pair: np.ndarray
    given: np.ndarray
    classes: np.ndarray
    sizes: np.ndarray
    total: np.ndarray
    alike: np.ndarray

    @classmethod
    def of(cls, labels: sparse.csr_matrix, first: np.ndarray, second: np.ndarray) -> _Members:
        rows, each = np.concatenate([first, second]), np.arange(len(first))
        signs = np.repeat([1.0, -1.0], len(first))
        between = sparse.csr_matrix((signs, (rows, np.tile(each, 2))), (labels.shape[1], len(first)))
        given = (labels @ between).tocsc()  # a column a pair
        pair = np.repeat(each, np.diff(given.indptr)).astype(np.int32)
        return cls(
            items=given.indices,
            pair=pair,
            given=given.data,
            classes=np.stack([first[pair], second[pair]]).astype(np.int32),
            sizes=np.asarray(labels.sum(axis=0)).ravel(),
            total=np.zeros(len(pair)),
            alike=np.zeros(len(pair), np.int8),
        )

    def lean(self, votes: np.ndarray, panel: slice, lean: np.ndarray) -> None:
        """Add to *lean*, float64[E], what *votes*, float64[N, classes of the panel], say of these classes.

        By class size, or the larger class would be predicted everywhere, by either half.
        """
        for sign, of in zip((1.0, -1.0), self.classes, strict=True):
            here = np.flatnonzero((of >= panel.start) & (of < panel.stop))
            lean[here] += sign * votes[self.items[here], of[here] - panel.start] / self.sizes[of[here]]

    def see(self, one: np.ndarray, other: np.ndarray) -> None:
        """Take in how either half of a split leans, float64[E] each."""
        self.total += one + other
        self.alike += one * other > 0

    def contradictions(self) -> list[tuple[float, float]]:
        """See :class:`Halves`."""
        support, count = self.given * self.total, int(self.pair[-1]) + 1 if len(self.pair) else 0
        against, by = support < 0, support > 0
        contradicted, confirmed = (np.bincount(self.pair[of], minlength=count) for of in (against, by))
        alike = np.bincount(self.pair[against], self.alike[against], minlength=count)
        size_against, size_by = (np.bincount(self.pair[of], support[of], minlength=count) for of in (against, by))
        found = []
        for row in range(count):
            if not contradicted[row]:
                found.append((0.0, 0.0))
                continue
            repeated = float(alike[row] / (SPLITS * contradicted[row]))
            mean = -size_against[row] / contradicted[row]
            found.append((repeated, float(mean / (size_by[row] / confirmed[row])) if confirmed[row] else 1.0))
        return found


def corrected(labels: sparse.csr_matrix, agreed: np.ndarray) -> sparse.csr_matrix:
    """Y with the labels of items that have a class in *agreed*, int64[N], replaced by it; -1 leaves an item alone."""
    items = np.flatnonzero(agreed >= 0)
    instead = sparse.csr_matrix((np.ones(len(items)), (items, agreed[items])), labels.shape)
    return sparse.csr_matrix(labels.multiply((agreed < 0)[:, None]) + instead)


def false_discovery_rates(p_values: np.ndarray) -> np.ndarray:
    """The least false discovery rate at which each would be significant (Benjamini and Hochberg, 1995)."""
    count = len(p_values)
    order = np.argsort(p_values)
    ranked = p_values[order] * count / np.arange(1, count + 1)
    adjusted = np.empty(count)
    adjusted[order] = np.minimum.accumulate(ranked[::-1])[::-1]
    return np.minimum(adjusted, 1.0)


def carriers(pairs: pd.DataFrame, weights: Weights, ids: np.ndarray) -> tuple[list[str], list[str]]:
    """For each warned pair the ids of the items of either class that lean most to the other, set apart by spaces."""
    named: tuple[list[str], list[str]] = ([""] * len(pairs), [""] * len(pairs))
    rows = np.flatnonzero(pairs["is_warned"])
    sides = list(zip(named, (("a", "b"), ("b", "a")), strict=True))
    for panel in weights.panels:
        for names, (own, other) in sides:
            of, toward = pairs[own].to_numpy(), pairs[other].to_numpy()
            for row in rows[(toward[rows] >= panel.start) & (toward[rows] < panel.stop)]:
                pull = weights.of(panel)[0][:, toward[row] - panel.start]
                names[row] = _leaning(pull, weights.members(of[row]), ids)
    return named


def _leaning(pull: np.ndarray, members: tuple[np.ndarray, np.ndarray], ids: np.ndarray) -> str:
    items, labels = members
    strongest = items[np.argsort(-labels * pull[items], kind="stable")[:CARRIERS]]
    return " ".join(str(item) for item in ids[strongest])
