r"""What strangers say of an item: predictions by others that share no label, nor know its own.

The items are split into fifths, and each fifth is predicted by the other four, two and two.

Whether both agree tells, without a clean label, how often predictions are of the right class. The noise channel takes
an anchor's predicted class for its true one; a kernel that tells the classes apart badly predicts wrongly even where it
looks sure, and every such prediction would count as a wrong label. If each of the two is right with probability a, and
wrong ones fall on the K − 1 other classes alike, they agree with probability

.. math:: α = a^2 + \frac{(1 - a)^2}{K - 1}

which is solved for a. How wrong the labels are has no part in it. Both may share a mistake, where classes look alike
for good, and then a is too large; each learns from two fifths of the labels, which makes it too small. (From a third
it came out at .60 to .65 on three draws of TREC with 70 % of the labels wrong, where .68 to .84 of them were right.)

How clearly they speak ranks the items of a fifth without any of the fifth's own labels; see
:mod:`~ntk_labelqa.diagnostics.first_channel`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ntk_labelqa.gram.inverse import RegularizedInverse

FIFTHS = 5
MOST_A_FIFTH = 10_000
"""Items drawn for a fifth at most: two are copied at once, in as much memory as the inverse needed to come about."""
STANDARD_ERRORS = 1.0
"""By which a is said to be above its estimate."""
FEWEST_A_CLASS = 24
"""Items a class; with fewer the parts disagree however well all items together tell the classes apart."""


@dataclass(frozen=True)
class Strangers:
    """What two predictions of each item, which share no label nor know its own, say of it.

    Attributes:
        votes: the classes that they predict, int64[2, N].
        predictions: their sum, float64[N, K].
        fifth: int[N]; none of the labels of an item's fifth has a part in its predictions.
    """

    votes: np.ndarray
    predictions: np.ndarray
    fifth: np.ndarray

    @property
    def agree(self) -> np.ndarray:
        """Whether both are of the same class, bool[N]."""
        return self.votes[0] == self.votes[1]

    def sureness(self, predicted: np.ndarray) -> np.ndarray:
        """How clearly they speak for the class *predicted*, int[N], beside others of the item's fifth and class.

        float64[N], the share of those for which they speak less clearly; high = sure.
        """
        each = np.arange(len(predicted))
        others = self.predictions.copy()
        others[each, predicted] = -np.inf
        margin = self.predictions[each, predicted] - others.max(axis=1)
        order = np.lexsort((margin, self.fifth, predicted))
        first = np.flatnonzero(np.diff(predicted[order], prepend=-1) | np.diff(self.fifth[order], prepend=-1))
        size = np.diff(first, append=len(order))
        sureness = np.empty(len(order))
        sureness[order] = (np.arange(len(order)) - np.repeat(first, size) + 0.5) / np.repeat(size, size)
        return sureness


def strangers_of(inverse: RegularizedInverse, labels: np.ndarray, *, seed: int = 0) -> Strangers | None:
    """None where fewer than :data:`FEWEST_A_CLASS` items a class have labels. Classes that no label is of do not count.

    Args:
        inverse: G, at the ridge that the anchors are predicted with.
        labels: Y, float[N, K].
        seed: of the split.

    Cost: five times :meth:`~ntk_labelqa.gram.inverse.RegularizedInverse.predicted_from` two fifths of the items.
    """
    labelled = labels.any(axis=1).sum()
    if labelled < FEWEST_A_CLASS * used_classes(labels) or not labelled:
        return None
    order = np.random.default_rng(seed).permutation(inverse.size)
    fifth, drawn = order % FIFTHS, order < FIFTHS * MOST_A_FIFTH
    total, votes = np.zeros(labels.shape), np.empty((2, inverse.size), np.int64)
    for first in range(FIFTHS):
        pair = np.flatnonzero(drawn & np.isin(fifth, [first, (first + 1) % FIFTHS]))
        predictions = inverse.predicted_from(pair, labels)
        # The fifth before the pair and the one two after it are each predicted by this pair and by one other.
        for vote, predicted in enumerate([first - 1, first + 2]):
            rows = fifth == predicted % FIFTHS
            total[rows] += predictions[rows]
            votes[vote, rows] = predictions[rows].argmax(axis=1)
    return Strangers(votes, total, fifth)


def prediction_accuracy(agreed: np.ndarray, class_count: int) -> float:
    """a, the estimated share of items whose predicted class is their true one, from 1/K to 1.

    It is a standard error above the estimate, so that fewer wrong labels are put down to the kernel by chance.

    Args:
        agreed: of the items in question, for example of anchors alone, bool[n]; see :class:`Strangers`.
        class_count: K, of the classes that a label is of.
    """
    agreement = float(agreed.mean()) if len(agreed) else 1.0
    by_chance = STANDARD_ERRORS * np.sqrt(agreement * (1 - agreement) / max(len(agreed), 1))
    return accuracy_of_agreeing(min(1.0, agreement + by_chance), class_count)


def used_classes(labels: np.ndarray) -> int:
    """How many classes a label is of."""
    return int(labels.any(axis=0).sum())


def accuracy_of_agreeing(agreement: float, class_count: int) -> float:
    """a of the module's equation; 1/K, chance, where the two agree no more often than chance would have it.

    Example:
        >>> accuracy_of_agreeing(1.0, 10), round(accuracy_of_agreeing(0.82, 2), 3), accuracy_of_agreeing(0.0, 4)
        (1.0, 0.9, 0.25)
    """
    if class_count <= 1:
        return 1.0
    chance = 1 / class_count
    beyond = max((agreement - chance) / (1 - chance), 0.0)
    return chance + (1 - chance) * float(np.sqrt(beyond))
