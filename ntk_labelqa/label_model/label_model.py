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
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import log_softmax, logsumexp

from ntk_labelqa.gram.inverse import RegularizedInverse
from ntk_labelqa.gram.ridge import with_best_ridge
from ntk_labelqa.label_model.annotations import Annotations
from ntk_labelqa.label_model.calibration import Link, fit_link
from ntk_labelqa.label_model.confusions import fit_confusions
from ntk_labelqa.label_model.cross_fitting import Predictions, predicted
from ntk_labelqa.label_model.error_rates import ErrorRates, error_rates
from ntk_labelqa.label_model.noise_channel import STEPS, NoiseChannel
from ntk_labelqa.label_model.parameters import DEFAULTS, LabelModelParameters
from ntk_labelqa.label_model.split_votes import accuracy_of_agreeing, votes_agree

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


@dataclass(frozen=True)
class Round:
    """What channel, link and Bayes' rule made of one set of predictions.

    Attributes:
        predictions: what it was made from, and P.
        channel, link: as fitted.
        log_likelihood: log p(labels of the item | class t), float64[N, K].
        log_prior: log s, float64[N, K].
        log_evidence: log p(labels of the item | all others), float64[N], in nats, by the link without its confusions:
            they have so many numbers that they would make any round look better.
    """

    predictions: Predictions
    channel: NoiseChannel
    link: Link
    log_likelihood: np.ndarray
    log_prior: np.ndarray
    log_evidence: np.ndarray

    @property
    def posterior(self) -> np.ndarray:
        """q, float64[N, K]; rows sum to 1."""
        return np.exp(log_softmax(self.log_prior + self.log_likelihood, axis=1))


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

    @property
    def probabilities(self) -> np.ndarray:
        """q, float64[N, K]; rows sum to 1."""
        return self.answer.posterior

    @property
    def is_informative(self) -> bool:
        """Whether anything can be said; where not, no label is flagged."""
        return not self.why_unknown

    def log_odds(self, annotations: Annotations) -> np.ndarray:
        """How far the best other class is ahead of the label given, in nats, float64[A]; high = suspect. For ranking.

        The mean of the first and the last round, for the first ranks better where later ones add little. Without
        lookalikes: that an item looks like the label given speaks for the label, whoever errs how.
        """
        return (_log_odds(self.rounds[0], annotations) + _log_odds(self.rounds[-1], annotations)) / 2


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
    made = Predictions.of_labels(inverse, annotations.means(), annotations.folds())
    agree = votes_agree(inverse, annotations)
    rates = error_rates(made.values, annotations, agree, parameters)
    channel = NoiseChannel.start(rates.of_items(), rates.clearness, made.values.argmax(axis=1), annotations)
    rounds = [_fitted(made, annotations, channel, None)]
    # Of two classes, a second round would only rescale the one contrast there is.
    while annotations.class_count > 2 and len(rounds) <= parameters.most_rounds:
        following = _next_round(rounds[-1], annotations, parameters.round_gain)
        if following is None:
            break
        rounds.append(following)
    answer = rounds[-1]
    if annotations.class_count > 2:
        answer = _with_lookalikes(answer, annotations, parameters.lookalike_gain)
    why, accuracy = _why_unrelated(made), _accuracy(agree, annotations)
    if not why and len(rounds) == 1 and rates.is_in_dispute and accuracy < parameters.telling:
        why = (
            f"From {rates.low:.0%} to {rates.high:.0%} of the labels may be wrong: what the items are compared by "
            "distinguishes the classes so badly that wrong labels and wrong predictions look the same."
        )
    return LabelPosterior(tuple(rounds), answer, rates, why, accuracy)


def _log_odds(of: Round, annotations: Annotations) -> np.ndarray:
    rows = (of.log_prior + of.log_likelihood)[annotations.items]
    each = np.arange(len(annotations))
    given = rows[each, annotations.labels]
    rows[each, annotations.labels] = -np.inf
    return rows.max(axis=1) - given


def _fitted(made: Predictions, annotations: Annotations, channel: NoiseChannel, start: Link | None) -> Round:
    """Channel and link for the predictions *made*, from those of the round before."""
    rows = _fitted_to(annotations)

    def fit(of: NoiseChannel, near: Link | None) -> tuple[NoiseChannel, Link, np.ndarray]:
        labels = of.log_likelihood(annotations)
        return of, fit_link(made.values[rows], labels[rows], near), labels

    _, link, labels = fit(channel, start and replace(start, confusions=None))
    for _ in range(PASSES):
        log_prior = link.log_prior(made.values)
        for _ in range(STEPS):
            posterior = np.exp(log_softmax(log_prior + channel.log_likelihood(annotations), axis=1))
            channel = channel.recounted(posterior, annotations)
        channel, link, labels = fit(channel, link)
    evidence = logsumexp(link.log_prior(made.values) + labels, axis=1)
    for _ in range(MOST_RISES):
        higher, steeper, of_higher = fit(channel.raised(RISE), link)
        risen = logsumexp(steeper.log_prior(made.values) + of_higher, axis=1)
        errors = np.mean(channel.rates) * len(annotations)
        if risen.sum() - evidence.sum() <= RISE * (NATS_A_RISE + NATS_AN_ERROR * errors):
            break
        channel, link, labels, evidence = higher, steeper, of_higher, risen
    return _with_confusions(made, channel, link, labels, evidence)


def _with_confusions(
    made: Predictions, channel: NoiseChannel, link: Link, labels: np.ndarray, evidence: np.ndarray
) -> Round:
    confusions = fit_confusions(link.log_prior(made.values), labels, made.folds)
    link = replace(link, confusions=confusions)
    return Round(made, channel, link, labels, link.log_prior(made.values), evidence)


def _with_lookalikes(last: Round, annotations: Annotations, least: float) -> Round:
    """*last* with a channel by which people also take items for what they look like, so far as it gains *least*."""
    made, rows = last.predictions, _fitted_to(annotations)
    link, channel, labels = replace(last.link, confusions=None), last.channel, last.log_likelihood
    for _ in range(PASSES):
        channel = channel.with_lookalikes(link.log_prior(made.values), annotations)
        labels = channel.log_likelihood(annotations)
        link = fit_link(made.values[rows], labels[rows])
    gain = (logsumexp(link.log_prior(made.values) + labels, axis=1) - last.log_evidence).mean()
    # From none at half of the gain asked for to all at half as much again, lest a split decides.
    believed = float(np.clip(gain / least - 0.5, 0.0, 1.0))
    if not believed:
        return last
    channel = replace(channel, lookalikes=believed * channel.lookalikes)
    labels = channel.log_likelihood(annotations)
    link = fit_link(made.values[rows], labels[rows])
    return _with_confusions(made, channel, link, labels, logsumexp(link.log_prior(made.values) + labels, axis=1))


def _next_round(current: Round, annotations: Annotations, least: float) -> Round | None:
    """A better round at the same ridge, else at the one that fits the posterior; None where neither is better."""
    made = current.predictions
    apart = made.posteriors_apart(current.link.log_prior, current.log_likelihood)

    def fed_back(inverse: RegularizedInverse) -> Round | None:
        following = predicted(inverse, current.posterior, apart, made.folds)
        found = _fitted(following, annotations, current.channel, current.link)
        return found if is_gain(found.log_evidence - current.log_evidence, least) else None

    same = fed_back(made.inverse)
    if same is not None:
        return same
    refitted = with_best_ridge(made.inverse, current.posterior)
    return None if refitted.ridge == made.inverse.ridge else fed_back(refitted)


def is_gain(gain: np.ndarray, least: float, standard_errors: float = 2.0) -> bool:
    """Whether *gain*, float64[N], is on average more than *least*, and than chance would make it."""
    return bool(gain.mean() > max(least, standard_errors * gain.std() / np.sqrt(len(gain))))


def _fitted_to(annotations: Annotations) -> slice | np.ndarray:
    """Rows of the items that a link is fitted to; one item more changes one of them."""
    if annotations.item_count <= FITTED_TO:
        return slice(None)
    return np.argsort(annotations.ranks(), kind="stable")[:FITTED_TO]


def _why_unrelated(made: Predictions) -> str:
    """Why predictions tell too little of the labels, in words; empty where they tell enough.

    They have to go with the labels (the score test of the link's temperature being above 0), and to agree with them
    more often than the commonest label does: else overlap of the classes looks like errors of all the rarer ones.
    """
    labelled = made.fed.any(axis=1)  # to have a label at all is no evidence
    predictions, labels = made.values[labelled], made.fed[labelled]
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
