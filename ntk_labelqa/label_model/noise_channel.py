r"""How labels go wrong: what an item of class t is labelled, by whom, and how clear it is.

.. math::
    T_i[t, y] = ρ_{it} \Bigl( (1 - ω) E[t, y] + ω \frac{v_{iy}}{1 - v_{it}} \Bigr), \qquad T_i[t, t] = 1 - ρ_{it}

ρ is the error rate of items as clear as i (:mod:`~ntk_labelqa.label_model.error_rates`), E the shape that errors of a
class have, v what the item looks like. A person with enough labels has an E of their own, and multiplies ρ by a factor
of their own. All are counted by expectation maximisation, clear items counting more, and pulled towards a common value
as strongly as the counts' likeness suggests (empirical Bayes).

Source: Minka, "Estimating a Dirichlet distribution" (2000). Errors of one shape are the rule: it takes clear evidence
to give a class a shape of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ntk_labelqa.gram.arrays import (
    Array,
    each,
    fused,
    gammaln,
    log_softmax,
    namespace,
    of_arrays,
    repeated,
    sums_by,
)
from ntk_labelqa.label_model.annotations import Annotations
from ntk_labelqa.label_model.error_rates import rates_at

SHAPES_DIFFER_BY = 4.5
"""Nats by which errors shaped class by class have to be likelier than uniform ones: three standard errors."""
LABELS_FOR_OWN_CHANNEL = 100
"""Labels from which an annotator gets a channel of their own."""
LARGEST_RATE = 0.95
STEPS = 5
"""Of expectation maximisation, each time."""
SHAPE_STRENGTHS = np.geomspace(0.1, 300, 18)
"""A class; the strength of K − 1 classes is that many times as large."""
ANNOTATOR_STRENGTHS = np.geomspace(1, 10_000, 17)
LEAST = 1e-12


@of_arrays("rates", "weights", "shapes", "factors", "table_of_annotator", "lookalikes", "looks", "risen")
@dataclass(frozen=True)
class NoiseChannel:
    """The channels, and who labels through which; arrays where they are calculated with.

    Attributes:
        rates: ρ of each item, were it of class t, float64[N, K].
        weights: how much an item counts, float64[N]: 1 the clearest, near 0 the least clear.
        shapes: E, float64[C, K, K], that of everybody first, then of each annotator with enough labels; rows sum to 1.
        factors: of ρ, float64[C, K].
        table_of_annotator: int64[people], into *shapes* and *factors*.
        lookalikes: ω; None is 0.
        looks: v, float64[N, K], where there are lookalikes; rows sum to 1.
        risen: what was added to the logit of every rate.
    """

    rates: Array
    weights: Array
    shapes: Array
    factors: Array
    table_of_annotator: Array
    lookalikes: Array | float | None = None
    looks: Array | None = None
    risen: Array | float = 0.0

    @classmethod
    def start(cls, by_class: Array, clearness: Array, predictions: Array, annotations: Annotations) -> NoiseChannel:
        """With the shape of the contradictions between labels and predictions.

        Args:
            by_class: see :class:`~ntk_labelqa.label_model.error_rates.ErrorRates`.
            clearness: u, float64[N].
            predictions: float64[N, K]; the largest of a row counts.
            annotations: of these items.
        """
        counts = np.bincount(annotations.annotators)
        own = np.flatnonzero(counts >= LABELS_FOR_OWN_CHANNEL)
        if len(own) < 2:  # A lone annotator's channel is everybody's.
            own = own[:0]
        table_of_annotator = np.zeros(len(counts), np.int64)
        table_of_annotator[own] = 1 + np.arange(len(own))
        given = by_class, clearness, predictions, table_of_annotator, annotations.there()
        return _started(1 + len(own), *given)

    def of_others(self, rates: Array, clearness: Array, looks: Array | None) -> NoiseChannel:
        """The same channels for other items, whose *rates*, float64[n, K], have not risen yet."""
        return replace(self, rates=_risen(rates, self.risen), weights=1 - clearness, looks=looks)

    def log_likelihood(self, annotations: Annotations) -> Array:
        """log p(labels of the item | true class t), float64[N, K]; zero where an item has none."""
        return _log_likelihood(self, annotations)

    def recounted(self, posterior: Array, annotations: Annotations) -> NoiseChannel:
        """Shapes and factors by one step of expectation maximisation; *posterior*: q, float64[N, K]."""
        return _recounted(self, posterior, annotations)

    def raised(self, by: float) -> NoiseChannel:
        """The same channels with *by* added to the logit of every rate."""
        return _raised(self, by)

    def with_lookalikes(self, log_prior: Array, annotations: Annotations) -> NoiseChannel:
        """ω estimated, with s, float64[N, K], for what items look like."""
        return _with_lookalikes(self, log_prior, annotations)


@fused(static=(0,))
def _started(
    tables: int,
    by_class: Array,
    clearness: Array,
    predictions: Array,
    table_of_annotator: Array,
    annotations: Annotations,
) -> NoiseChannel:
    xp, k = namespace(predictions), annotations.class_count
    nothing, rates = (xp.zeros((tables, k, k)), xp.ones((tables, k))), rates_at(by_class, clearness)
    channel = NoiseChannel(rates, 1 - clearness, *nothing, table_of_annotator, risen=xp.zeros(()))
    return channel.recounted(xp.eye(k)[predictions.argmax(axis=1)], annotations)


@fused(static=(1,))
def _raised(channel: NoiseChannel, by: float) -> NoiseChannel:
    return replace(channel, rates=_risen(channel.rates, by), risen=channel.risen + by)


def _risen(rates: Array, by: Array | float) -> Array:
    odds = rates / (1 - rates) * namespace(rates).exp(by)
    return odds / (1 + odds)


@fused()
def _log_likelihood(channel: NoiseChannel, annotations: Annotations) -> Array:
    xp, tables = namespace(channel.rates), channel.table_of_annotator[annotations.annotators]
    factors = channel.factors if len(channel.factors) == 1 else channel.factors[tables]
    rates = xp.minimum(channel.rates[annotations.items] * factors, LARGEST_RATE)
    by_shape, by_look = _kinds(channel, tables, annotations)
    wrong = rates * (by_shape if by_look is None else by_shape + by_look)
    probabilities = xp.where(_given(annotations), 1 - rates, xp.maximum(wrong, LEAST))
    return sums_by(annotations.items, xp.log(probabilities), annotations.item_count)


def _given(annotations: Annotations) -> Array:
    """Whether the annotation's label is the class, bool[A, K]."""
    return annotations.labels[:, None] == np.arange(annotations.class_count)


def _kinds(channel: NoiseChannel, tables: Array, annotations: Annotations) -> tuple[Array, Array | None]:
    """Probability of the label given if it is wrong, by shape and, if that counts, by look, float64[A, K] each."""
    by_shape = channel.shapes.transpose(0, 2, 1)[tables, annotations.labels]
    if channel.lookalikes is None or channel.looks is None:
        return by_shape, None
    xp, looks = namespace(by_shape), channel.looks[annotations.items]
    named = xp.where(_given(annotations), looks, 0).sum(axis=1)
    by_look = named[:, None] / xp.maximum(1 - looks, LEAST)
    return (1 - channel.lookalikes) * by_shape, channel.lookalikes * by_look


@fused()
def _recounted(channel: NoiseChannel, posterior: Array, annotations: Annotations) -> NoiseChannel:
    xp, k, people = namespace(posterior), annotations.class_count, len(channel.shapes)
    expected = posterior[annotations.items] * channel.weights[annotations.items, None]
    tables = channel.table_of_annotator[annotations.annotators]
    by_label = sums_by(tables * k + annotations.labels, expected, people * k).reshape(people, k, k)
    counts = _everybody_first(by_label.transpose(0, 2, 1))
    at_rates = _everybody_first(sums_by(tables, expected * channel.rates[annotations.items], people))
    wrong = counts * (1 - xp.eye(k))
    errors, total = wrong.sum(axis=2), xp.maximum(counts.sum(axis=2), LEAST)
    base = xp.clip(at_rates / total, LEAST, LARGEST_RATE)
    # How many errors there are in all follows from clearness; here, only which classes have more of them.
    share = errors[0].sum() / xp.maximum(base[0] @ total[0], LEAST)
    base = xp.concatenate([xp.clip(base[:1] * share, LEAST, LARGEST_RATE), base[1:]])
    common = common_shape(wrong[0])
    own = _off_diagonal(shrunk_each(_without_diagonal(wrong[1:]), _without_diagonal(common)))
    split = xp.stack([errors, xp.diagonal(counts, axis1=1, axis2=2)], axis=2)
    factors = shrunk_each(split, xp.stack([base, 1 - base], axis=2))[:, :, 0] / base
    return replace(channel, shapes=xp.concatenate([common[None], own]), factors=factors)


def _everybody_first(by_table: Array) -> Array:
    """The sum of all tables in place of the first, which is of those without one of their own."""
    return namespace(by_table).concatenate([by_table.sum(axis=0)[None], by_table[1:]])


@fused()
def _with_lookalikes(channel: NoiseChannel, log_prior: Array, annotations: Annotations) -> NoiseChannel:
    xp, tables = namespace(log_prior), channel.table_of_annotator[annotations.annotators]
    looks = xp.exp(log_prior)

    def counted(share: Array) -> Array:
        supposed = replace(channel, looks=looks, lookalikes=share)
        joint = log_softmax(log_prior + supposed.log_likelihood(annotations))
        wrong = xp.where(_given(annotations), 0, xp.exp(joint)[annotations.items])
        wrong = wrong * channel.weights[annotations.items, None]
        by_shape, by_look = _kinds(supposed, tables, annotations)
        mistaken = wrong * by_look / xp.maximum(by_shape + by_look, LEAST)
        # One error of each kind is made up.
        return (mistaken.sum() + 1) / (wrong.sum() + 2)

    return replace(channel, looks=looks, lookalikes=repeated(counted, 2 * STEPS, xp.full((), 0.1)))


def shrunk(counts: Array, mean: Array, strengths: np.ndarray = ANNOTATOR_STRENGTHS, *, surely: float = 0.0) -> Array:
    r"""Frequencies of *counts* along the last axis, pulled towards *mean*.

    .. math:: \frac{n_{rc} + κ m_{rc}}{\sum_c n_{rc} + κ}

    with κ the one of *strengths* under which Dirichlet-multinomial rows n_r ~ DM(κ m_r) are most likely, or the last
    of them unless the rows are likelier by *surely*.

    Args:
        counts: float[…, C].
        mean: positive, sums to 1 along the last axis, broadcasts against *counts*.
        strengths: κ to choose from, in observations, ascending.
        surely: in nats.

    Example:
        >>> alike = np.array([[90, 10], [91, 9], [89, 11]])
        >>> shrunk(alike, np.array([0.9, 0.1]), np.array([1.0, 1e6])).round(3)[0].tolist()
        [0.9, 0.1]
    """
    return shrunk_each(counts[None], mean, strengths, surely=surely)[0]


def shrunk_each(
    tables: Array, mean: Array, strengths: np.ndarray = ANNOTATOR_STRENGTHS, *, surely: float = 0.0
) -> Array:
    """:func:`shrunk` of each of *tables*, float[T, …, C], by itself."""
    xp, total = namespace(tables), tables.sum(axis=-1)
    strengths = xp.asarray(strengths)

    def log_likelihood(strength: Array) -> Array:
        prior = strength * mean
        rows = gammaln(strength) - gammaln(strength + total)
        rows = rows + (gammaln(tables + prior) - gammaln(prior)).sum(axis=-1)
        return rows.sum(axis=tuple(range(1, rows.ndim)))

    fits = each(log_likelihood, strengths)
    clear = fits.max(axis=0) > fits[-1] + surely
    best = xp.where(clear, strengths[xp.argmax(fits, axis=0)], strengths[-1]).reshape(-1, *[1] * (total.ndim - 1))
    return (tables + best[..., None] * mean) / (total + best)[..., None]


def common_shape(wrong: Array) -> Array:
    """E of counts of errors, float64[K, K] with a diagonal of 0."""
    others = len(wrong) - 1
    if others < 1:
        return wrong
    uniform = namespace(wrong).full(others, 1 / others)
    return _off_diagonal(shrunk(_without_diagonal(wrong), uniform, others * SHAPE_STRENGTHS, surely=SHAPES_DIFFER_BY))


def _without_diagonal(table: Array) -> Array:
    """[…, K, K − 1] of […, K, K]."""
    k = table.shape[-1]
    return table[..., ~np.eye(k, dtype=bool)].reshape(*table.shape[:-1], k - 1)


def _off_diagonal(rows: Array) -> Array:
    """[…, K, K] of […, K, K − 1], with a diagonal of 0."""
    xp, k = namespace(rows), rows.shape[-2]
    lower, upper = xp.tril(xp.ones((k, k - 1)), -1), xp.triu(xp.ones((k, k - 1)))
    nothing = xp.zeros((*rows.shape[:-1], 1))
    # Before the diagonal a row's entries stay where they are, and those behind it are one place further.
    return xp.concatenate([rows * lower, nothing], axis=-1) + xp.concatenate([nothing, rows * upper], axis=-1)
