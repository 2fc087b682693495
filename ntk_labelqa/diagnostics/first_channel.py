r"""The noise channel of the labels as given: which items to count it on.

Anchors are the items whose leave-one-out margin is widest, and few of them, lest the overlap of classes is taken for
noise. Two things speak for others, where items of a class are nearly all alike, as in good embeddings:

- A margin then tells of little but the item left out: leaving out a wrong label makes a prediction surer than leaving
  out a right one, so the widest margins single out wrong labels. Strangers
  (:mod:`~ntk_labelqa.diagnostics.strangers`) cannot do so: items of a fifth are ranked by what others say of them. They
  know fewer labels, though, and so tell worse which items are clear-cut.
- Nearly all items are clear-cut, and counting on few of them would leave the channel to chance.
"""

from __future__ import annotations

import numpy as np

from ntk_labelqa.diagnostics.annotations import Annotations
from ntk_labelqa.diagnostics.noise_channel import NoiseChannel, estimate_channel
from ntk_labelqa.diagnostics.strangers import Strangers

WIDER_SHARES = (1.0, 0.5)
"""Of the items predicted to be of a class. In finer steps a fall of the agreement would go unnoticed."""
CLEAR_CUT = 0.998
"""Share of anchors on which strangers agree, at the least, for more of them to be taken."""
SURELY = 2.5
"""Standard errors by which agreements differ surely, of :data:`FEWEST_LABELS` labels each or more."""
FEWEST_LABELS = 20


def first_channel(predictions: np.ndarray, annotations: Annotations, strangers: Strangers | None) -> NoiseChannel:
    """The noise channel from the anchors that are to be trusted most.

    Both faults of anchors, to be wrongly predicted and to be chosen for their wrong labels, lower their agreement with
    labels. So the strangers' ranking is taken if its anchors surely agree more; and all items or half of them by the
    ranking taken, unless strangers disagree there, or labels surely agree less with those added.

    Args:
        predictions: P, float[N, K], leave-one-out predictions.
        annotations: of the N items.
        strangers: None where items are too few.

    Cost: that of two to four :func:`~ntk_labelqa.diagnostics.noise_channel.estimate_channel`.
    """
    few = estimate_channel(predictions, annotations)
    if strangers is None:
        return few
    predicted = predictions.argmax(axis=1)
    agrees = predicted[annotations.items] == annotations.labels

    def agreeing(anchors: np.ndarray) -> np.ndarray:
        """Of the labels of *anchors*, which are of the class predicted."""
        return agrees[np.isin(annotations.items, anchors)]

    sureness = None
    theirs = strangers.sureness(predicted)
    by_strangers = estimate_channel(predictions, annotations, sureness=theirs)
    if _is_surely_less(agreeing(few.anchors), agreeing(by_strangers.anchors)):
        few, sureness = by_strangers, theirs
    for share in WIDER_SHARES:
        wider = estimate_channel(predictions, annotations, anchor_share=share, sureness=sureness)
        added = np.setdiff1d(wider.anchors, few.anchors)
        falls = _is_surely_less(agreeing(added), agreeing(few.anchors))
        if strangers.agree[wider.anchors].mean() >= CLEAR_CUT and not falls:
            return wider
    return few


def _is_surely_less(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether the share of *one* (bool[n]) that is true is less than that of *other*, beyond chance."""
    if min(len(one), len(other)) < FEWEST_LABELS:
        return False
    # Both are taken to have a common share: of a few that all agree, the own one would have no variance.
    share = np.concatenate([one, other]).mean()
    variance = share * (1 - share) * (1 / len(one) + 1 / len(other))
    return bool(other.mean() - one.mean() > SURELY * np.sqrt(variance))
