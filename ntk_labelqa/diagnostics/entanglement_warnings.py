"""Which pairs of classes deserve a warning, why they overlap, and which items carry it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtr

from ntk_labelqa.diagnostics.overlaps import Overlaps
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


def judge(pairs: pd.DataFrame, overlaps: Overlaps, inverse: RegularizedInverse, labels: np.ndarray) -> pd.DataFrame:
    """*pairs* (``a`` < ``b``, all pairs) with the overlap, its interval and significance, the warning and its cause.

    A pair is warned of where its overlap is larger than the usual one (one-sided, with the false discovery rate over
    all pairs held at :data:`SIGNIFICANCE`) and at least :data:`SIZE`.

    Cost: where there is a warning, 2 :data:`SPLITS` + 2 ``apply`` of K columns, and an inverse at another ridge.
    """
    a, b = pairs["a"].to_numpy(), pairs["b"].to_numpy()
    value, deviation = overlaps.values[a, b], overlaps.deviations[a, b]
    enough = np.minimum(overlaps.counts[a], overlaps.counts[b]) >= FEWEST
    excess = np.divide(value - overlaps.baseline(), deviation, out=np.zeros(len(value)), where=deviation > 0)
    q = false_discovery_rates(np.where(enough, ndtr(-excess), 1.0))
    is_warned = (q <= SIGNIFICANCE) & (value >= SIZE)
    pairs = pairs.assign(
        overlap=value,
        overlap_low=np.maximum(value - CONFIDENCE * deviation, 0.0),
        overlap_high=value + CONFIDENCE * deviation,
        q_value=q,
        is_warned=is_warned,
        overlap_refurbished=value,
        cause="",
    )
    if is_warned.any():
        votes = half_votes(inverse.at(max(inverse.ridge, VOTING_RIDGE)), labels)
        pairs["overlap_refurbished"] = Overlaps.of(inverse, agreed_labels(votes, labels)).values[a, b]
        rows = np.flatnonzero(is_warned)
        pairs.loc[pairs.index[rows], "cause"] = [cause_of(votes, labels, a[row], b[row]) for row in rows]
    return pairs


def half_votes(inverse: RegularizedInverse, labels: np.ndarray) -> np.ndarray:
    """Leave-one-out predictions from either half of the labels, for several random halves; float64[splits, 2, N, K].

    Predictions are linear in the labels, so the two halves' add up to those of all labels, and noise in the labels of
    one half cannot reach the other's.
    """
    random, diagonal = np.random.default_rng(0), inverse.diagonal()[:, None]
    votes = np.empty((SPLITS, 2, *labels.shape))
    for split in votes:
        half = np.zeros((len(labels), 1))
        half[random.permutation(len(labels))[: len(labels) // 2]] = 1.0
        for vote, part in zip(split, (labels * half, labels * (1 - half)), strict=True):
            vote[:] = part - inverse.apply(part) / diagonal
    return votes


def agreed_labels(votes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Y, with the labels corrected that all halves contradict alike; float64[N, K]."""
    taken = votes.argmax(axis=-1).reshape(-1, len(labels))
    agreed = (taken == taken[0]).all(axis=0)
    corrected = labels.copy()
    corrected[agreed] = np.eye(labels.shape[1])[taken[0, agreed]]
    return corrected


def cause_of(votes: np.ndarray, labels: np.ndarray, a: int, b: int) -> str:
    """Why two classes overlap: :data:`LABELS` where wrong ones explain it, else :data:`CLASSES`."""
    repeated, firmness = contradictions(votes, labels, a, b)
    return LABELS if repeated >= REPEATED and firmness >= FIRMNESS else CLASSES


def contradictions(votes: np.ndarray, labels: np.ndarray, a: int, b: int) -> tuple[float, float]:
    """Of the items of two classes that are predicted to be of the other one: how often the halves agree, how firmly.

    A wrong label is contradicted by either half of the data, and as firmly as right ones are confirmed. Where nothing
    distinguishes the classes, each half contradicts what the chance of its own labels makes it, and they agree on half
    of the items. Items that lie between the classes are contradicted faintly.

    Returns the share of the halves that agree on such an item, and the mean size of their prediction over that of the
    other items; both are 0 where no label is contradicted.
    """
    given = labels[:, a] - labels[:, b]
    # By class size, or the larger class would be predicted everywhere, by either half.
    lean = votes[..., a] / labels[:, a].sum() - votes[..., b] / labels[:, b].sum()
    support = given * lean.sum(axis=(0, 1))
    contradicted, confirmed = support < 0, support > 0
    if not contradicted.any():
        return 0.0, 0.0
    repeated = float((lean[:, 0] * lean[:, 1] > 0)[:, contradicted].mean())
    if not confirmed.any():
        return repeated, 1.0
    return repeated, float(-support[contradicted].mean() / support[confirmed].mean())


def false_discovery_rates(p_values: np.ndarray) -> np.ndarray:
    """The least false discovery rate at which each would be significant (Benjamini and Hochberg, 1995)."""
    count = len(p_values)
    order = np.argsort(p_values)
    ranked = p_values[order] * count / np.arange(1, count + 1)
    adjusted = np.empty(count)
    adjusted[order] = np.minimum.accumulate(ranked[::-1])[::-1]
    return np.minimum(adjusted, 1.0)


def carriers(pairs: pd.DataFrame, overlaps: Overlaps, labels: np.ndarray, ids: np.ndarray) -> tuple[list, list]:
    """For each warned pair the ids of the items of either class that lean most to the other, set apart by spaces."""
    named: tuple[list, list] = ([], [])
    for row in pairs.itertuples():
        for names, (own, other) in zip(named, ((row.a, row.b), (row.b, row.a)), strict=True):
            names.append(_leaning(overlaps.weights, labels, own, other, ids) if row.is_warned else "")
    return named


def _leaning(weights: np.ndarray, labels: np.ndarray, own: int, other: int, ids: np.ndarray) -> str:
    members = np.flatnonzero(labels[:, own] > 0)
    pull = labels[members, own] * weights[members, other]
    strongest = members[np.argsort(-pull, kind="stable")[:CARRIERS]]
    return " ".join(str(item) for item in ids[strongest])
