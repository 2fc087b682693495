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

from ntk_labelqa.gram.arrays import (
    Array,
    fused,
    log_softmax,
    logsumexp,
    namespace,
    of_arrays,
    part_of,
    repeated,
    to_device,
    to_host,
)
from ntk_labelqa.gram.inverse import RegularizedInverse
from ntk_labelqa.gram.ridge import with_best_ridge
from ntk_labelqa.gram.rows_there import panels_there, room_for, sent
from ntk_labelqa.label_model.annotations import Annotations
from ntk_labelqa.label_model.calibration import Link, fit_link
from ntk_labelqa.label_model.confusions import fit_confusions
from ntk_labelqa.label_model.cross_fitting import Predictions, predicted
from ntk_labelqa.label_model.error_rates import ErrorRates, best_classes, error_rates, rates_at
from ntk_labelqa.label_model.noise_channel import STEPS, NoiseChannel
from ntk_labelqa.label_model.parameters import DEFAULTS, LabelModelParameters
from ntk_labelqa.label_model.split_votes import accuracy_of_agreeing, votes_agree
from ntk_labelqa.row_store import Rows

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
        rows: which, a slice or ascending indices, where they are calculated with; one item more changes one of them.
        annotations: of these.
        for_link, for_confusions: which of these either is fitted to.
    """

    rows: slice | Array
    annotations: Annotations
    for_link: slice | Array
    for_confusions: slice | Array

    @classmethod
    def of(cls, annotations: Annotations) -> Self:
        """Of the items of *annotations*."""
        ranks, k = annotations.ranks(), annotations.class_count
        rows = _lowest(ranks, sampled_items(k))
        for_confusions = _lowest(ranks[rows], max(FITTED_TO, CONFUSED_A_PAIR * k**2))
        chosen = rows, _lowest(ranks[rows], FITTED_TO), for_confusions
        there, for_link, for_confusions = (one if isinstance(one, slice) else to_device(one) for one in chosen)
        return cls(there, annotations.of_items(rows), for_link, for_confusions)


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

    def log_prior(self, rows: slice | np.ndarray = slice(None)) -> Array:
        """log s of the items *rows*, float64[n, K]."""
        return self.link.log_prior(self.predictions.values[rows])

    def log_likelihood(self, rows: slice = slice(None)) -> Array:
        """log p(labels of the item | class t) of the items *rows*, float64[n, K]."""
        return _log_likelihood(self._some(rows))

    def log_joint(self, rows: slice = slice(None)) -> Array:
        """log p(class t, labels of the item) of the items *rows*, up to a constant an item, float64[n, K]."""
        return _log_joint(self._some(rows))

    def posterior(self, rows: slice = slice(None)) -> Array:
        """q of the items *rows*, float64[n, K]; rows sum to 1."""
        return _posterior(self._some(rows))

    def posteriors(self) -> Rows:
        """q of all items, float64[N, K]."""
        stored = room_for(self.predictions.values.shape)
        for rows in panels_there(stored.shape):
            stored[rows] = self.posterior(rows)
        return stored

    def _some(self, rows: slice) -> _Some:
        return _Some(
            predictions=self.predictions.values[rows],
            annotations=self.annotations.there(rows),
            clearness=self.rates.clearness[rows],
            by_class=self.rates.by_class,
            # What it knows of the items that it was fitted to is of no use for these.
            channel=replace(self.channel, rates=None, weights=None, looks=None),
            link=self.link,
            link_of_looks=self.link_of_looks,
        )


@of_arrays("predictions", "annotations", "clearness", "by_class", "channel", "link", "link_of_looks")
@dataclass(frozen=True)
class _Some:
    """What a round says of some items is made from this."""

    predictions: Array
    annotations: Annotations
    clearness: Array
    by_class: Array
    channel: NoiseChannel
    link: Link
    link_of_looks: Link | None


@fused()
def _log_likelihood(of: _Some) -> Array:
    looks = None
    if of.link_of_looks is not None:
        looks = namespace(of.predictions).exp(of.link_of_looks.log_prior(of.predictions))
    channel = of.channel.of_others(rates_at(of.by_class, of.clearness), of.clearness, looks)
    return channel.log_likelihood(of.annotations)


@fused()
def _log_joint(of: _Some) -> Array:
    return of.link.log_prior(of.predictions) + _log_likelihood(of)


@fused()
def _posterior(of: _Some) -> Array:
    log_posterior = log_softmax(_log_joint(of))
    return namespace(log_posterior).exp(log_posterior)


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
        return to_host(self.answer.posteriors()[:])

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
        for rows in panels_there(self.answer.predictions.values.shape):
            first, last = (each.log_joint(rows) for each in (self.rounds[0], self.rounds[-1]))
            chosen = annotations.entries(rows)
            odds[chosen] = to_host(_mean_lead(first, last, annotations.there(rows)))[: len(chosen)]
        return odds


@fused()
def _mean_lead(first: Array, last: Array, annotations: Annotations) -> Array:
    return (lead_over_given(first, annotations) + lead_over_given(last, annotations)) / 2


@fused()
def lead_over_given(values: Array, annotations: Annotations) -> Array:
    """How far the best other class of the item is ahead of the label given by *values*, float64[N, K], float64[A]."""
    xp, rows = namespace(values), values[annotations.items]
    given = annotations.labels[:, None] == np.arange(annotations.class_count)
    return xp.where(given, -np.inf, rows).max(axis=1) - xp.where(given, rows, 0).sum(axis=1)


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
    made = Predictions.of_labels(inverse, sent(annotations.mean_rows()), annotations.folds())
    agree = votes_agree(inverse, annotations)
    best, lead = best_classes(made.values)
    rates = error_rates(best, lead, annotations, agree, parameters)
    clearness = part_of(rates.clearness, sample.rows)
    of_sample = rates_at(rates.by_class, clearness), clearness, part_of(to_device(best), sample.rows)
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
    values, some, rows = made.values[sample.rows], sample.annotations.there(), sample.for_link

    def fit(of: NoiseChannel, near: Link | None) -> tuple[NoiseChannel, Link, Array]:
        labels = of.log_likelihood(some)
        return of, fit_link(part_of(values, rows), part_of(labels, rows), near), labels

    _, link, labels = fit(channel, start and start.without_confusions())
    for _ in range(PASSES):
        channel = _counted_again(channel, link, values, some)
        channel, link, labels = fit(channel, link)
    evidence = _log_evidence(link, values, labels)
    for _ in range(MOST_RISES):
        higher, steeper, of_higher = fit(channel.raised(RISE), link)
        risen = _log_evidence(steeper, values, of_higher)
        gain, errors = to_host(_gain_and_errors(risen, evidence, channel.rates))
        if gain <= RISE * (NATS_A_RISE + NATS_AN_ERROR * errors * len(sample.annotations)):
            break
        channel, link, labels, evidence = higher, steeper, of_higher, risen
    fitted = Round(made, annotations, sample, rates, channel, link, evidence)
    return _with_confusions(fitted, values, labels)


@fused()
def _counted_again(channel: NoiseChannel, link: Link, values: Array, annotations: Annotations) -> NoiseChannel:
    """*channel* after some steps of expectation maximisation."""
    xp, log_prior = namespace(values), link.log_prior(values)

    def step(channel: NoiseChannel) -> NoiseChannel:
        posterior = xp.exp(log_softmax(log_prior + channel.log_likelihood(annotations)))
        return channel.recounted(posterior, annotations)

    return repeated(step, STEPS, channel)


@fused()
def _log_evidence(link: Link, values: Array, labels: Array) -> Array:
    return logsumexp(link.log_prior(values) + labels)[:, 0]


@fused()
def _gain_and_errors(after: Array, before: Array, rates: Array) -> Array:
    return namespace(after).stack([after.sum() - before.sum(), rates.mean()])


def _with_confusions(of: Round, values: Array, labels: Array) -> Round:
    rows, folds = of.sample.for_confusions, of.predictions.folds[of.sample.rows]
    log_prior = of.link.log_prior(part_of(values, rows))
    confusions = fit_confusions(log_prior, part_of(labels, rows), part_of(folds, rows))
    return replace(of, link=replace(of.link, confusions=confusions))


def _with_lookalikes(last: Round, least: float) -> Round:
    """*last* with a channel by which people also take items for what they look like, so far as it gains *least*."""
    some, rows = last.sample.annotations.there(), last.sample.for_link
    values, link, channel = last.predictions.values[last.sample.rows], last.link.without_confusions(), last.channel

    def fit(of: NoiseChannel) -> tuple[Link, Array, Array]:
        labels = of.log_likelihood(some)
        link = fit_link(part_of(values, rows), part_of(labels, rows))
        return link, labels, _log_evidence(link, values, labels)

    for _ in range(PASSES):
        looks, channel = link, channel.with_lookalikes(link.log_prior(values), some)
        link, labels, evidence = fit(channel)
    gain, _ = to_host(_mean_and_error(evidence, last.log_evidence))
    # From none at half of the gain asked for to all at half as much again, lest a split decides.
    believed = float(np.clip(gain / least - 0.5, 0.0, 1.0))
    if not believed:
        return last
    channel = replace(channel, lookalikes=_times(believed, channel.lookalikes))
    link, labels, evidence = fit(channel)
    found = replace(last, channel=channel, link=link, log_evidence=evidence, link_of_looks=looks)
    return _with_confusions(found, values, labels)


@fused()
def _times(share: Array, whole: Array) -> Array:
    return share * whole


def _next_round(current: Round, least: float) -> Round | None:
    """A better round at the same ridge, else at the one that fits the posterior; None where neither is better."""
    made, posteriors = current.predictions, current.posteriors()
    apart = made.posteriors_apart(current.link.log_prior, current.log_likelihood)

    def fed_back(inverse: RegularizedInverse) -> Round | None:
        following = predicted(inverse, posteriors, apart, made.folds)
        found = _fitted(following, current.annotations, current.sample, current.rates, current.channel, current.link)
        gain = to_host(_mean_and_error(found.log_evidence, current.log_evidence))
        return found if is_gain(gain, least) else None

    same = fed_back(made.inverse)
    if same is not None:
        return same
    refitted = with_best_ridge(made.inverse, posteriors)
    return None if refitted.ridge == made.inverse.ridge else fed_back(refitted)


@fused()
def _mean_and_error(after: Array, before: Array) -> Array:
    """The mean of the gain, float64[N], and the standard error of it."""
    gain = after - before
    return namespace(gain).stack([gain.mean(), gain.std() / len(gain) ** 0.5])


def is_gain(gain: np.ndarray, least: float, standard_errors: float = 2.0) -> bool:
    """Whether a *gain*, its mean and standard error, is on average more than *least*, and than chance would make it."""
    mean, error = gain
    return bool(mean > max(least, standard_errors * error))


def _why_unrelated(made: Predictions, sample: Sample) -> str:
    """Why predictions tell too little of the labels, in words; empty where they tell enough.

    They have to go with the labels (the score test of the link's temperature being above 0), and to agree with them
    more often than the commonest label does: else overlap of the classes looks like errors of all the rarer ones.
    """
    (labelled, _), score, better = to_host(_related(made.fed[sample.rows], made.values[sample.rows]))
    if not labelled or not is_gain(score, 0.0, BEYOND_CHANCE):
        return "The labels do not follow from the items beyond chance."
    if is_gain(better, 0.0):
        return ""
    return "What the items are compared by predicts their labels no better than always naming the commonest one."


@fused()
def _related(given: Array, said: Array) -> Array:
    """How many items are labelled, twice; mean and standard error, over these, of the score; and of how much more often
    the class predicted is the label than the commonest label is. float64[3, 2]
    """
    xp, classes = namespace(given), np.arange(given.shape[1])
    counts = (given != 0).any(axis=1).astype(np.float64)  # to have a label at all is no evidence
    total = counts.sum()
    some = xp.maximum(total, 1.0)

    def mean_and_error(of: Array) -> Array:
        mean = counts @ of / some
        return xp.stack([mean, xp.sqrt(counts @ xp.square(of - mean)) / some])

    score = ((said - counts @ said / some) * (given - counts @ given / some)).sum(axis=1)
    right = xp.where(said.argmax(axis=1)[:, None] == classes, given, 0).sum(axis=1)
    commonest = xp.where(classes == (counts @ given).argmax(), given, 0).sum(axis=1)
    return xp.stack([xp.stack([total, total]), mean_and_error(score), mean_and_error(right - commonest)])


def _accuracy(agree: np.ndarray, annotations: Annotations) -> float:
    """Of one vote, 0 to 1, mistakes that both share aside."""
    return float(accuracy_of_agreeing(agree.mean(), max(len(np.unique(annotations.labels)), 2)))
