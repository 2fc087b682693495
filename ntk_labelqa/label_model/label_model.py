r"""The label model: how probable each class is for each item, from one kernel inverse and the labels as given.

No network is trained and no noise level given. Leave-one-out predictions P = L Y say what the other items think of each
one; two votes that share no label (:mod:`~ntk_labelqa.label_model.split_votes`) say how far P is to be trusted. From
both come error rates by clearness and class (:mod:`~ntk_labelqa.label_model.error_rates`) and the noise channel T
(:mod:`~ntk_labelqa.label_model.noise_channel`); from P and T the prior s that P is worth
(:mod:`~ntk_labelqa.label_model.calibration`, :mod:`~ntk_labelqa.label_model.confusions`); and by Bayes' rule

.. math:: q_{it} \propto s_{it} \prod_{y \in \text{labels of } i} T_i[t, y]

With several labels an item and a T for each annotator this is Dawid and Skene's model (1979) with the kernel as prior.

There is one objective, the likelihood of the labels as given, each predicted by others. It cannot tell errors that look
like overlap from overlap, so rates only rise by it. A round feeds the posterior back in place of the labels, Q for Y,
cross-fitted (:mod:`~ntk_labelqa.label_model.cross_fitting`); rounds go on while labels become likelier. At the end,
labels less surprising than the rates allow are put down to people who take items for what they look like (ω of T).

Channel, link and confusions have few numbers, which some millions of probabilities are enough to fit; so where the
items or classes are very many, a sample of the items does (:class:`Sample`). What is said of each item goes by panels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from scipy.special import log_softmax, logsumexp

from ntk_labelqa.gram.inverse import RegularizedInverse
from ntk_labelqa.gram.ridge import with_best_ridge
from ntk_labelqa.label_model.annotations import Annotations
from ntk_labelqa.label_model.calibration import Link, fit_link
from ntk_labelqa.label_model.confusions import fit_confusions
from ntk_labelqa.label_model.cross_fitting import Predictions, predicted
from ntk_labelqa.label_model.error_rates import ErrorRates, best_classes, error_rates
from ntk_labelqa.label_model.noise_channel import STEPS, NoiseChannel
from ntk_labelqa.label_model.parameters import DEFAULTS, LabelModelParameters
from ntk_labelqa.label_model.split_votes import accuracy_of_agreeing, votes_agree
from ntk_labelqa.row_store import Rows, row_panels, row_store

PASSES = 2
"""Of channel and link, in turn, each round."""
RISE, MOST_RISES = 0.1, 30
"""Steps in logit ρ, and how many at most."""
NATS_A_RISE, NATS_AN_ERROR = 2.0, 0.02
"""For a rise by 1 in logit ρ, what the labels have to gain, and besides for each error expected: where most of what an
error tells is gained, the rest is the link's shape."""
BEYOND_CHANCE = 3.0
"""Standard errors, were items independent, by which predictions have to follow labels for anything to be said. Any two
items count for each other, so these are about two: random labels pass one time in a hundred."""
FITTED_TO = 20_000
"""Items that a link is fitted to at most."""
CONFUSED_A_PAIR = 500
"""Items for each pair of classes that confusions are fitted to at most, or :data:`FITTED_TO` items."""
SAMPLED, LARGEST_SAMPLE = 4_000_000, 10_000_000
"""Probabilities, of an item and a class each, that a channel is fitted to: where so many are not those of
:data:`FITTED_TO` items, of these, but of no more than the latter. Some twelve arrays of them are held at a time."""


@dataclass(frozen=True)
class Sample:
    """The items that channel, link and confusions are fitted to: all of them, unless there are too many.

    Attributes:
        rows: which, a slice or ascending indices; one item more changes one of them.
        annotations: of these.
        for_link, for_confusions: which of these either is fitted to.
    """

    rows: slice | np.ndarray
    annotations: Annotations
    for_link: slice | np.ndarray
    for_confusions: slice | np.ndarray

    @classmethod
    def of(cls, annotations: Annotations) -> Self:
        """Of the items of *annotations*."""
        ranks, k = annotations.ranks(), annotations.class_count
        rows = _lowest(ranks, sampled_items(k))
        for_confusions = _lowest(ranks[rows], max(FITTED_TO, CONFUSED_A_PAIR * k**2))
        return cls(rows, annotations.of_items(rows), _lowest(ranks[rows], FITTED_TO), for_confusions)


def sampled_items(class_count: int) -> int:
    """Of how many items a sample is at most.

    Example:
        >>> sampled_items(10), sampled_items(1000)
        (400000, 10000)
    """
    return min(max(FITTED_TO, SAMPLED // class_count), LARGEST_SAMPLE // class_count)


def _lowest(ranks: np.ndarray, most: int) -> slice | np.ndarray:
    """The places of the *most* lowest, ascending."""
    if len(ranks) <= most:
        return slice(None)
    return np.sort(np.argsort(ranks, kind="stable")[:most])


@dataclass(frozen=True)
class Round:
    """What channel, link and Bayes' rule made of one set of predictions.

    Attributes:
        predictions: what it was made from, and P.
        annotations: of all items.
        sample: the items that it was fitted to.
        rates: error rates before anything is known of a label.
        channel: as fitted, of the items of the sample.
        link: as fitted.
        log_evidence: log p(labels of the item | all others) of the sample, float64[n], in nats, by the link without its
            confusions: they have so many numbers that they would make any round look better.
        link_of_looks: by which the channel knows what items look like; None where it does not ask.
    """

    predictions: Predictions
    annotations: Annotations
    sample: Sample
    rates: ErrorRates
    channel: NoiseChannel
    link: Link
    log_evidence: np.ndarray
    link_of_looks: Link | None = None

    def log_prior(self, rows: slice | np.ndarray = slice(None)) -> np.ndarray:
        """log s of the items *rows*, float64[n, K]."""
        return self.link.log_prior(self.predictions.values[rows])

    def log_likelihood(self, rows: slice = slice(None)) -> np.ndarray:
        """log p(labels of the item | class t) of the items *rows*, float64[n, K]."""
        rates = self.rates.of_items(rows)
        looks = np.broadcast_to(1 / rates.shape[1], rates.shape)
        if self.link_of_looks is not None:
            looks = np.exp(self.link_of_looks.log_prior(self.predictions.values[rows]))
        channel = self.channel.of_others(rates, self.rates.clearness[rows], looks)
        return channel.log_likelihood(self.annotations.of_items(rows))

    def log_joint(self, rows: slice = slice(None)) -> np.ndarray:
        """log p(class t, labels of the item) of the items *rows*, up to a constant an item, float64[n, K]."""
        return self.log_prior(rows) + self.log_likelihood(rows)

    def posterior(self, rows: slice = slice(None)) -> np.ndarray:
        """q of the items *rows*, float64[n, K]; rows sum to 1."""
        return np.exp(log_softmax(self.log_joint(rows), axis=1))

    def posteriors(self) -> Rows:
        """q of all items, float64[N, K]."""
        stored = row_store(self.predictions.values.shape)
        for rows in row_panels(stored.shape):
            stored[rows] = self.posterior(rows)
        return stored


@dataclass(frozen=True)
class LabelPosterior:
    """The accepted rounds, and the answer.

    Attributes:
        rounds: at least one.
        answer: the last round with lookalikes in its channel.
        rates: error rates before anything is known of a label.
        why_unknown: in words, why nothing can be said of any label; empty where something can.
        accuracy: share of the items of which one vote of the others says the right class, mistakes that votes share
            aside; low where what the items are compared by distinguishes the classes badly.
    """

    rounds: tuple[Round, ...]
    answer: Round
    rates: ErrorRates
    why_unknown: str
    accuracy: float

    @cached_property
    def probabilities(self) -> np.ndarray:
        """q, float64[N, K]; rows sum to 1."""
        return self.answer.posteriors()[:]

    @property
    def is_informative(self) -> bool:
        """Whether anything can be said; where not, no label is flagged."""
        return not self.why_unknown

    def log_odds(self, annotations: Annotations) -> np.ndarray:
        """How far the best other class is ahead of the label given, in nats, float64[A]; high = suspect. For ranking.

        The mean of the first and the last round, for the first ranks better where later ones add little. Without
        lookalikes: that an item looks like the label given speaks for the label, whoever errs how.
        """
        odds = np.empty(len(annotations))
        for rows in row_panels(self.answer.predictions.values.shape):
            of, chosen = annotations.of_items(rows), annotations.entries(rows)
            first, last = (lead_over_given(each.log_joint(rows), of) for each in (self.rounds[0], self.rounds[-1]))
            odds[chosen] = (first + last) / 2
        return odds


def lead_over_given(values: np.ndarray, annotations: Annotations) -> np.ndarray:
    """How far the best other class of the item is ahead of the label given by *values*, float64[N, K], float64[A]."""
    rows, each = values[annotations.items], np.arange(len(annotations))
    given = rows[each, annotations.labels]
    rows[each, annotations.labels] = -np.inf
    return rows.max(axis=1) - given


def label_posterior(
    inverse: RegularizedInverse, annotations: Annotations, parameters: LabelModelParameters = DEFAULTS
) -> LabelPosterior:
    """The posterior of every item's class.

    Args:
        inverse: G, at the ridge that fits the labels as given (see :mod:`ntk_labelqa.gram.ridge`); later rounds choose
            their own.
        annotations: of the N items.
        parameters: see there.

    Cost: one ``apply`` of K columns, five solves of two fifths of the items, and at most 7 rounds, each of three
    ``apply`` of 5 K columns and about five links.
    """
    sample = Sample.of(annotations)
    made = Predictions.of_labels(inverse, annotations.mean_rows(), annotations.folds())
    agree = votes_agree(inverse, annotations)
    best, lead = best_classes(made.values)
    rates = error_rates(best, lead, annotations, agree, parameters)
    of_sample = rates.of_items(sample.rows), rates.clearness[sample.rows], best[sample.rows]
    channel = NoiseChannel.start(*of_sample, sample.annotations)
    rounds = [_fitted(made, annotations, sample, rates, channel, None)]
    # Of two classes, a second round would only rescale the one contrast there is.
    while annotations.class_count > 2 and len(rounds) <= parameters.most_rounds:
        following = _next_round(rounds[-1], parameters.round_gain)
        if following is None:
            break
        rounds.append(following)
    answer = rounds[-1]
    if annotations.class_count > 2:
        answer = _with_lookalikes(answer, parameters.lookalike_gain)
    why, accuracy = _why_unrelated(made, sample), _accuracy(agree, annotations)
    if not why and len(rounds) == 1 and rates.is_in_dispute and accuracy < parameters.telling:
        why = (
            f"From {rates.low:.0%} to {rates.high:.0%} of the labels may be wrong: what the items are compared by "
            "distinguishes the classes so badly that wrong labels and wrong predictions look the same."
        )
    return LabelPosterior(tuple(rounds), answer, rates, why, accuracy)


def _fitted(
    made: Predictions,
    annotations: Annotations,
    sample: Sample,
    rates: ErrorRates,
    channel: NoiseChannel,
    start: Link | None,
) -> Round:
    """Channel and link for the predictions *made*, from those of the round before."""
    values, some, rows = made.values[sample.rows], sample.annotations, sample.for_link

    def fit(of: NoiseChannel, near: Link | None) -> tuple[NoiseChannel, Link, np.ndarray]:
        labels = of.log_likelihood(some)
        return of, fit_link(values[rows], labels[rows], near), labels

    _, link, labels = fit(channel, start and replace(start, confusions=None))
    for _ in range(PASSES):
        log_prior = link.log_prior(values)
        for _ in range(STEPS):
            posterior = np.exp(log_softmax(log_prior + channel.log_likelihood(some), axis=1))
            channel = channel.recounted(posterior, some)
        channel, link, labels = fit(channel, link)
    evidence = logsumexp(link.log_prior(values) + labels, axis=1)
    for _ in range(MOST_RISES):
        higher, steeper, of_higher = fit(channel.raised(RISE), link)
        risen = logsumexp(steeper.log_prior(values) + of_higher, axis=1)
        errors = np.mean(channel.rates) * len(some)
        if risen.sum() - evidence.sum() <= RISE * (NATS_A_RISE + NATS_AN_ERROR * errors):
            break
        channel, link, labels, evidence = higher, steeper, of_higher, risen
    fitted = Round(made, annotations, sample, rates, channel, link, evidence)
    return _with_confusions(fitted, values, labels)


def _with_confusions(of: Round, values: np.ndarray, labels: np.ndarray) -> Round:
    rows, folds = of.sample.for_confusions, of.predictions.folds[of.sample.rows]
    confusions = fit_confusions(of.link.log_prior(values[rows]), labels[rows], folds[rows])
    return replace(of, link=replace(of.link, confusions=confusions))


def _with_lookalikes(last: Round, least: float) -> Round:
    """*last* with a channel by which people also take items for what they look like, so far as it gains *least*."""
    values, some, rows = last.predictions.values[last.sample.rows], last.sample.annotations, last.sample.for_link
    link, channel = replace(last.link, confusions=None), last.channel
    for _ in range(PASSES):
        looks, channel = link, channel.with_lookalikes(link.log_prior(values), some)
        labels = channel.log_likelihood(some)
        link = fit_link(values[rows], labels[rows])
    gain = (logsumexp(link.log_prior(values) + labels, axis=1) - last.log_evidence).mean()
    # From none at half of the gain asked for to all at half as much again, lest a split decides.
    believed = float(np.clip(gain / least - 0.5, 0.0, 1.0))
    if not believed:
        return last
    channel = replace(channel, lookalikes=believed * channel.lookalikes)
    labels = channel.log_likelihood(some)
    link = fit_link(values[rows], labels[rows])
    evidence = logsumexp(link.log_prior(values) + labels, axis=1)
    found = replace(last, channel=channel, link=link, log_evidence=evidence, link_of_looks=looks)
    return _with_confusions(found, values, labels)


def _next_round(current: Round, least: float) -> Round | None:
    """A better round at the same ridge, else at the one that fits the posterior; None where neither is better."""
    made, posteriors = current.predictions, current.posteriors()
    apart = made.posteriors_apart(current.link.log_prior, current.log_likelihood)

    def fed_back(inverse: RegularizedInverse) -> Round | None:
        following = predicted(inverse, posteriors, apart, made.folds)
        found = _fitted(following, current.annotations, current.sample, current.rates, current.channel, current.link)
        return found if is_gain(found.log_evidence - current.log_evidence, least) else None

    same = fed_back(made.inverse)
    if same is not None:
        return same
    refitted = with_best_ridge(made.inverse, posteriors)
    return None if refitted.ridge == made.inverse.ridge else fed_back(refitted)


def is_gain(gain: np.ndarray, least: float, standard_errors: float = 2.0) -> bool:
    """Whether *gain*, float64[N], is on average more than *least*, and than chance would make it."""
    return bool(gain.mean() > max(least, standard_errors * gain.std() / np.sqrt(len(gain))))


def _why_unrelated(made: Predictions, sample: Sample) -> str:
    """Why predictions tell too little of the labels, in words; empty where they tell enough.

    They have to go with the labels (the score test of the link's temperature being above 0), and to agree with them
    more often than the commonest label does: else overlap of the classes looks like errors of all the rarer ones.
    """
    given, said = made.fed[sample.rows], made.values[sample.rows]
    labelled = given.any(axis=1)  # to have a label at all is no evidence
    predictions, labels = said[labelled], given[labelled]
    score = ((predictions - predictions.mean(axis=0)) * (labels - labels.mean(axis=0))).sum(axis=1)
    if not len(score) or not is_gain(score, 0.0, BEYOND_CHANCE):
        return "The labels do not follow from the items beyond chance."
    right = labels[np.arange(len(labels)), predictions.argmax(axis=1)]
    commonest = labels[:, np.argmax(labels.sum(axis=0))]
    if is_gain(right - commonest, 0.0):
        return ""
    return "What the items are compared by predicts their labels no better than always naming the commonest one."


def _accuracy(agree: np.ndarray, annotations: Annotations) -> float:
    """Of one vote, 0 to 1, mistakes that both share aside."""
    return float(accuracy_of_agreeing(agree.mean(), max(len(np.unique(annotations.labels)), 2)))
