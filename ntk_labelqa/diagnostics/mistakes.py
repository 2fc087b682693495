"""Anchors that are predicted wrongly, which the noise channel would take for wrong labels.

How many there are, strangers' agreement tells (:func:`~ntk_labelqa.diagnostics.strangers.prediction_accuracy`). Where
they are few, the rate of all errors is lowered alike. Where they are many, it matters which classes they are of: wrong
predictions follow the likeness of classes, wrong labels need not, and a channel lowered alike would have the kernel's
own confusions for errors. Strangers tell that as well: by the classes that they name in place of the one predicted. But
they learn from the wrong labels too. Somebody who takes sevens for ones has them name ones for some sevens, and to take
these out would hide the errors; so they are asked only where many anchors are mistaken, which is the kernel's doing.
Errors of one way, of a third of a class's labels say, are partly hidden there still.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ntk_labelqa.diagnostics.noise_channel import NoiseChannel, shared_channel
from ntk_labelqa.diagnostics.strangers import Strangers

FEW_MISTAKEN = 0.1
"""Share of the anchors up to which the rate of all errors is lowered alike."""
LATER_EXPONENT = 0.25
"""Of the share of contradictions that are label errors, in later rounds, where few anchors are mistaken. With ½ the
error rate of digits with 70 % of the labels wrong comes out .025 too low."""
MOST_MISTAKEN = 0.5
"""Of the anchors predicted to be of a class: with more they would not be that class's anchors. What is above it is not
made up for by other classes."""


@dataclass(frozen=True)
class Mistakes:
    """How many anchors are predicted wrongly, and what for what.

    Attributes:
        strangers: who tell which classes are taken for each other.
        accuracy: share of the first round's anchors that are of the class predicted.
        agreement: share of their labels that are of the class predicted.
    """

    strangers: Strangers
    accuracy: float
    agreement: float

    @property
    def are_few(self) -> bool:
        """Whether the rate of all errors is lowered alike."""
        return 1 - self.accuracy <= FEW_MISTAKEN

    @property
    def label_errors(self) -> float:
        """Of the first anchors' labels that are not of the class predicted, the share that are wrong, from 0 to 1.

        Labels are right with probability agreement / accuracy; the other contradictions are wrong predictions.
        """
        contradicted = 1 - self.agreement
        return min(1.0, max(0.0, 1 - self.agreement / self.accuracy) / contradicted) if contradicted > 0 else 1.0

    def taken_out_at_first(self, channel: NoiseChannel, predictions: np.ndarray) -> NoiseChannel:
        """*channel*, of the first round, without them; P, float[N, K], is what its anchors were chosen by."""
        if self.are_few:
            return channel.softened(self.label_errors)
        return self._taken_out(channel, predictions, 1 - self.accuracy)

    def taken_out_later(self, channel: NoiseChannel, predictions: np.ndarray) -> NoiseChannel:
        """*channel*, of a later round, without them.

        Predictions are better by then. Where many were mistaken, the same share of this round's contradictions is put
        down to them as of the first round's. With as many mistaken as at first, TREC with 70 % wrong is .02 worse
        calibrated, and .05 fewer labels of its 50 classes are right after 40 % wrong by pairs were looked for.
        """
        if self.are_few:
            return channel.softened(self.label_errors**LATER_EXPONENT)
        return self._taken_out(channel, predictions, (1 - self.label_errors) * (1 - channel.agreement))

    def _taken_out(self, channel: NoiseChannel, predictions: np.ndarray, mistaken: float) -> NoiseChannel:
        taken_for = self._named_instead(channel, predictions[channel.anchors].argmax(axis=1))
        in_all = channel.counts[0].sum(axis=1) @ taken_for.sum(axis=1) / max(channel.anchor_labels, 1)
        if mistaken <= 0 or in_all <= 0:
            return channel
        of_others = taken_for * (mistaken / in_all)
        rates = of_others.sum(axis=1, keepdims=True)
        of_others *= np.minimum(rates, MOST_MISTAKEN) / np.maximum(rates, np.finfo(float).tiny)
        found = channel.of_true_classes(of_others + np.diag(1 - of_others.sum(axis=1)))
        # Few anchors of a rare class would be outnumbered by a common class's that strangers think are of it.
        return found.lowered(to=channel)

    def _named_instead(self, channel: NoiseChannel, predicted: np.ndarray) -> np.ndarray:
        """How often strangers name each other class for an anchor *predicted* to be of a class, float64[K, K]."""
        votes = np.zeros(channel.shared.shape, np.int64)
        for voter in self.strangers.votes:
            np.add.at(votes, (predicted, voter[channel.anchors]), 1)
        # They are as few as labels are, so they are pulled together alike.
        named = shared_channel(votes)
        np.fill_diagonal(named, 0.0)
        return named
