"""The error rate that all the labels speak for, where anchors may tell it too high or too low.

**Too high**, of two classes. Anchors are few, and both to be predicted wrongly and to be chosen for a wrong label makes
them show too many errors. All labels together tell of the rate too: where it is too high, no prediction is sure enough
for the labels that fit best. (Of more classes later rounds tell it better, and planted errors do not gain by it alike:
self-measured recall on Fashion-MNIST fell by .04 to .12.)

**Too low**, of more than two. Errors where classes meet leave no trace at anchors, and look like classes that overlap.
Where classes end sharply, putting labels right tells them apart: it makes the labels as given easier to predict for the
others where they were wrong, and harder where they were right. So higher error rates than the anchors' are tried, and
no high ones: labels left to chance gain by it, too, right as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ntk_labelqa.diagnostics.annotations import Annotations
from ntk_labelqa.diagnostics.cross_fitting import predicted
from ntk_labelqa.diagnostics.rounds import Round, fitted, is_gain

FEWER_ERRORS = (0.9, 0.8, 0.7, 0.6, 0.5)
"""Of the error rate that anchors show, the shares tried in turn."""
HIDDEN_RATES = (0.02, 0.05, 0.1)
"""Rates of errors that anchors do not show. Higher ones would find more of them, but where classes overlap and right
labels are left to chance, to correct them helps to predict as well: of clouds in which a fifth of the items is nearer
to another class, up to .12 would be flagged at .4, and up to .04 are at .1."""
GAIN_OF_HIDDEN_RATE = 0.001
"""Nats an item that such a rate has to bring the labels as given, and:"""
GAIN_STANDARD_ERRORS = 1.0


def with_fewer_errors(first: Round, annotations: Annotations) -> Round:
    """*first*, or the same at the first of :data:`FEWER_ERRORS` after which the labels are no likelier.

    The evidence of all labels and the anchors' counts are weighed as likelihood and prior, though anchors are in both.

    Cost: a link (:func:`~ntk_labelqa.diagnostics.link.fit_link`) for each rate tried.
    """
    best, most = first, 0.0
    for share in FEWER_ERRORS:
        channel, offsets = first.channel.softened(share), np.zeros(annotations.class_count)
        candidate = fitted(first.predictions, annotations, channel, offsets)
        gain = float((candidate.log_evidence - first.log_evidence).sum()) - first.channel.doubt_of(channel)
        if gain <= most:
            break
        best, most = candidate, gain
    return best


@dataclass(frozen=True)
class Corrected:
    """A round, and how likely the labels as given become once predictions are made from its posterior.

    Attributes:
        round: as found at some error rate.
        evidence_after: log p(labels of the item | all others put right), float64[N], in nats.
    """

    round: Round
    evidence_after: np.ndarray

    def gains_on(self, evidence: np.ndarray) -> bool:
        """Whether the labels are likelier than by *evidence*, float64[N], by as much as a hidden rate has to bring."""
        return is_gain(self.evidence_after - evidence, GAIN_OF_HIDDEN_RATE, GAIN_STANDARD_ERRORS)


def with_hidden_errors(first: Round, annotations: Annotations) -> Corrected | None:
    """*first* at the highest of :data:`HIDDEN_RATES` by which correcting labels helps to predict; None if by none.

    Cost: two ``apply`` of 10 K columns and two links for each rate tried, and all but a link once more; nothing where
    anchors show more errors than those rates.
    """
    accepted: Corrected | None = None
    before: np.ndarray | None = None
    for rate in HIDDEN_RATES:
        if rate <= first.channel.error_rate:
            continue
        if before is None:
            before = _corrected(first, first, annotations).evidence_after
        channel, offsets = first.channel.raised(rate), np.zeros(annotations.class_count)
        raised = fitted(first.predictions, annotations, channel, offsets)
        candidate = _corrected(raised, first, annotations)
        if candidate.gains_on(before):
            accepted = candidate
        elif candidate.evidence_after.mean() < before.mean():
            break
    return accepted


def _corrected(candidate: Round, first: Round, annotations: Annotations) -> Corrected:
    """By the channel of *first* whatever the candidate's, so that the evidence of all rates is of one scale."""
    predictions = predicted(first.predictions.inverse, candidate.posterior, candidate.posteriors_apart())
    after = fitted(predictions, annotations, first.channel, first.link.offsets)
    return Corrected(candidate, after.log_evidence)
