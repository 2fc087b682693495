r"""How often anchors are of the class predicted: told without a clean label, by whether two strangers agree on them.

The noise channel takes an anchor's predicted class for its true one. A kernel that tells the classes apart badly
predicts wrongly even where it looks sure, and every such prediction would count as a wrong label. So the items are
split into three parts, and each part is predicted by the two others, which share no label. If each is right with
probability a, and wrong ones fall on the K − 1 other classes alike, the two agree with probability

.. math:: α = a^2 + \frac{(1 - a)^2}{K - 1}

which is solved for a. How wrong the labels are has no part in it. Two parts may share a mistake, where classes look
alike for good, and then a is too large; each part learns from a third of the labels, which makes it too small.
"""

from __future__ import annotations

import numpy as np

from ntk_labelqa.gram.inverse import RegularizedInverse

PARTS = 3
MOST_A_PART = 20_000
"""Items drawn for a part at most: their features are copied, in as much memory as the inverse needed to come about."""
STANDARD_ERRORS = 2.0
FEWEST_A_CLASS = 8
"""Items a class in each part; with fewer the parts disagree however well all items together tell the classes apart."""


def anchor_accuracy(inverse: RegularizedInverse, labels: np.ndarray, anchors: np.ndarray, *, seed: int = 0) -> float:
    """a, the estimated share of *anchors* whose predicted class is their true one, from 1/K to 1.

    It is the upper end of what chance allows, so that no wrong label is put down to the kernel by chance.

    Anchors are taken to be right, a = 1, where the parts have fewer than :data:`FEWEST_A_CLASS` items a class.

    Args:
        inverse: G, at the ridge that the anchors were predicted with.
        labels: Y, float[N, K].
        anchors: int[n], rows of items.
        seed: of the split.

    Cost: three times :meth:`~ntk_labelqa.gram.inverse.RegularizedInverse.predicted_from` a third of the items.
    """
    if inverse.size < PARTS * FEWEST_A_CLASS * labels.shape[1]:
        return 1.0
    order = np.random.default_rng(seed).permutation(inverse.size)
    part, drawn = order % PARTS, order < PARTS * MOST_A_PART
    parts = [np.flatnonzero(drawn & (part == p)) for p in range(PARTS)]
    votes = np.stack([inverse.predicted_from(rows, labels)[anchors].argmax(axis=1) for rows in parts])
    own, each = part[anchors], np.arange(len(anchors))
    agreed = votes[(own + 1) % PARTS, each] == votes[(own + 2) % PARTS, each]
    agreement = float(agreed.mean())
    by_chance = STANDARD_ERRORS * np.sqrt(agreement * (1 - agreement) / max(len(anchors), 1))
    return accuracy_of_agreeing(min(1.0, agreement + by_chance), labels.shape[1])


def accuracy_of_agreeing(agreement: float, class_count: int) -> float:
    """a of the module's equation; 1/K, chance, where the two agree no more often than chance would have it.

    Example:
        >>> accuracy_of_agreeing(1.0, 10), round(accuracy_of_agreeing(0.82, 2), 3), accuracy_of_agreeing(0.0, 4)
        (1.0, 0.9, 0.25)
    """
    if class_count == 1:
        return 1.0
    chance = 1 / class_count
    beyond = max((agreement - chance) / (1 - chance), 0.0)
    return chance + (1 - chance) * float(np.sqrt(beyond))
