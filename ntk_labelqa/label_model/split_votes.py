r"""Two votes on each item by others that share no label and do not know its own.

Items are dealt into fifths, and each fifth is predicted by the other four, two and two. Whether both votes agree tells,
without a clean label, how far predictions are left to chance: if each is right with probability a, and wrong ones fall
on the K − 1 other classes alike, they agree with probability

.. math:: α = a^2 + \frac{(1 - a)^2}{K - 1}

which is solved for a. How wrong the labels are has no part in it. Mistakes that both share it cannot show;
:mod:`~ntk_labelqa.label_model.error_rates` allows for these.

Of two classes of unlike size, regression gives nearly every item to the larger, and votes that always say the same
agree, however little they know. There votes are counted a second time, half-way between what is predicted of the items
labelled one way and of those labelled the other, and agree if they do so both times.
"""

from __future__ import annotations

import numpy as np

from ntk_labelqa.gram.arrays import Array, fused, namespace, to_host
from ntk_labelqa.gram.inverse import RegularizedInverse
from ntk_labelqa.label_model.annotations import FOLDS, Annotations

MOST_A_FOLD = 10_000
"""Items of a fold that vote at most: two folds are copied at once, in as much memory as the inverse needed."""


def votes_agree(inverse: RegularizedInverse, annotations: Annotations) -> np.ndarray:
    """Whether the two votes on each item are for the same class, bool[N].

    Args:
        inverse: G, at the ridge of the predictions in question.
        annotations: of the N items.

    Cost: five times :meth:`~ntk_labelqa.gram.inverse.RegularizedInverse.predicted_from` two fifths of the items.
    """
    labels, folds, ranks = annotations.means_there(), annotations.folds(), annotations.ranks()
    members = [np.flatnonzero(folds == fold) for fold in range(FOLDS)]
    drawn = [rows[np.argsort(ranks[rows])[:MOST_A_FOLD]] for rows in members]
    given = labels[:] if annotations.class_count == 2 else None
    votes = []
    for first in range(FOLDS):
        pair = np.sort(np.concatenate([drawn[first], drawn[(first + 1) % FOLDS]]))
        votes.append(_votes(inverse.predicted_from(pair, labels), given))
    return to_host(_agree(votes, annotations.folds_there()[:]))


@fused()
def _votes(predicted: Array, given: Array | None) -> Array:
    """The class predicted; and, of two, the one whose labels, *given*, are predicted so on average. int64[N, 2]."""
    xp, first = namespace(predicted), predicted.argmax(axis=1)
    if given is None:
        return xp.stack([first, first], axis=1)
    lead = predicted[:, 1] - predicted[:, 0]
    averages = (lead @ given) / xp.maximum(given.sum(axis=0), 1.0)
    return xp.stack([first, lead > averages.mean()], axis=1)


@fused()
def _agree(votes: list[Array], folds: Array) -> Array:
    """Whether those two of *votes*, int64[N, 2], are for the same class that are by pairs of other folds, bool[N].

    The fold before a pair, which is one fold and the next, and the one two after it are each predicted by this pair and
    by one other.
    """
    xp, agree = namespace(folds), [(votes[fold - 4] == votes[fold - 2]).all(axis=1) for fold in range(FOLDS)]
    return xp.select([folds == fold for fold in range(FOLDS)], agree, False)


def accuracy_of_agreeing(agreement: np.ndarray, class_count: int) -> np.ndarray:
    """a of the module's equation; 1/K, chance, where the two agree no more often than chance would have it.

    Example:
        >>> accuracy_of_agreeing(np.array([1.0, 0.82, 0.0]), 2).round(3).tolist()
        [1.0, 0.9, 0.5]
    """
    chance = 1 / class_count
    return chance + (1 - chance) * np.sqrt(np.maximum((agreement - chance) / (1 - chance), 0.0))
