r"""The label posterior: how probable each class is for each item, from one kernel inverse and the labels as given.

No model is trained and no noise level told. Leave-one-out predictions P = L Y say what the other items think of each
one. From them, in turn: the noise channel T (:mod:`~ntk_labelqa.diagnostics.noise_channel`), the prior s that P is
worth (:mod:`~ntk_labelqa.diagnostics.link`), and Bayes' rule,

.. math:: q_{it} \propto s_{it} \prod_{y \in \text{labels of } i} T_{ty}

What the channel owes to wrong predictions instead of wrong labels is taken out of it before
(:mod:`~ntk_labelqa.diagnostics.strangers`). With several labels an item and a T for each annotator this is Dawid
and Skene's model (1979) with the kernel as prior.

The posterior then stands in for the labels, Q for Y, and the three steps are gone through again, as long as the labels
as given become more likely by it. What an item's own label adds to its neighbours' posteriors is taken out of what they
say of it (:mod:`~ntk_labelqa.diagnostics.echo`): P' = L Q − E ∘ (Q_in − S_in).

Errors where classes meet leave no trace at anchors, and look like classes that overlap. What tells them apart is what
putting labels right does to the others: it makes the labels as given easier to predict where they were wrong, and
harder where they were right. So higher error rates than the anchors' are tried, the lowest first, as long as that
helps.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import logsumexp

from ntk_labelqa.diagnostics.annotations import Annotations
from ntk_labelqa.diagnostics.echo import echo
from ntk_labelqa.diagnostics.first_channel import first_channel
from ntk_labelqa.diagnostics.link import Link, fit_link
from ntk_labelqa.diagnostics.noise_channel import NoiseChannel, estimate_channel
from ntk_labelqa.diagnostics.strangers import anchor_accuracy, strangers_of, used_classes
from ntk_labelqa.gram.inverse import RegularizedInverse, leave_one_out
from ntk_labelqa.gram.ridge import with_best_ridge

MOST_ROUNDS = 7
SURELY_BEYOND_CHANCE = 3.0
"""Standard errors, were items independent, by which predictions have to follow labels for anything to be said. Any two
items count for each other, so these are about two: random labels pass one time in a hundred."""
PERHAPS_BEYOND_CHANCE = 1.0
"""Standard errors by which anchors have to agree with labels: later rounds can make much of little."""
STANDARD_ERRORS = 2.0
"""A round has to gain this many paired standard errors, and besides:"""
GAIN_AT_SAME_RIDGE = 0.007
"""Nats an item."""
GAIN_AT_OTHER_RIDGE = 0.009
"""Nats an item, where a label tells :data:`FULL_INFORMATION` or more; less in proportion where it tells less."""
FULL_INFORMATION = 0.5
LATER_EXPONENT = 0.25
"""Of the share of contradictions that are label errors, in rounds after the first. With ½ the error rate of digits with
70 % of the labels wrong comes out .025 too low; with 0 that of TREC's 50 classes with 30 % wrong .033 too high."""
HIDDEN_RATES = (0.02, 0.05, 0.1, 0.2, 0.4)
"""Rates of errors that anchors do not show, tried in turn."""
GAIN_OF_HIDDEN_RATE = 0.001
"""Nats an item that each of them has to bring the labels as given, besides the standard errors."""
TRUSTED_ACCURACY = 2 / 3
"""Of the anchors; below, wrong labels cannot be told from wrong predictions."""
UNSEEN_ERRORS = 0.05
"""Share of labels that are taken to be wrong in any way where anchors cannot show it, and besides for the ranking:
otherwise the few errors that anchors show where classes meet would put whole classes ahead of others."""
BLENDED_GAIN = 0.02
"""Nats of total gain up to which the ranking gives the first round as much weight as the last."""


@dataclass(frozen=True)
class Round:
    """What one pass through channel, link and Bayes' rule made of one set of predictions.

    Attributes:
        inverse: at the ridge of this round.
        fed: the labels it was made from, float64[N, K]: Y at first, then the posterior of the round before.
        expected: what was expected of *fed* beforehand, float64[N, K].
        predictions: P, float64[N, K].
        channel, link: as fitted.
        log_prior: log s, float64[N, K].
        log_posterior: log q, float64[N, K].
        log_evidence: log p(labels of the item | all others), float64[N], in nats.
    """

    inverse: RegularizedInverse
    fed: np.ndarray
    expected: np.ndarray
    predictions: np.ndarray
    channel: NoiseChannel
    link: Link
    log_prior: np.ndarray
    log_posterior: np.ndarray
    log_evidence: np.ndarray

    @property
    def posterior(self) -> np.ndarray:
        """q, float64[N, K]; rows sum to 1."""
        return np.exp(self.log_posterior)

    @cached_property
    def next_predictions(self) -> np.ndarray:
        """P' of the next round at the same ridge, float64[N, K]."""
        return self.predictions_by(self.inverse)

    def predictions_by(self, inverse: RegularizedInverse) -> np.ndarray:
        """P' = L Q − E ∘ (Q_in − S_in) by *inverse*, the same at another ridge, float64[N, K]."""
        posterior = self.posterior
        slopes = self.link.slopes(self.predictions) * posterior * (1 - posterior)
        heard = echo(self.inverse, inverse, slopes) * (self.fed - self.expected)
        return leave_one_out(inverse, posterior) - heard


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

    Cost: one ``apply`` of K columns, five solves of two fifths of the items, and at most 7 rounds, each of two
    ``apply`` of K columns and two :func:`~ntk_labelqa.diagnostics.echo.echo`.
    """
    labels = annotations.means()
    predictions = leave_one_out(inverse, labels)
    strangers = strangers_of(inverse, labels)
    channel = first_channel(predictions, annotations, strangers)
    # Where items are too few for strangers, predictions are taken to be right.
    accuracy = anchor_accuracy(strangers.agree[channel.anchors], used_classes(labels)) if strangers else 1.0
    share = channel.label_errors(accuracy)
    offsets = np.zeros(annotations.class_count)
    if accuracy >= TRUSTED_ACCURACY:
        channel = channel.softened(share)
    elif channel.agrees_beyond_chance(STANDARD_ERRORS):
        # Labels that agree at all are not random: contradictions tell of the kernel, then, and not of them.
        channel = channel.softened(0.0).with_unseen_errors(UNSEEN_ERRORS)
    rounds = [_fitted(inverse, labels, predictions, predictions, annotations, channel, offsets)]
    # With two classes a second round would only rescale the one contrast there is; and where anchors are too often
    # predicted wrongly, it would learn from wrong corrections.
    most = MOST_ROUNDS if used_classes(labels) > 2 and accuracy >= TRUSTED_ACCURACY else 0
    while len(rounds) <= most:
        # Predictions from the posterior are better ones, so fewer of the contradictions are theirs.
        following = _next_round(rounds[-1], annotations, share**LATER_EXPONENT)
        if following is None:
            break
        rounds.append(following)
    posterior = LabelPosterior(tuple(rounds), accuracy)
    if len(rounds) == 1 and most and posterior.is_informative:
        return LabelPosterior((_with_hidden_errors(rounds[0], annotations),), accuracy)
    return posterior


def _fitted(
    inverse: RegularizedInverse,
    fed: np.ndarray,
    expected: np.ndarray,
    predictions: np.ndarray,
    annotations: Annotations,
    channel: NoiseChannel,
    offsets: np.ndarray,
) -> Round:
    labels = channel.log_likelihood(annotations)
    link = fit_link(predictions, labels, offsets)
    log_prior = link.log_prior(predictions)
    joint = log_prior + labels
    evidence = logsumexp(joint, axis=1)
    return Round(inverse, fed, expected, predictions, channel, link, log_prior, joint - evidence[:, None], evidence)


def _next_round(current: Round, annotations: Annotations, share: float) -> Round | None:
    """A better round at the same ridge, else at the one that fits the posterior; None where neither is better."""
    same = _fed_back(current, current.inverse, current.next_predictions, annotations, share)
    if _is_better(same, current, GAIN_AT_SAME_RIDGE):
        return same
    refitted = with_best_ridge(current.inverse, current.posterior)
    if refitted.ridge == current.inverse.ridge:
        return None
    other = _fed_back(current, refitted, current.predictions_by(refitted), annotations, share)
    told = min(1.0, current.channel.information() / FULL_INFORMATION)
    return other if _is_better(other, current, GAIN_AT_OTHER_RIDGE * told) else None


def _fed_back(
    current: Round, inverse: RegularizedInverse, predictions: np.ndarray, annotations: Annotations, share: float
) -> Round:
    channel = estimate_channel(predictions, annotations, anchor_share=current.channel.anchor_share).softened(share)
    expected = np.exp(current.log_prior)
    return _fitted(inverse, current.posterior, expected, predictions, annotations, channel, current.link.offsets)


def _with_hidden_errors(first: Round, annotations: Annotations) -> Round:
    """*first*, or the same at the highest of :data:`HIDDEN_RATES` up to which correcting labels helps to predict."""

    def evidence_after(corrected: Round) -> np.ndarray:
        predictions, offsets, labels = corrected.next_predictions, first.link.offsets, corrected.posterior
        after = _fitted(first.inverse, labels, first.expected, predictions, annotations, first.channel, offsets)
        return after.log_evidence

    best, evidence = first, evidence_after(first)
    for rate in HIDDEN_RATES:
        if rate <= first.channel.error_rate:
            continue
        channel, offsets = first.channel.raised(rate), np.zeros(annotations.class_count)
        candidate = _fitted(first.inverse, first.fed, first.expected, first.predictions, annotations, channel, offsets)
        after = evidence_after(candidate)
        if not _is_gain(after - evidence, GAIN_OF_HIDDEN_RATE):
            break
        best, evidence = candidate, after
    return best


def _is_beyond_chance(first: Round) -> bool:
    """Whether predictions go with labels: the score test of a link's temperature being above 0.

    The labels' likelihood by the link fitted tells less: with two classes and 40 % of the labels wrong it missed on one
    draw in eight what this finds on all.
    """
    labelled = first.fed.any(axis=1)  # to have a label at all is no evidence
    predictions, labels = first.predictions[labelled], first.fed[labelled]
    score = ((predictions - predictions.mean(axis=0)) * (labels - labels.mean(axis=0))).sum(axis=1)
    return _is_gain(score, 0.0, SURELY_BEYOND_CHANCE)


def _is_better(candidate: Round, current: Round, least: float) -> bool:
    return _is_gain(candidate.log_evidence - current.log_evidence, least)


def _is_gain(gain: np.ndarray, least: float, standard_errors: float = STANDARD_ERRORS) -> bool:
    """Whether *gain*, float64[N], is on average more than *least*, and than chance would make it."""
    return bool(gain.mean() > max(least, standard_errors * gain.std() / np.sqrt(len(gain))))


def _log_odds(of: Round, annotations: Annotations) -> np.ndarray:
    joint = of.log_prior + of.channel.with_unseen_errors(UNSEEN_ERRORS).log_likelihood(annotations)
    rows = joint[annotations.items]
    each = np.arange(len(annotations))
    given = rows[each, annotations.labels]
    rows[each, annotations.labels] = -np.inf
    return rows.max(axis=1) - given
