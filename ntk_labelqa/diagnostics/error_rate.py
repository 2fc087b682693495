"""The error rate that all the labels speak for, where anchors may tell it too high or too low.

**Too high**, of two classes. Anchors are few, and both to be predicted wrongly and to be chosen for a wrong label makes
them show too many errors. All labels together tell of the rate too: where it is too high, no prediction is sure enough
for the labels that fit best. (Of more classes later rounds tell it better, and planted errors do not gain by it alike:
self-measured recall on Fashion-MNIST fell by .04 to .12.)

**Too low**, of more than two. Errors where classes meet leave no trace at anchors, and look like classes that overlap.
Where classes end sharply, putting labels right tells them apart: it makes the labels as given easier to predict for the
others where they were wrong, and harder where they were right. So higher error rates than the anchors' are tried, and
no high ones: labels left to chance gain by it, too, right as they are.

What is gained is looked at in two ways, for either alone misleads. Predicted from the posterior as it is, labels have
had their say in what others say of them, and confirm themselves: digits of which eight pixels are seen gain .03 nats
with no label wrong. Cross-fitted they do not, and lose .008. But what a tenth of the items found is missing there: of
errors at the boundary between digits, which gain .010 to .020 the first way, .001 to .007 is left, with standard errors
of .0014 to .0026. So the first has to be large and the second to be a gain at all.
"""

from __future__ import annotations

import numpy as np

from ntk_labelqa.diagnostics.annotations import Annotations
from ntk_labelqa.diagnostics.cross_fitting import Predictions, predicted
from ntk_labelqa.diagnostics.rounds import Round, fitted, is_gain

FEWER_ERRORS = (0.9, 0.8, 0.7, 0.6, 0.5)
"""Of the error rate that anchors show, the shares tried in turn."""
HIDDEN_RATES = (0.02, 0.05, 0.1)
"""Rates of errors that anchors do not show. Higher ones would find more of them, but where classes overlap and right
labels are left to chance, to correct them helps to predict as well: of clouds in which a fifth of the items is nearer
to another class, up to .12 would be flagged at .4, and up to .04 are at .1."""
GAIN_OF_HIDDEN_RATE = 0.005
"""Nats an item that such a rate has to bring the labels as given, by predictions from the posterior as it is, and:"""
GAIN_STANDARD_ERRORS = 5.0
"""Where cross-fitting saw no loss, some 80 samples of 450 to 3,000 items with right labels gained at most 4.6, errors
at the boundary of 3,000 digits or MNIST images at least 5.5."""


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


def with_hidden_errors(first: Round, last: Round, annotations: Annotations) -> Round | None:
    """*first* at the highest of :data:`HIDDEN_RATES` by which correcting labels helps to predict; None if by none.

    Args:
        first: made from the labels as given, without confusions.
        last: the round that it has to beat, cross-fitted. It is judged by its own channel, which is to its advantage.
        annotations: of the N items.

    Cost: two links for each rate tried and one more; two ``apply`` of 10 K columns and a link for each that gains;
    nothing where anchors show more errors than those rates.
    """
    rates = [rate for rate in HIDDEN_RATES if rate > first.channel.error_rate]
    if not rates:
        return None
    inverse, offsets = first.predictions.inverse, np.zeros(annotations.class_count)

    def evidence(predictions: Predictions) -> np.ndarray:
        # By the same channel whatever the rate tried, so that all is of one scale.
        return fitted(predictions, annotations, first.channel, first.link.offsets).log_evidence

    before = evidence(Predictions.of_labels(inverse, first.posterior))
    for rate in reversed(rates):
        raised = fitted(first.predictions, annotations, first.channel.raised(rate), offsets)
        together = evidence(Predictions.of_labels(inverse, raised.posterior))
        if not is_gain(together - before, GAIN_OF_HIDDEN_RATE, GAIN_STANDARD_ERRORS):
            continue
        apart = evidence(predicted(inverse, raised.posterior, raised.posteriors_apart()))
        if apart.mean() > last.log_evidence.mean():
            return raised
    return None
