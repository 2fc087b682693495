r"""From leave-one-out predictions to probabilities: the prior of an item's class, given all the other items.

.. math:: s_i = \operatorname{softmax}(a φ(P_i) + b), \qquad φ(p) = p \;\text{ or }\; \log(1 + \max(p, 0) \, K / c)

Kernel regression orders the classes well but its numbers are no probabilities. Where classes overlap they behave like
shares, whose ratios count, and negative ones like noise; where they do not, their differences count. So both forms of
φ are tried; the bend lies at c = 3 or 10 times the share that a class has by chance. The temperature a, the class
offsets b and φ are fitted to the labels *as given*, seen through the noise channel: they maximise

.. math:: \sum_i \log \sum_t s_{it} \prod_{y \in \text{labels of } i} T_{ty}

so that no clean label is needed. The item's own labels are not in P_i, so this is a likelihood of unseen data. Which
classes are taken for each other may be added afterwards (:mod:`~ntk_labelqa.label_model.confusions`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ntk_labelqa.gram.arrays import Array, each, fused, log_softmax, namespace, of_arrays, repeated

SHARES_AT_KNEE = np.array([3.0, 10.0])
"""Where φ may bend, in multiples of 1/K, the share that a class has by chance: with many classes even a telling
prediction is a small share, and the steeper φ is below, the less is left to classes that the items do not look like."""
TEMPERATURES = np.geomspace(1, 40, 10)
ZOOMS = (np.sqrt(TEMPERATURES[1] / TEMPERATURES[0]),) * 3 + (1.06, 1.05, 1.05)
"""Factors by which the search goes up and down from the best temperature so far, in turn."""
FINE = 1.15
"""The same where a temperature nearby is known."""
OFFSET_STEPS = 4
DAMPING = 0.7
LARGEST_OFFSET = 3.0
LEAST_LOGIT = -300.0
"""Below the row's largest: what is smaller is none the likelier, and no row must vanish."""


@of_arrays("temperature", "offsets", "knee", "confusions")
@dataclass(frozen=True)
class Link:
    """How predictions become probabilities; arrays where they are calculated with.

    Attributes:
        temperature: a.
        offsets: b, float64[K], mean near 0.
        knee: where φ bends; infinite = φ is the identity.
        confusions: W of :mod:`~ntk_labelqa.label_model.confusions`, float64[K, K]; None = nothing is added to s.
    """

    temperature: Array | float
    offsets: Array
    knee: Array | float = np.inf
    confusions: Array | None = None

    def log_prior(self, predictions: Array) -> Array:
        """log s, or log s' with *confusions*, float64[N, K]."""
        return _log_prior(self, predictions)

    def without_confusions(self) -> Link:
        """The link to s."""
        return replace(self, confusions=None)


@fused()
def _log_prior(link: Link, predictions: Array) -> Array:
    log_prior = log_softmax(link.temperature * _bent(predictions, link.knee) + link.offsets)
    if link.confusions is None:
        return log_prior
    return log_softmax(log_prior + namespace(log_prior).exp(log_prior) @ link.confusions)


@fused()
def fit_link(predictions: Array, log_likelihood: Array, start: Link | None = None) -> Link:
    """The link that makes the labels most likely.

    Args:
        predictions: P, float[N, K], of the items to fit it to.
        log_likelihood: log p(labels of item i | class t), float[N, K].
        start: one nearby, whose φ is kept; None looks everywhere.

    Cost: about 105 exponentials of N rows by K, with *start* 15.
    """
    p = predictions.astype(np.float64)
    xp, k = namespace(p), p.shape[1]
    likelihood = xp.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))
    if start is not None:
        near = start.temperature * xp.asarray([1 / FINE, 1, FINE])
        bent = _bent(p, start.knee)
        temperature, offsets, _ = _fit(bent, likelihood, start.offsets, near, (FINE, np.sqrt(FINE)))
        return Link(temperature, offsets, start.knee)
    knees = np.append(np.inf, SHARES_AT_KNEE / k)
    fits = [_fit(_bent(p, knee), likelihood, xp.zeros(k), xp.asarray(TEMPERATURES), ZOOMS) for knee in knees]
    temperatures, offsets, fitness = (xp.stack(each) for each in zip(*fits, strict=True))
    best = xp.argmax(fitness)
    return Link(temperatures[best], offsets[best], xp.asarray(knees)[best])


def _bent(predictions: Array, knee: Array | float) -> Array:
    """φ(P)."""
    xp = namespace(predictions)
    if xp is np and np.isinf(knee):
        return predictions
    return xp.where(xp.isinf(knee), predictions, xp.log1p(xp.maximum(predictions, 0) / knee))


def _fit(
    bent: Array, likelihood: Array, offsets: Array, candidates: Array, zooms: tuple[float, ...]
) -> tuple[Array, Array, Array]:
    """a and b for φ(P) given, and how likely they make the labels: a by a search that zooms in, b anew after each step.

    With e = exp(a φ(P)), offsets are but factors of the classes, so the rows are exponentiated once a temperature.
    """
    xp = namespace(bent)

    def fitness_at(temperature: Array) -> Array:
        return _fitness(_exponentials(temperature * bent), likelihood, offsets)

    for zoom in zooms:
        temperature = candidates[xp.argmax(each(fitness_at, candidates))]
        exponentials = _exponentials(temperature * bent)
        offsets = _fitted_offsets(exponentials, likelihood, offsets)
        candidates = temperature * xp.asarray([1 / zoom, 1, zoom])
    return temperature, offsets, _fitness(exponentials, likelihood, offsets)


def _exponentials(logits: Array) -> Array:
    """exp of *logits*, up to a factor a row, positive."""
    xp = namespace(logits)
    return xp.exp(xp.maximum(logits - logits.max(axis=1, keepdims=True), LEAST_LOGIT))


def _fitness(exponentials: Array, likelihood: Array, offsets: Array) -> Array:
    """Log-likelihood of the labels, up to a constant."""
    xp = namespace(exponentials)
    weights = xp.exp(offsets)
    return xp.log(((exponentials * likelihood) @ weights) / (exponentials @ weights)).sum()


def _fitted_offsets(exponentials: Array, likelihood: Array, offsets: Array) -> Array:
    """Offsets moved, by damped steps, to where the prior expects each class as often as the posterior finds it."""
    xp, joint = namespace(exponentials), exponentials * likelihood

    def moved(offsets: Array) -> Array:
        weights = xp.exp(offsets)
        expected = weights * ((1 / (exponentials @ weights)) @ exponentials)
        found = weights * ((1 / (joint @ weights)) @ joint)
        offsets = offsets + DAMPING * xp.log((found + 1) / (expected + 1))
        return xp.clip(offsets - offsets.mean(), -LARGEST_OFFSET, LARGEST_OFFSET)

    return repeated(moved, OFFSET_STEPS, offsets)
