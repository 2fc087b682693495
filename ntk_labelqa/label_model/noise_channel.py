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
from typing import Self

import numpy as np
from scipy.special import gammaln

from ntk_labelqa.label_model.annotations import Annotations

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


@dataclass(frozen=True)
class NoiseChannel:
    """The channels, and who labels through which.

    Attributes:
        rates: ρ of each item, were it of class t, float64[N, K].
        weights: how much an item counts, float64[N]: 1 the clearest, near 0 the least clear.
        shapes: E, float64[C, K, K], that of everybody first, then of each annotator with enough labels; rows sum to 1.
        factors: of ρ, float64[C, K].
        table_of_annotator: int64[people], into *shapes* and *factors*.
        lookalikes: ω.
        looks: v, float64[N, K]; rows sum to 1.
        risen: what was added to the logit of every rate.
    """

    rates: np.ndarray
    weights: np.ndarray
    shapes: np.ndarray
    factors: np.ndarray
    table_of_annotator: np.ndarray
    lookalikes: float
    looks: np.ndarray
    risen: float = 0.0

    @classmethod
    def start(cls, rates: np.ndarray, clearness: np.ndarray, predicted: np.ndarray, annotations: Annotations) -> Self:
        """With the shape of the contradictions between labels and the classes *predicted*, int64[N]."""
        counts, k = np.bincount(annotations.annotators), annotations.class_count
        own = np.flatnonzero(counts >= LABELS_FOR_OWN_CHANNEL)
        if len(own) < 2:  # A lone annotator's channel is everybody's.
            own = own[:0]
        table_of_annotator = np.zeros(len(counts), np.int64)
        table_of_annotator[own] = 1 + np.arange(len(own))
        tables = 1 + len(own)
        channel = cls(
            rates=rates,
            weights=1 - clearness,
            shapes=np.zeros((tables, k, k)),
            factors=np.ones((tables, k)),
            table_of_annotator=table_of_annotator,
            lookalikes=0.0,
            looks=np.broadcast_to(1 / k, rates.shape),
        )
        return channel.recounted(np.eye(k)[predicted], annotations)

    def of_others(self, rates: np.ndarray, clearness: np.ndarray, looks: np.ndarray) -> Self:
        """The same channels for other items, whose *rates*, float64[n, K], have not risen yet."""
        return replace(self, rates=rates, weights=1 - clearness, looks=looks, risen=0.0).raised(self.risen)

    def log_likelihood(self, annotations: Annotations) -> np.ndarray:
        """log p(labels of the item | true class t), float64[N, K]; zero where an item has none."""
        total = np.zeros(self.rates.shape)
        right, wrong = self._odds(annotations)
        each = np.arange(len(annotations))
        of_labels = np.log(np.maximum(wrong, LEAST))
        of_labels[each, annotations.labels] = np.log(right[each, annotations.labels])
        np.add.at(total, annotations.items, of_labels)
        return total

    def recounted(self, posterior: np.ndarray, annotations: Annotations) -> Self:
        """Shapes and factors by one step of expectation maximisation; *posterior*: q, float64[N, K]."""
        k, expected = annotations.class_count, posterior[annotations.items]
        expected = expected * self.weights[annotations.items, None]
        rates, tables = self.rates[annotations.items], self.table_of_annotator[annotations.annotators]
        shapes, factors = [], []
        for table in range(len(self.shapes)):
            of_table = slice(None) if table == 0 else tables == table
            q, given = expected[of_table], annotations.labels[of_table]
            counts = np.stack([np.bincount(given, q[:, t], minlength=k) for t in range(k)])
            wrong = counts * (1 - np.eye(k))
            errors, total = wrong.sum(axis=1), np.maximum(counts.sum(axis=1), LEAST)
            base = np.clip((q * rates[of_table]).sum(axis=0) / total, LEAST, LARGEST_RATE)
            if table == 0:
                shapes.append(common_shape(wrong))
                # How many errors there are in all follows from clearness; here, only which classes have more of them.
                base = np.clip(base * errors.sum() / max(base @ total, LEAST), LEAST, LARGEST_RATE)
            else:
                shapes.append(_off_diagonal(shrunk(_without_diagonal(wrong), _without_diagonal(shapes[0]))))
            split = np.stack([errors, np.diag(counts)], axis=1)
            factors.append(shrunk(split, np.stack([base, 1 - base], axis=1))[:, 0] / base)
        return replace(self, shapes=np.stack(shapes), factors=np.stack(factors))

    def raised(self, by: float) -> Self:
        """The same channels with *by* added to the logit of every rate."""
        if not by:
            return self
        odds = self.rates / (1 - self.rates) * np.exp(by)
        return replace(self, rates=odds / (1 + odds), risen=self.risen + by)

    def with_lookalikes(self, log_prior: np.ndarray, annotations: Annotations) -> Self:
        """ω estimated, with s, float64[N, K], for what items look like."""
        channel = replace(self, looks=np.exp(log_prior), lookalikes=0.1)
        each = np.arange(len(annotations))
        for _ in range(2 * STEPS):
            joint = log_prior + channel.log_likelihood(annotations)
            q = np.exp(joint - np.logaddexp.reduce(joint, axis=1, keepdims=True))[annotations.items]
            q[each, annotations.labels] = 0.0
            q *= channel.weights[annotations.items, None]
            by_shape, by_look = channel._kinds(annotations)
            mistaken = q * by_look / np.maximum(by_shape + by_look, LEAST)
            # One error of each kind is made up.
            channel = replace(channel, lookalikes=float((mistaken.sum() + 1) / (q.sum() + 2)))
        return channel

    def _odds(self, annotations: Annotations) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities that the item's label is right, and that it is wrong and the one given, both float64[A, K]."""
        factors = (
            self.factors[self.table_of_annotator[annotations.annotators]] if len(self.factors) > 1 else self.factors
        )
        rates = self.rates[annotations.items]
        np.minimum(np.multiply(rates, factors, out=rates), LARGEST_RATE, out=rates)
        by_shape, by_look = self._kinds(annotations)
        wrong = by_shape if by_look is None else by_shape + by_look
        return 1 - rates, np.multiply(wrong, rates, out=wrong)

    def _kinds(self, annotations: Annotations) -> tuple[np.ndarray, np.ndarray | None]:
        """Probability of the label given if it is wrong, by shape and, if that counts, by look, float64[A, K] each."""
        by_shape = self.shapes.transpose(0, 2, 1)[self.table_of_annotator[annotations.annotators], annotations.labels]
        if not self.lookalikes:
            return by_shape, None
        looks = self.looks[annotations.items]
        named = looks[np.arange(len(annotations)), annotations.labels]
        by_look = named[:, None] / np.maximum(1 - looks, LEAST)
        return (1 - self.lookalikes) * by_shape, self.lookalikes * by_look


def shrunk(
    counts: np.ndarray, mean: np.ndarray, strengths: np.ndarray = ANNOTATOR_STRENGTHS, *, surely: float = 0.0
) -> np.ndarray:
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
    total = counts.sum(axis=-1)

    def log_likelihood(strength: float) -> float:
        prior = strength * mean
        rows = gammaln(strength) - gammaln(strength + total)
        return float(rows.sum() + (gammaln(counts + prior) - gammaln(prior)).sum())

    fits = [log_likelihood(strength) for strength in strengths]
    best = strengths[np.argmax(fits)] if max(fits) > fits[-1] + surely else strengths[-1]
    return (counts + best * mean) / (total + best)[..., None]


def common_shape(wrong: np.ndarray) -> np.ndarray:
    """E of counts of errors, float64[K, K] with a diagonal of 0."""
    others = len(wrong) - 1
    if others < 1:
        return wrong
    uniform = np.full(others, 1 / others)
    return _off_diagonal(shrunk(_without_diagonal(wrong), uniform, others * SHAPE_STRENGTHS, surely=SHAPES_DIFFER_BY))


def _without_diagonal(table: np.ndarray) -> np.ndarray:
    k = len(table)
    return table[~np.eye(k, dtype=bool)].reshape(k, k - 1)


def _off_diagonal(rows: np.ndarray) -> np.ndarray:
    k = len(rows)
    table = np.zeros((k, k))
    table[~np.eye(k, dtype=bool)] = rows.ravel()
    return table
