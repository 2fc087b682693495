r"""The label posterior: how probable each class is for each item, from one kernel inverse and the labels as given.

No model is trained and no noise level told. Leave-one-out predictions P = L Y say what the other items think of each
one. From them, in turn: the noise channel T (:mod:`~ntk_labelqa.diagnostics.noise_channel`), the prior s that P is
worth (:mod:`~ntk_labelqa.diagnostics.link`, :mod:`~ntk_labelqa.diagnostics.confusions`), and Bayes' rule,

.. math:: q_{it} \propto s_{it} \prod_{y \in \text{labels of } i} T_{ty}

What the channel owes to wrong predictions instead of wrong labels is taken out of it before
(:mod:`~ntk_labelqa.diagnostics.mistakes`). With several labels an item and a T for each annotator this is Dawid and
Skene's model (1979) with the kernel as prior.

The posterior then stands in for the labels, Q for Y, and the three steps are gone through again, as long as the labels
as given become more likely by it (:mod:`~ntk_labelqa.diagnostics.rounds`).

Where later rounds bring little, all labels together have a say in the error rate
(:mod:`~ntk_labelqa.diagnostics.error_rate`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ntk_labelqa.diagnostics.annotations import Annotations
from ntk_labelqa.diagnostics.cross_fitting import Predictions
from ntk_labelqa.diagnostics.error_rate import with_fewer_errors, with_hidden_errors
from ntk_labelqa.diagnostics.first_channel import first_channel
from ntk_labelqa.diagnostics.mistakes import Mistakes
from ntk_labelqa.diagnostics.rounds import Round, fitted, is_gain, next_round, with_confusions
from ntk_labelqa.diagnostics.strangers import prediction_accuracy, strangers_of, used_classes
from ntk_labelqa.gram.inverse import RegularizedInverse

MOST_ROUNDS = 7
SURELY_BEYOND_CHANCE = 3.0
"""Standard errors, were items independent, by which predictions have to follow labels for anything to be said. Any two
items count for each other, so these are about two: random labels pass one time in a hundred."""
FAIRLY_BEYOND_CHANCE = 2.0
"""Standard errors by which labels have to agree with anchors predicted badly not to be taken for random."""
PERHAPS_BEYOND_CHANCE = 1.0
"""Standard errors by which anchors have to agree with labels: later rounds can make much of little."""
TRUSTED_ACCURACY = 2 / 3
"""Of the anchors; below, wrong labels cannot be told from wrong predictions."""
TELLING_ACCURACY = 0.85
"""Of all items, as strangers agree; below, predictions vary so much with the labels learnt from that to smooth these
helps to predict, whichever are wrong."""
UNSEEN_ERRORS = 0.05
"""Share of labels that are taken to be wrong in any way where anchors cannot show it, and besides for the ranking:
otherwise the few errors that anchors show where classes meet would put whole classes ahead of others."""
BLENDED_GAIN = 0.02
"""Nats of total gain up to which the ranking gives the first round as much weight as the last."""


@dataclass(frozen=True)
class LabelPosterior:
    """The accepted rounds: the last one's posterior is the answer, the first one's margin a second opinion.

    Attributes:
        rounds: at least one.
        anchor_accuracy: estimated share of the first round's anchors that are of the class predicted; low = the kernel
            tells the classes apart badly.
    """

    rounds: tuple[Round, ...]
    anchor_accuracy: float

    @property
    def first(self) -> Round:
        """Made from the labels as given."""
        return self.rounds[0]

    @property
    def last(self) -> Round:
        """The answer."""
        return self.rounds[-1]

    @property
    def probabilities(self) -> np.ndarray:
        """q, float64[N, K]; rows sum to 1."""
        return self.last.posterior

    @property
    def is_informative(self) -> bool:
        """Whether the predictions tell more of the labels than the labels' frequencies do, beyond chance.

        Where not, as with two classes and half of the labels wrong, nothing can be said of any label. Nor can it where
        labels follow the predictions less often than chance would have it: where items cannot be told apart, leaving
        one out lowers the share of its own class, and so each prediction avoids just the label given. Nor where the
        anchors themselves are too often predicted wrongly.
        """
        agrees = self.first.channel.agrees_beyond_chance(PERHAPS_BEYOND_CHANCE)
        return bool(_is_beyond_chance(self.first) and agrees and self.anchor_accuracy >= TRUSTED_ACCURACY)

    def log_odds(self, annotations: Annotations) -> np.ndarray:
        """How far the best other class is ahead of the label given, in nats, float64[A]; high = suspect.

        For ranking: at :data:`UNSEEN_ERRORS` more errors than the channel's. The first round ranks better where later
        ones add little, so both are blended.
        """
        last = _log_odds(self.last, annotations)
        if len(self.rounds) == 1:
            return last
        gain = float((self.last.log_evidence - self.first.log_evidence).mean())
        weight = min(1.0, BLENDED_GAIN / gain)
        return (weight * _log_odds(self.first, annotations) + last) / (1 + weight)


def label_posterior(inverse: RegularizedInverse, annotations: Annotations) -> LabelPosterior:
    """The posterior of every item's class.

    Args:
        inverse: G, at the ridge that fits the labels as given (see :mod:`ntk_labelqa.gram.ridge`); later rounds choose
            their own.
        annotations: of the N items, with at least two classes.

    Cost: one ``apply`` of K columns, five solves of two fifths of the items, a link, a fit of confusions, and at most 7
    rounds, each of three ``apply`` of 10 K columns, two links and two fits of confusions; besides, of two classes at
    most five links, of more, where anchors show few errors, six ``apply`` of 10 K columns and ten links. Where
    many anchors are mistaken, expectation maximisation at first and up to twice a round: of 100 classes and ten
    annotators with channels of their own 1.5 s each.
    """
    labels = annotations.means()
    made = Predictions.of_labels(inverse, labels)
    predictions = made.values
    strangers = strangers_of(inverse, labels)
    channel = first_channel(predictions, annotations, strangers)
    # Where items are too few for strangers, predictions are taken to be right.
    accuracy = prediction_accuracy(strangers.agree[channel.anchors], used_classes(labels)) if strangers else 1.0
    mistakes = Mistakes(strangers, accuracy, channel.agreement) if strangers else None
    if accuracy >= TRUSTED_ACCURACY:
        channel = mistakes.taken_out_at_first(channel, predictions) if mistakes else channel
    elif channel.agrees_beyond_chance(FAIRLY_BEYOND_CHANCE):
        # Labels that agree at all are not random: contradictions tell of the kernel, then, and not of them.
        channel = channel.softened(0.0).with_unseen_errors(UNSEEN_ERRORS)
    plain = fitted(made, annotations, channel, np.zeros(annotations.class_count))
    first = with_confusions(plain, annotations)
    if accuracy < TRUSTED_ACCURACY:
        return LabelPosterior((first,), accuracy)
    if used_classes(labels) <= 2:
        return _of_two_classes(plain, accuracy, annotations)
    posterior = LabelPosterior(_gone_through(first, annotations, mistakes), accuracy)
    tells = strangers is not None and prediction_accuracy(strangers.agree, used_classes(labels)) >= TELLING_ACCURACY
    if tells and posterior.is_informative:
        # Not the first round's confusions, which would explain away just the errors looked for.
        hidden = with_hidden_errors(plain, posterior.last, annotations)
        return LabelPosterior((hidden,), accuracy) if hidden else posterior
    return posterior


def _of_two_classes(plain: Round, accuracy: float, annotations: Annotations) -> LabelPosterior:
    """A second round would only rescale the one contrast there is, so the error rate has to be right at once."""
    posterior = LabelPosterior((plain,), accuracy)
    if posterior.is_informative:
        plain = with_fewer_errors(plain, annotations)
    return LabelPosterior((with_confusions(plain, annotations),), accuracy)


def _gone_through(first: Round, annotations: Annotations, mistakes: Mistakes | None) -> tuple[Round, ...]:
    """*first* and as many further rounds as gain by it, :data:`MOST_ROUNDS` at most."""
    rounds = [first]
    while len(rounds) <= MOST_ROUNDS:
        following = next_round(rounds[-1], annotations, mistakes)
        if following is None:
            break
        rounds.append(following)
    return tuple(rounds)


def _is_beyond_chance(first: Round) -> bool:
    """Whether predictions go with labels: the score test of a link's temperature being above 0.

    The labels' likelihood by the link fitted tells less: with two classes and 40 % of the labels wrong it missed on one
    draw in eight what this finds on all.
    """
    made = first.predictions
    labelled = made.fed.any(axis=1)  # to have a label at all is no evidence
    predictions, labels = made.values[labelled], made.fed[labelled]
    score = ((predictions - predictions.mean(axis=0)) * (labels - labels.mean(axis=0))).sum(axis=1)
    return is_gain(score, 0.0, SURELY_BEYOND_CHANCE)


def _log_odds(of: Round, annotations: Annotations) -> np.ndarray:
    joint = of.log_prior + of.channel.with_unseen_errors(UNSEEN_ERRORS).log_likelihood(annotations)
    rows = joint[annotations.items]
    each = np.arange(len(annotations))
    given = rows[each, annotations.labels]
    rows[each, annotations.labels] = -np.inf
    return rows.max(axis=1) - given
