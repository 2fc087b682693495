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
STANDARD_ERRORS = 2.5
"""By which agreements differ surely."""
CLEAR_CUT = 0.998
"""Share of anchors on which strangers agree, at the least, for more of them to be taken."""


def first_channel(predictions: np.ndarray, annotations: Annotations, strangers: Strangers | None) -> NoiseChannel:
    """The noise channel from the anchors that are to be trusted most.

    Both faults of anchors, to be wrongly predicted and to be chosen for their wrong labels, lower their agreement with
    labels. So the strangers' anchors are taken if they surely agree more; and all items or half of them in their place,
    unless strangers disagree there, or labels surely agree less with those added.

    Args:
        predictions: P, float[N, K], leave-one-out predictions.
        annotations: of the N items.
        strangers: None where items are too few.
    """
    by_margin = estimate_channel(predictions, annotations)
    if strangers is None:
        return by_margin
    sureness = strangers.sureness(predictions.argmax(axis=1))
    by_strangers = estimate_channel(predictions, annotations, sureness=sureness)
    few = by_strangers if _agrees_surely_more(by_strangers, by_margin) else by_margin
    for share in WIDER_SHARES:
        wider = estimate_channel(predictions, annotations, anchor_share=share)
        if strangers.agree[wider.anchors].mean() >= CLEAR_CUT and not _agrees_surely_less(wider, few):
            return wider
    return few


def _agrees_surely_more(one: NoiseChannel, other: NoiseChannel) -> bool:
    """Whether the labels of the anchors of *one* agree more than those of *other*, beyond chance."""
    return _is_sure(one.agreement - other.agreement, _variance(one) + _variance(other))


def _agrees_surely_less(wider: NoiseChannel, few: NoiseChannel) -> bool:
    """Whether the labels that *wider* has besides agree less than those of *few*, beyond chance."""
    added = wider.anchor_labels - few.anchor_labels
    if not added:
        return False
    of_added = (wider.agreement * wider.anchor_labels - few.agreement * few.anchor_labels) / added
    # Both rates are taken to be the common one, of which *few* may have too few errors to tell its own variance.
    variance = _variance(wider) * wider.anchor_labels * (1 / added + 1 / max(few.anchor_labels, 1))
    return _is_sure(few.agreement - of_added, variance)


def _variance(channel: NoiseChannel) -> float:
    """Of the agreement."""
    return channel.agreement * (1 - channel.agreement) / max(channel.anchor_labels, 1)


def _is_sure(difference: float, variance: float) -> bool:
    return bool(difference > STANDARD_ERRORS * np.sqrt(variance))
