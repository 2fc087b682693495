r"""Which classes are taken for each other: what a prior that treats all classes alike leaves out.

.. math:: s'_{it} \propto s_{it} \, e^{(s_i W)_t}

W[k, t] is what an item that looks like class k adds to the logit of class t: much where k and t are often taken for
each other, and less than nothing where they never are, though s, in which no class is out of the question, leaves t a
share. W is fitted to the labels as given, like the link that s comes from
(:mod:`~ntk_labelqa.label_model.calibration`), but has K² numbers, so it is pulled towards 0 and only taken where items
it was not fitted to surely gain by it.

Source: as s_i is positive and sums to 1, generalised iterative scaling (Darroch and Ratcliff, "Generalized iterative
scaling for log-linear models", 1972) leads to the most likely W: each entry moves by the logarithm of how often labels
find class t among items that look like class k, over how often s' expects it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ntk_labelqa.label_model.annotations import FOLDS

LEAST_LOGIT = -30.0
"""What is less likely by so much is none the likelier, and no product of two vanishes in float32."""
FEWEST_AN_ENTRY = 10
"""Labelled items for each pair of classes that labels name, without which W is not fitted, and at least:"""
FEWEST = 200
STRENGTHS = np.geomspace(300, 3, 5)
"""Made-up items that look like each class, and are of the classes that such items are of by s: they hold W near 0."""
STEPS = 10
"""At each strength, from the W of the one before. At the weaker ones they stop before the end, which holds W, too."""
SURELY = 2.0
"""Standard errors by which items that W was not fitted to have to gain."""
LARGEST = 5.0
"""An entry, either way: a class that is never found among such items is still not out of the question."""


def fit_confusions(log_prior: np.ndarray, log_likelihood: np.ndarray, folds: np.ndarray) -> np.ndarray | None:
    """W, float64[K, K], diagonal 0; None where it would not surely help.

    Args:
        log_prior: log s, float64[N, K].
        log_likelihood: log p(labels of item i | class t), float64[N, K].
        folds: in which W is judged, int64[N].

    Cost: about 550 to 700 times K² multiplications an item.
    """
    rows = np.flatnonzero(np.ptp(log_likelihood, axis=1) > 0)
    items, named = len(rows), len(np.unique(log_likelihood[rows].argmax(axis=1)))
    if items < max(FEWEST, FEWEST_AN_ENTRY * named**2):
        return None
    prior = np.exp(np.maximum(log_prior[rows], LEAST_LOGIT)).astype(np.float32)
    shifted = log_likelihood[rows] - log_likelihood[rows].max(axis=1, keepdims=True)
    likelihood = np.exp(np.maximum(shifted, LEAST_LOGIT)).astype(np.float32)
    gains = _held_out_gains(prior, likelihood, folds[rows])
    mean, doubt = gains.mean(axis=1), gains.std(axis=1) / np.sqrt(items)
    sure = mean > SURELY * doubt
    if not sure.any():
        return None
    best = int(np.where(sure, mean, -np.inf).argmax())
    return list(_path(prior, likelihood, STRENGTHS[: best + 1]))[best]


def _held_out_gains(prior: np.ndarray, likelihood: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """At each strength, how much likelier each item's labels become by W of the other folds, float64[S, N], in nats."""
    gains = np.empty((len(STRENGTHS), len(prior)))
    for judged in (folds == fold for fold in range(FOLDS)):
        before = _log_evidence(prior[judged], likelihood[judged])
        # Fewer items are pulled less.
        for row, confusions in enumerate(_path(prior[~judged], likelihood[~judged], STRENGTHS * (1 - 1 / FOLDS))):
            sharpened = _sharpened(prior[judged], prior[judged], confusions)
            gains[row, judged] = _log_evidence(sharpened, likelihood[judged]) - before
    return gains


def _path(prior: np.ndarray, likelihood: np.ndarray, strengths: np.ndarray) -> Iterator[np.ndarray]:
    """W at each of *strengths*, strongest first."""
    looks = np.eye(prior.shape[1])
    confusions = np.zeros_like(looks)
    like_each = (prior.T @ prior).astype(np.float64) + np.finfo(float).tiny
    like_each /= like_each.sum(axis=1, keepdims=True)
    for strength in strengths:
        for _ in range(STEPS):
            expected = _sharpened(prior, prior, confusions)
            found = _shares(expected * likelihood)
            known = strength * like_each
            known_expected = strength * _sharpened(like_each, looks, confusions)
            moved = confusions + np.log((prior.T @ found + known) / (prior.T @ expected + known_expected))
            confusions = np.clip(moved - np.diag(moved)[:, None], -LARGEST, LARGEST)
        yield confusions


def _sharpened(prior: np.ndarray, looks: np.ndarray, confusions: np.ndarray) -> np.ndarray:
    """s' of s, and of what the items look like."""
    factors = looks @ confusions.astype(looks.dtype)
    return _shares(np.multiply(np.exp(factors, out=factors), prior, out=factors))


def _shares(rows: np.ndarray) -> np.ndarray:
    """*rows*, which are overwritten, each divided by its sum."""
    rows /= (rows @ np.ones(rows.shape[1], rows.dtype))[:, None]  # as NumPy's sum, which is slow over few columns
    return rows


def _log_evidence(prior: np.ndarray, likelihood: np.ndarray) -> np.ndarray:
    """Of each item's labels, up to a constant an item."""
    return np.log((prior * likelihood).sum(axis=1))
