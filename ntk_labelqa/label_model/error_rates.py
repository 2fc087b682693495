r"""How often labels are wrong, by how clear the item is and by its class.

A label that differs from the class predicted is a wrong label or a wrong prediction. Items are cut into strata of
clearness, and in stratum c labels agree with predictions with probability

.. math:: (1 - ρ_c) a_c + ρ_c \frac{1 - a_c}{K - 1}, \qquad \operatorname{logit} ρ_c = ρ_0 + β u_c

with u from 0, clearest, to 1. a, the accuracy of predictions, comes from votes that share no label
(:mod:`~ntk_labelqa.label_model.split_votes`): with o the odds that a vote is wrong by their agreement, those that a
prediction is wrong are taken to be

.. math:: \frac{1 - a_c}{a_c} = e^{σ z_c} (κ o_c + \min(ε, \bar o)), \qquad z_c \sim N(0, 1)

for votes share mistakes. Where votes agree, labels tell ρ; where they do not, little, and the priors of
ρ₀ and β take over. Then each class gets a ρ₀ of its own, pulled towards the common one as far as the classes' likeness
suggests (empirical Bayes), with z of its own. All three are summed over grids, not maximised.

Source: the label and two votes are three observers of a class, as in Dawid and Skene (1979); that a label's error rate
grows with the difficulty of the item is the finding of Wei et al., "Learning with noisy labels revisited" (ICLR 2022).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logit, logsumexp
from sklearn.isotonic import IsotonicRegression

from ntk_labelqa.gram.arrays import Array, fused, namespace, to_host
from ntk_labelqa.gram.rows_there import panels_there, sent
from ntk_labelqa.label_model.annotations import Annotations
from ntk_labelqa.label_model.parameters import LabelModelParameters
from ntk_labelqa.label_model.split_votes import accuracy_of_agreeing
from ntk_labelqa.row_store import Rows

LEVELS, SLOPES = np.linspace(-8, 3, 45), np.linspace(-2, 6, 33)
DEVIATES = np.linspace(-3, 3, 61)
"""Of z, fine enough for thousands of items a stratum."""
CLASS_LEVELS, CLASS_SPREADS = np.linspace(-5, 5, 51), np.array([0.05, 0.2, 0.4, 0.8, 1.6, 3.0])
DOUBLE, DISPUTED = 2.0, 3.0
"""By how much more mistakes might be shared than is thought: for the interval of the rate, and at the utmost."""
FEWEST_A_CELL = 20
"""Items of an average class in a stratum; with many classes there are fewer strata."""
KNOTS = np.linspace(0, 1, 21)
LEAST = 1e-6


@dataclass(frozen=True)
class ErrorRates:
    """Error rates before anything is known of a label.

    Attributes:
        clearness: u, float64[N], the share of the items predicted to be of the same class that are clearer; a panel at
            a time where it is calculated with.
        by_class: float64[K, 21], ρ of class t at u = 0, .05, … 1.
        mean: over all labels.
        low, high: the same if twice as many mistakes are shared as is thought, or half as many.
        is_in_dispute: whether most errors of the clearest items could be shared mistakes.
        slope: β.
    """

    clearness: Rows
    by_class: np.ndarray
    mean: float
    low: float
    high: float
    is_in_dispute: bool
    slope: float

    def of_items(self, rows: slice | np.ndarray = slice(None)) -> np.ndarray:
        """ρ of each of the items *rows*, were it of class t, float64[n, K]."""
        return rates_at(self.by_class, self.clearness[rows])


@fused()
def rates_at(by_class: Array, clearness: Array) -> Array:
    """ρ by *by_class*, float64[K, 21], of items as clear as *clearness*, were they of class t, float64[n, K]."""
    xp = namespace(clearness)
    place = clearness * (by_class.shape[1] - 1)
    left = xp.clip(xp.floor(place).astype(np.int64), 0, by_class.shape[1] - 2)
    share = (place - left)[:, None]
    knots = by_class.T
    return (1 - share) * knots[left] + share * knots[left + 1]


@dataclass(frozen=True)
class Counts:
    """What is counted in each cell of class predicted and stratum.

    Attributes:
        labels, agreeing: of labels, and those that are of the class predicted, float64[K, S].
        items, votes_agreeing: of items, and those on which votes agree, float64[S].
    """

    labels: np.ndarray
    agreeing: np.ndarray
    items: np.ndarray
    votes_agreeing: np.ndarray


def error_rates(
    predicted: np.ndarray,
    lead: np.ndarray,
    annotations: Annotations,
    agree: np.ndarray,
    parameters: LabelModelParameters,
) -> ErrorRates:
    """The error rates that the labels' agreement with predictions speaks for.

    Args:
        predicted, lead: what :func:`best_classes` makes of P, each row of which is made without the item's own labels.
        annotations: of the N items.
        agree: whether two votes on the item agree, bool[N].
        parameters: the priors.

    Cost: a sort of N items; a sum over 900,000 points of the grid, and 700 S a class.
    """
    clearness = clearness_of(predicted, lead)
    counts = _counted(predicted, clearness, annotations, agree, parameters.strata)
    by_class, slope = _curves(counts, parameters)
    means, clearest = {}, {1.0: by_class[:, 0].mean()}
    for factor in (1 / DOUBLE, DOUBLE, DISPUTED):
        others, _ = _curves(counts, replace(parameters, shared_mistakes=factor * parameters.shared_mistakes))
        means[factor], clearest[factor] = _mean(others, counts), others[:, 0].mean()
    return ErrorRates(
        clearness=sent(clearness),
        by_class=by_class,
        mean=_mean(by_class, counts),
        low=means[DOUBLE],
        high=means[1 / DOUBLE],
        is_in_dispute=bool(clearest[DISPUTED] < clearest[1.0] / 2),
        slope=slope,
    )


def _curves(counts: Counts, parameters: LabelModelParameters) -> tuple[np.ndarray, float]:
    """ρ by class at each of :data:`KNOTS`, float64[K, 21], and β."""
    middles = (np.arange(len(counts.items)) + 0.5) / len(counts.items)
    chance = 1 / max(len(counts.labels), 2)
    weights, accuracy = _common(counts, middles, chance, parameters)
    common = np.einsum("ab,abu->u", weights, expit(LEVELS[:, None, None] + SLOPES[:, None] * KNOTS))
    shifts = _class_levels(counts, np.interp(middles, KNOTS, common), accuracy, chance, parameters)
    by_class = shifts @ expit(logit(np.clip(common, LEAST, 1 - LEAST)) + CLASS_LEVELS[:, None])
    return by_class, float(weights.sum(axis=0) @ SLOPES)


def _mean(by_class: np.ndarray, counts: Counts) -> float:
    return float(np.average(by_class.mean(axis=1), weights=counts.labels.sum(axis=1) + LEAST))


def best_classes(predictions: Rows) -> tuple[np.ndarray, np.ndarray]:
    """The largest of each row of P, float[N, K], int64[N], and how far it is ahead of the next, float64[N]."""
    predicted, lead = np.empty(len(predictions), np.int64), np.empty(len(predictions))
    for rows in panels_there(predictions.shape):
        predicted[rows], lead[rows] = to_host(_best_of(predictions[rows]))
    return predicted, lead


@fused()
def _best_of(panel: Array) -> tuple[Array, Array]:
    xp, best = namespace(panel), panel.argmax(axis=1)
    if panel.shape[1] == 1:
        return best, xp.ones(len(panel))
    others = xp.where(best[:, None] == np.arange(panel.shape[1]), -np.inf, panel)
    return best, panel.max(axis=1) - others.max(axis=1)


def clearness_of(predicted: np.ndarray, lead: np.ndarray) -> np.ndarray:
    """u, float64[N]: the rank of an item's *lead* among those *predicted* to be of its class.

    0 = clearest, 1 = least clear.
    """
    order = np.lexsort((-lead, predicted))
    first = np.flatnonzero(np.diff(predicted[order], prepend=-1))
    size = np.diff(first, append=len(order))
    clearness = np.empty(len(order))
    clearness[order] = (np.arange(len(order)) - np.repeat(first, size) + 0.5) / np.repeat(size, size)
    return clearness


def _counted(
    predicted: np.ndarray, clearness: np.ndarray, annotations: Annotations, agree: np.ndarray, most_strata: int
) -> Counts:
    k = annotations.class_count
    strata = int(np.clip(len(annotations) / (FEWEST_A_CELL * k), 3, most_strata))
    stratum = np.minimum((clearness * strata).astype(int), strata - 1)
    cell = predicted * strata + stratum
    agreeing = predicted[annotations.items] == annotations.labels

    def by_cell(weights: np.ndarray | None = None) -> np.ndarray:
        return np.bincount(cell[annotations.items], weights, minlength=k * strata).reshape(k, strata).astype(float)

    items = np.bincount(stratum, minlength=strata).astype(float)
    votes = np.bincount(stratum, agree, minlength=strata)
    return Counts(by_cell(), by_cell(agreeing), items, votes)


def _common(
    counts: Counts, middles: np.ndarray, chance: float, parameters: LabelModelParameters
) -> tuple[np.ndarray, np.ndarray]:
    """Posterior weights of (ρ₀, β), float64[levels, slopes], and the mean a of each stratum, float64[S]."""
    agreement = _falling(counts.votes_agreeing, counts.items)
    by_votes = np.clip(accuracy_of_agreeing(agreement, round(1 / chance)), chance, 1 - LEAST)
    by_chance = (1 - by_votes) / by_votes
    spread = np.exp(parameters.mistakes_spread * DEVIATES)
    sure = min(parameters.sure_mistakes, by_chance.mean())  # where votes always agree, little is mistaken surely
    odds = spread[:, None] * (parameters.shared_mistakes * by_chance + sure)
    accuracies = np.maximum(1 / (1 + odds), chance)
    prior = _normal(DEVIATES)
    labels, agreeing = counts.labels.sum(axis=0), counts.agreeing.sum(axis=0)
    log_weights = _bell(LEVELS, parameters.level, parameters.level_spread)[:, None]
    log_weights = log_weights + _bell(SLOPES, parameters.slope, parameters.slope_spread)
    means = []
    for middle, n, k, accuracy in zip(middles, labels, agreeing, accuracies.T, strict=True):
        rates = expit(LEVELS[:, None] + SLOPES * middle)[:, :, None]
        log_joint = _binomial(rates, accuracy, n, k, chance) + prior
        evidence = logsumexp(log_joint, axis=2)
        log_weights = log_weights + evidence
        means.append(np.exp(log_joint - evidence[:, :, None]) @ accuracy)
    weights = np.exp(log_weights - logsumexp(log_weights))
    return weights, np.array([(weights * mean).sum() for mean in means])


def _class_levels(
    counts: Counts, common: np.ndarray, accuracy: np.ndarray, chance: float, parameters: LabelModelParameters
) -> np.ndarray:
    """How much each of :data:`CLASS_LEVELS` weighs as what class t adds to logit ρ, float64[K, 51]; rows sum to 1."""
    rates = expit(logit(np.clip(common, LEAST, 1 - LEAST)) + CLASS_LEVELS[:, None, None])
    odds = (1 - accuracy) / np.maximum(accuracy, LEAST)
    accuracies = np.maximum(1 / (1 + odds * np.exp(parameters.mistakes_spread * DEVIATES[::5])[:, None]), chance)
    agrees = _agreement(rates, accuracies, chance)
    log_likelihood = np.einsum("tc,gzc->tgz", counts.agreeing, np.log(agrees))
    log_likelihood += np.einsum("tc,gzc->tgz", counts.labels - counts.agreeing, np.log1p(-agrees))
    of_shift = logsumexp(parameters.class_evidence * log_likelihood + _normal(DEVIATES[::5]), axis=2)
    prior = np.stack([_normal(CLASS_LEVELS / spread) for spread in CLASS_SPREADS])
    joint = of_shift[:, None] + prior
    evidence = logsumexp(joint, axis=2)
    weights = np.exp(joint - evidence[:, :, None])
    # Where classes tell nothing of their spread, it is most likely small.
    of_spread = evidence.sum(axis=0)
    return np.einsum("s,tsg->tg", np.exp(of_spread - logsumexp(of_spread)), weights)


def _agreement(rates: np.ndarray, accuracy: np.ndarray, chance: float) -> np.ndarray:
    """Probability that a label is of the class predicted."""
    by_mistake = chance / (1 - chance) * (1 - accuracy)
    return np.clip((1 - rates) * accuracy + rates * by_mistake, LEAST, 1 - LEAST)


def _binomial(rates: np.ndarray, accuracy: np.ndarray, n: float, k: float, chance: float) -> np.ndarray:
    agrees = _agreement(rates, accuracy, chance)
    return k * np.log(agrees) + (n - k) * np.log1p(-agrees)


def _falling(agreeing: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Agreement of votes by stratum, never rising; strata that come out alike share half a made-up disagreement."""
    smooth = IsotonicRegression(increasing=False).fit_transform(
        np.arange(len(items)), agreeing / np.maximum(items, 1), sample_weight=np.maximum(items, LEAST)
    )
    _, pooled = np.unique(smooth, return_inverse=True)
    members = np.bincount(pooled, items)[pooled]
    return smooth * members / (members + 0.5)


def _bell(grid: np.ndarray, mean: float, spread: float) -> np.ndarray:
    return -0.5 * np.square((grid - mean) / spread)


def _normal(grid: np.ndarray) -> np.ndarray:
    """Log-weights of a grid by the normal distribution, normalised."""
    weights = _bell(grid, 0.0, 1.0)
    return weights - logsumexp(weights)
