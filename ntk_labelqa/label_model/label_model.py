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
    repeated,
    to_device,
    to_host,
)
from ntk_labelqa.gram.inverse import RegularizedInverse
from ntk_labelqa.gram.ridge import with_best_ridge
from ntk_labelqa.gram.rows_there import panels_there, room_for
from ntk_labelqa.label_model.annotations import Annotations
from ntk_labelqa.label_model.calibration import Link, fit_link
from ntk_labelqa.label_model.confusions import fit_confusions
from ntk_labelqa.label_model.cross_fitting import Posteriors, Predictions, posteriors_of, predicted
from ntk_labelqa.label_model.error_rates import ErrorRates, best_classes, error_rates
from ntk_labelqa.label_model.noise_channel import STEPS, NoiseChannel
from ntk_labelqa.label_model.panel import Panel, log_likelihood_of, posterior_of
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
        for_link, for_confusions: which of these either is fitted to; None is all.
    """

    rows: slice | Array
    annotations: Annotations
    for_link: Array | None
    for_confusions: Array | None

    @classmethod
    def of(cls, annotations: Annotations) -> Self:
        """Of the items of *annotations*."""
        ranks, k = annotations.ranks(), annotations.class_count
        rows = _lowest(ranks, sampled_items(k))
        chosen = slice(None) if rows is None else rows
        for_link = _lowest(ranks[chosen], FITTED_TO)
        for_confusions = _lowest(ranks[chosen], max(FITTED_TO, CONFUSED_A_PAIR * k**2))
        return cls(chosen, annotations.of_items(chosen), *to_device((for_link, for_confusions)))


def sampled_items(class_count: int) -> int:
    """Of how many items a sample is at most.

    Example:
        >>> sampled_items(10), sampled_items(1000)
        (400000, 10000)
    """
    return min(max(FITTED_TO, SAMPLED // class_count), LARGEST_SAMPLE // class_count)


def _lowest(ranks: np.ndarray, most: int) -> np.ndarray | None:
    """The places of the *most* lowest, ascending; None where that is all."""
    return None if len(ranks) <= most else np.sort(np.argsort(ranks, kind="stable")[:most])


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

    def panel(self, rows: slice = slice(None)) -> Panel:
        """The items *rows*, and what is made of them."""
        return Panel(
            predictions=self.predictions.values[rows],
            annotations=self.annotations.there(rows),
            clearness=self.rates.clearness[rows],
            by_class=self.rates.by_class,
            # What it knows of the items that it was fitted to is of no use for these.
            channel=replace(self.channel, rates=None, weights=None, looks=None),
            link=self.link,
            link_of_looks=self.link_of_looks,
        )

    def posterior(self, rows: slice = slice(None)) -> Array:
        """q of the items *rows*, float64[n, K]; rows sum to 1."""
        return posterior_of(self.panel(rows))

    def posteriors(self) -> Rows:
        """q of all items, float64[N, K]."""
        stored = room_for(self.predictions.values.shape)
        for rows in panels_there(stored.shape):
            stored[rows] = self.posterior(rows)
        return stored

    def posteriors_apart(self) -> Posteriors:
        """What each fold makes of its view."""
        return self.predictions.posteriors_apart(lambda rows, *apart: _posteriors_apart(self.panel(rows), *apart))


@fused()
def _posteriors_apart(of: Panel, views: Array, heard: Array, folds: Array) -> tuple[Array, Array]:
    return posteriors_of(of.link.log_prior, log_likelihood_of(of), views, heard, folds)


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
    made = Predictions.of_labels(inverse, annotations.means_there(), annotations.folds_there())
    agree = votes_agree(inverse, annotations)
    rates = error_rates(*best_classes(made.values), annotations, agree, parameters)
    of_sample = rates.by_class, rates.clearness[sample.rows], made.values[sample.rows]
    channel = NoiseChannel.start(*of_sample, sample.annotations)
    rounds = [_first_round(made, annotations, sample, rates, channel)]
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


def _first_round(
    made: Predictions, annotations: Annotations, sample: Sample, rates: ErrorRates, channel: NoiseChannel
) -> Round:
    to = _Observed.of(made, sample)
    fit, _ = _fitted(to, channel, None, None)
    found = Round(made, annotations, sample, rates, fit.channel, fit.link, fit.log_evidence)
    return _with_confusions(found, to, fit)


@of_arrays("predictions", "annotations", "for_link")
@dataclass(frozen=True)
class _Observed:
    """The items of the sample: predictions, float64[n, K], labels, and which of them a link is fitted to."""

    predictions: Array
    annotations: Annotations
    for_link: Array | None

    @classmethod
    def of(cls, made: Predictions, sample: Sample) -> Self:
        """By the predictions *made*."""
        return cls(made.values[sample.rows], sample.annotations.there(), sample.for_link)


@of_arrays("channel", "link", "log_likelihood", "log_evidence")
@dataclass(frozen=True)
class _Fit:
    """A channel with the link fitted to it, and both likelihoods of the labels: of each class, and by the link."""

    channel: NoiseChannel
    link: Link
    log_likelihood: Array
    log_evidence: Array


@fused()
def _fitted(to: _Observed, channel: NoiseChannel, near: Link | None, before: Array | None) -> tuple[_Fit, Array | None]:
    """Channel and link, from those of the round *before*, with the log-evidence of which it is compared, if any: see
    :func:`_mean_and_error`.
    """
    fit = repeated(lambda fit: _linked_again(to, fit), PASSES, _linked(to, channel, near))
    errors_of = len(to.annotations)

    def risen(state: tuple[_Fit, _Fit, Array]) -> tuple[_Fit, _Fit, Array]:
        _, fit, _ = state
        higher = _linked(to, fit.channel.raised(RISE), fit.link)
        gain, errors = higher.log_evidence.sum() - fit.log_evidence.sum(), fit.channel.rates.mean() * errors_of
        return fit, higher, gain > RISE * (NATS_A_RISE + NATS_AN_ERROR * errors)

    start = fit, fit, namespace(to.predictions).ones((), bool)
    fit, _, _ = repeated(risen, MOST_RISES + 1, start, lambda state: state[-1])
    return fit, None if before is None else _mean_and_error(fit.log_evidence, before)


def _linked(to: _Observed, channel: NoiseChannel, near: Link | None) -> _Fit:
    labels, rows = channel.log_likelihood(to.annotations), to.for_link
    chosen = (to.predictions, labels) if rows is None else (to.predictions[rows], labels[rows])
    link = fit_link(*chosen, near)
    return _Fit(channel, link, labels, logsumexp(link.log_prior(to.predictions) + labels)[:, 0])


def _linked_again(to: _Observed, fit: _Fit) -> _Fit:
    """After some steps of expectation maximisation of the channel."""
    xp, log_prior = namespace(to.predictions), fit.link.log_prior(to.predictions)

    def step(channel: NoiseChannel) -> NoiseChannel:
        posterior = xp.exp(log_softmax(log_prior + channel.log_likelihood(to.annotations)))
        return channel.recounted(posterior, to.annotations)

    return _linked(to, repeated(step, STEPS, fit.channel), fit.link)


def _with_confusions(of: Round, to: _Observed, fit: _Fit) -> Round:
    folds = of.predictions.folds[of.sample.rows]
    confusions = fit_confusions(fit.link, to.predictions, fit.log_likelihood, folds, of.sample.for_confusions)
    return replace(of, link=replace(fit.link, confusions=confusions))


def _with_lookalikes(last: Round, least: float) -> Round:
    """*last* with a channel by which people also take items for what they look like, so far as it gains *least*."""
    to = _Observed.of(last.predictions, last.sample)
    link, channel = last.link.without_confusions(), last.channel
    for _ in range(PASSES):
        looks = link
        fit, gain = _with_looks(to, channel, looks, last.log_evidence)
        link, channel = fit.link, replace(fit.channel, looks=None, lookalikes=None)
    # From none at half of the gain asked for to all at half as much again, lest a split decides.
    believed = float(np.clip(to_host(gain) / least - 0.5, 0.0, 1.0))
    if not believed:
        return last
    fit = _believed(to, fit.channel, believed)
    found = replace(last, channel=fit.channel, link=fit.link, log_evidence=fit.log_evidence, link_of_looks=looks)
    return _with_confusions(found, to, fit)


@fused()
def _with_looks(to: _Observed, channel: NoiseChannel, looks: Link, before: Array) -> tuple[_Fit, Array]:
    """With ω estimated by what items look like to *looks*; and how much likelier that makes labels than *before*."""
    fit = _linked(to, channel.with_lookalikes(looks.log_prior(to.predictions), to.annotations), None)
    return fit, (fit.log_evidence - before).mean()


@fused()
def _believed(to: _Observed, channel: NoiseChannel, share: Array) -> _Fit:
    """With a *share* of ω."""
    return _linked(to, replace(channel, lookalikes=share * channel.lookalikes), None)


def _next_round(current: Round, least: float) -> Round | None:
    """A better round at the same ridge, else at the one that fits the posterior; None where neither is better."""
    made, posteriors = current.predictions, current.posteriors()
    apart = current.posteriors_apart()

    def fed_back(inverse: RegularizedInverse) -> Round | None:
        following = predicted(inverse, posteriors, apart, made.folds)
        to = _Observed.of(following, current.sample)
        fit, gain = _fitted(to, current.channel, current.link.without_confusions(), current.log_evidence)
        if not is_gain(to_host(gain), least):
            return None
        found = replace(
            current, predictions=following, channel=fit.channel, link=fit.link, log_evidence=fit.log_evidence
        )
        return _with_confusions(found, to, fit)

    same = fed_back(made.inverse)
    if same is not None:
        return same
    refitted = with_best_ridge(made.inverse, posteriors)
    return None if refitted.ridge == made.inverse.ridge else fed_back(refitted)


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
