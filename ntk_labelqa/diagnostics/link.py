r"""From leave-one-out predictions to probabilities: the prior of an item's class, given all the other items.

.. math:: s_i = \operatorname{softmax}(a P_i + b)

Kernel regression orders the classes well but its numbers are no probabilities. The temperature a and the class offsets
b are fitted to the labels *as given*, seen through the noise channel: they maximise

.. math:: \sum_i \log \sum_t s_{it} \prod_{y \in \text{labels of } i} T_{ty}

so that no clean label is needed. The item's own labels are not in P_i, so this is a likelihood of unseen data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax, logsumexp, softmax

SAMPLE = 5000
"""Items used at most: a and b are K numbers."""
TEMPERATURES = np.geomspace(1, 40, 10)
ZOOMS = (np.sqrt(TEMPERATURES[1] / TEMPERATURES[0]),) * 3 + (1.06, 1.05, 1.05)
"""Factors by which the search goes up and down from the best temperature so far, in turn."""
OFFSET_STEPS = 4
DAMPING = 0.7
LARGEST_OFFSET = 3.0


@dataclass(frozen=True)
class Link:
    """a (float) and b (float64[K], mean near 0)."""

    temperature: float
    offsets: np.ndarray

    def log_prior(self, predictions: np.ndarray) -> np.ndarray:
        """log s, float64[N, K]."""
        return log_softmax(self.temperature * predictions + self.offsets, axis=1)


def fit_link(predictions: np.ndarray, log_likelihood: np.ndarray, offsets: np.ndarray) -> Link:
    """The link that makes the labels most likely.

    Args:
        predictions: P, float[N, K].
        log_likelihood: log p(labels of item i | class t), float[N, K].
        offsets: where to begin, float[K]: zeros, or those of the round before.

    Cost: about 50 softmaxes of at most 5,000 rows.
    """
    rows = np.random.default_rng(0).permutation(len(predictions))[:SAMPLE]
    p, labels = predictions[rows].astype(np.float64), log_likelihood[rows]
    candidates: np.ndarray = TEMPERATURES
    for zoom in ZOOMS:
        fits = [logsumexp(Link(a, offsets).log_prior(p) + labels, axis=1).sum() for a in candidates]
        temperature = float(candidates[np.argmax(fits)])
        offsets = _fitted_offsets(temperature * p, labels, offsets)
        candidates = temperature * np.array([1 / zoom, 1, zoom])
    return Link(temperature, offsets)


def _fitted_offsets(logits: np.ndarray, labels: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Offsets moved, by damped steps, to where the prior expects each class as often as the posterior finds it."""
    for _ in range(OFFSET_STEPS):
        expected = softmax(logits + offsets, axis=1).sum(axis=0)
        found = softmax(logits + offsets + labels, axis=1).sum(axis=0)
        offsets = offsets + DAMPING * np.log((found + 1) / (expected + 1))
        offsets = np.clip(offsets - offsets.mean(), -LARGEST_OFFSET, LARGEST_OFFSET)
    return offsets
