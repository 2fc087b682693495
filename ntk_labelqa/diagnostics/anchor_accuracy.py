r"""How often anchors are of the class predicted: told without a clean label, by whether two strangers agree on them.

The noise channel takes an anchor's predicted class for its true one. A kernel that tells the classes apart badly
predicts wrongly even where it looks sure, and every such prediction would count as a wrong label. So the items are
split into fifths, and each fifth is predicted by the other four, two and two, which share no label. If each is right
with probability a, and wrong ones fall on the K − 1 other classes alike, the two agree with probability

.. math:: α = a^2 + \frac{(1 - a)^2}{K - 1}

which is solved for a. How wrong the labels are has no part in it. Both may share a mistake, where classes look alike
for good, and then a is too large; each learns from two fifths of the labels, which makes it too small. (From a third
it came out at .60 to .65 on three draws of TREC with 70 % of the labels wrong, where .68 to .84 of them were right.)
"""

from __future__ import annotations

import numpy as np

from ntk_labelqa.gram.inverse import RegularizedInverse

FIFTHS = 5
MOST_A_FIFTH = 10_000
"""Items drawn for a fifth at most: two are copied at once, in as much memory as the inverse needed to come about."""
STANDARD_ERRORS = 1.0
FEWEST_A_CLASS = 24
"""Items a class; with fewer the parts disagree however well all items together tell the classes apart."""


def anchor_accuracy(inverse: RegularizedInverse, labels: np.ndarray, anchors: np.ndarray, *, seed: int = 0) -> float:
    """a, the estimated share of *anchors* whose predicted class is their true one, from 1/K to 1.

    It is a standard error above the estimate, so that fewer wrong labels are put down to the kernel by chance.

    Anchors are taken to be right, a = 1, where there are fewer than :data:`FEWEST_A_CLASS` items a class. Classes that
    no label is of do not count.

    Args:
        inverse: G, at the ridge that the anchors were predicted with.
        labels: Y, float[N, K].
        anchors: int[n], rows of items.
        seed: of the split.

    Cost: five times :meth:`~ntk_labelqa.gram.inverse.RegularizedInverse.predicted_from` two fifths of the items.
    """
    used = int(labels.any(axis=0).sum())
    if inverse.size < FEWEST_A_CLASS * used:
        return 1.0
    order = np.random.default_rng(seed).permutation(inverse.size)
    fifth, drawn = order % FIFTHS, order < FIFTHS * MOST_A_FIFTH
    # Pair p is fifths p and p + 1; those of an item in fifth f are f + 1 with f + 2, and f + 3 with f + 4.
    pairs = [np.flatnonzero(drawn & np.isin(fifth, [p, (p + 1) % FIFTHS])) for p in range(FIFTHS)]
    votes = np.stack([inverse.predicted_from(rows, labels)[anchors].argmax(axis=1) for rows in pairs])
    own, each = fifth[anchors], np.arange(len(anchors))
    agreed = votes[(own + 1) % FIFTHS, each] == votes[(own + 3) % FIFTHS, each]
    agreement = float(agreed.mean())
    by_chance = STANDARD_ERRORS * np.sqrt(agreement * (1 - agreement) / max(len(anchors), 1))
    return accuracy_of_agreeing(min(1.0, agreement + by_chance), used)


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
