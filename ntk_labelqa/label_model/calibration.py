r"""From leave-one-out predictions to probabilities: the prior of an item's class, given all the other items.

.. math:: s_i = \operatorname{softmax}(a φ(P_i) + b), \qquad φ(p) = p \;\text{ or }\; \log(1 + \max(p, 0) \, K / 3)

Kernel regression orders the classes well but its numbers are no probabilities. Where classes overlap they behave like
shares, whose ratios count, and negative ones like noise; where they do not, their differences count. So both forms of
φ are tried; the bend lies at three times the share that a class has by chance. The temperature a, the class offsets b
and φ are fitted to the labels *as given*, seen through the noise channel: they maximise

.. math:: \sum_i \log \sum_t s_{it} \prod_{y \in \text{labels of } i} T_{ty}

so that no clean label is needed. The item's own labels are not in P_i, so this is a likelihood of unseen data. Which
classes are taken for each other may be added afterwards (:mod:`~ntk_labelqa.label_model.confusions`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax

SHARES_AT_KNEE = 3.0
"""Where φ bends, in multiples of 1/K: with many classes even a telling prediction is a small share."""
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


@dataclass(frozen=True)
class Link:
    """How predictions become probabilities.

    Attributes:
        temperature: a.
        offsets: b, float64[K], mean near 0.
        knee: where φ bends; infinite = φ is the identity.
        confusions: W of :mod:`~ntk_labelqa.label_model.confusions`, float64[K, K]; None = nothing is added to s.
    """

    temperature: float
    offsets: np.ndarray
    knee: float = np.inf
    confusions: np.ndarray | None = None

    def log_prior(self, predictions: np.ndarray) -> np.ndarray:
        """log s, or log s' with *confusions*, float64[N, K]."""
        log_prior = log_softmax(self.temperature * _bent(predictions, self.knee) + self.offsets, axis=1)
        if self.confusions is None:
            return log_prior
        return log_softmax(log_prior + np.exp(log_prior) @ self.confusions, axis=1)


def fit_link(predictions: np.ndarray, log_likelihood: np.ndarray, start: Link | None = None) -> Link:
    """The link that makes the labels most likely.

    Args:
        predictions: P, float[N, K], of the items to fit it to.
        log_likelihood: log p(labels of item i | class t), float[N, K].
        start: one nearby, whose φ is kept; None looks everywhere.

    Cost: about 70 exponentials of N rows by K, with *start* 15.
    """
    p = predictions.astype(np.float64)
    likelihood = np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))
    if start is not None:
        temperatures = start.temperature * np.array([1 / FINE, 1, FINE])
        bent = _bent(p, start.knee)
        temperature, offsets, _ = _fit(bent, likelihood, start.offsets, temperatures, (FINE, np.sqrt(FINE)))
        return Link(temperature, offsets, start.knee)
    fits = []
    for knee in (np.inf, SHARES_AT_KNEE / p.shape[1]):
        temperature, fitted, fitness = _fit(_bent(p, knee), likelihood, np.zeros(p.shape[1]), TEMPERATURES, ZOOMS)
        fits.append((fitness, Link(temperature, fitted, knee)))
    return max(fits, key=lambda fit: fit[0])[1]


def _bent(predictions: np.ndarray, knee: float) -> np.ndarray:
    """φ(P)."""
    return predictions if np.isinf(knee) else np.log1p(np.maximum(predictions, 0) / knee)


def _fit(
    bent: np.ndarray, likelihood: np.ndarray, offsets: np.ndarray, candidates: np.ndarray, zooms: tuple[float, ...]
) -> tuple[float, np.ndarray, float]:
    """a and b for φ(P) given, and how likely they make the labels: a by a search that zooms in, b anew after each step.

    With e = exp(a φ(P)), offsets are but factors of the classes, so the rows are exponentiated once a temperature.
    """
    for zoom in zooms:
        fits = [_fitness(_exponentials(a * bent), likelihood, offsets) for a in candidates]
        temperature = float(candidates[np.argmax(fits)])
        exponentials = _exponentials(temperature * bent)
        offsets = _fitted_offsets(exponentials, likelihood, offsets)
        candidates = temperature * np.array([1 / zoom, 1, zoom])
    return temperature, offsets, _fitness(exponentials, likelihood, offsets)


def _exponentials(logits: np.ndarray) -> np.ndarray:
    """exp of *logits*, up to a factor a row, positive."""
    return np.exp(np.maximum(logits - logits.max(axis=1, keepdims=True), LEAST_LOGIT))


def _fitness(exponentials: np.ndarray, likelihood: np.ndarray, offsets: np.ndarray) -> float:
    """Log-likelihood of the labels, up to a constant."""
    weights = np.exp(offsets)
    return float(np.log(((exponentials * likelihood) @ weights) / (exponentials @ weights)).sum())


def _fitted_offsets(exponentials: np.ndarray, likelihood: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Offsets moved, by damped steps, to where the prior expects each class as often as the posterior finds it."""
    joint = exponentials * likelihood
    for _ in range(OFFSET_STEPS):
        weights = np.exp(offsets)
        expected = weights * ((1 / (exponentials @ weights)) @ exponentials)
        found = weights * ((1 / (joint @ weights)) @ joint)
        offsets = offsets + DAMPING * np.log((found + 1) / (expected + 1))
        offsets = np.clip(offsets - offsets.mean(), -LARGEST_OFFSET, LARGEST_OFFSET)
    return offsets
