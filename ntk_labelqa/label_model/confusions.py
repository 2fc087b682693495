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

import numpy as np

from ntk_labelqa.gram.arrays import Array, fused, namespace, only, repeated, to_host
from ntk_labelqa.label_model.annotations import FOLDS
from ntk_labelqa.label_model.calibration import Link

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


def fit_confusions(
    link: Link, predictions: Array, log_likelihood: Array, folds: Array, rows: Array | None = None
) -> Array | None:
    """W, float64[K, K], diagonal 0; None where it would not surely help.

    Args:
        link: from predictions to s.
        predictions: P, float64[N, K].
        log_likelihood: log p(labels of item i | class t), float64[N, K].
        folds: in which W is judged, int64[N].
        rows: which items W is fitted to, int64[n]; None is all.

    Cost: about 550 to 700 times K² multiplications an item.
    """
    prior, likelihood, folds, counts = _prepared(link, predictions, log_likelihood, folds, rows)
    items, named = to_host(counts).tolist()
    if items < max(FEWEST, FEWEST_AN_ENTRY * named**2):
        return None
    # Fewer items are pulled less.
    gains = [_held_out_gains(prior, likelihood, folds, STRENGTHS * (1 - 1 / FOLDS), fold) for fold in range(FOLDS)]
    mean, square = sum(to_host(gains)) / items
    sure = mean > SURELY * np.sqrt(np.maximum(square - mean**2, 0.0) / items)
    if not sure.any():
        return None
    best = int(np.where(sure, mean, -np.inf).argmax())
    return _fitted(prior, likelihood, STRENGTHS[: best + 1])


@fused()
def _prepared(
    link: Link, predictions: Array, log_likelihood: Array, folds: Array, rows: Array | None
) -> tuple[Array, Array, Array, Array]:
    """Of items whose labels tell anything: s, float32[n, K], the likelihood, up to a factor an item, float32[n, K], and
    folds; and how many they are, and how many classes these labels name.
    """
    if rows is not None:
        predictions, log_likelihood, folds = predictions[rows], log_likelihood[rows], folds[rows]
    xp, classes = namespace(predictions), np.arange(predictions.shape[1])
    telling = log_likelihood.max(axis=1) > log_likelihood.min(axis=1)
    named = (log_likelihood.argmax(axis=1)[:, None] == classes) & telling[:, None]
    counts = xp.stack([telling.sum(), named.any(axis=0).sum()])
    prior = xp.exp(xp.maximum(link.log_prior(predictions), LEAST_LOGIT)).astype(np.float32)
    labels = log_likelihood - log_likelihood.max(axis=1, keepdims=True)
    likelihood = xp.exp(xp.maximum(labels, LEAST_LOGIT)).astype(np.float32)
    return only(telling, prior), only(telling, likelihood), only(telling, folds), counts


@fused()
def _held_out_gains(prior: Array, likelihood: Array, folds: Array, strengths: Array, fold: Array) -> Array:
    """At each of *strengths*, how much likelier labels of *fold* become by W of the others: the sum of it, in nats, and
    of its squares, float64[2, S].
    """
    xp, judged = namespace(prior), folds == fold
    paths = _path(only(~judged, prior), only(~judged, likelihood), strengths)
    own, labels = only(judged, prior), only(judged, likelihood)
    before = _log_evidence(own, labels)
    gains = [_log_evidence(_sharpened(own, own, confusions), labels) - before for confusions in paths]
    return xp.stack([xp.stack([part.sum(dtype=np.float64) for part in (gain, gain**2)]) for gain in gains], axis=1)


@fused()
def _fitted(prior: Array, likelihood: Array, strengths: Array) -> Array:
    return _path(prior, likelihood, strengths)[-1]


def _path(prior: Array, likelihood: Array, strengths: Array) -> list[Array]:
    """W at each of *strengths*, strongest first."""
    xp, looks = namespace(prior), namespace(prior).eye(prior.shape[1])
    like_each = (prior.T @ prior).astype(np.float64) + np.finfo(float).tiny
    like_each = like_each / like_each.sum(axis=1, keepdims=True)
    found = [xp.zeros(looks.shape)]
    for strength in strengths:

        def moved(confusions: Array, strength: Array = strength) -> Array:
            expected = _sharpened(prior, prior, confusions)
            known_expected = strength * _sharpened(like_each, looks, confusions)
            seen = prior.T @ _shares(expected * likelihood)
            raised = confusions + xp.log((seen + strength * like_each) / (prior.T @ expected + known_expected))
            return xp.clip(raised - xp.diagonal(raised)[:, None], -LARGEST, LARGEST)

        found.append(repeated(moved, STEPS, found[-1]))
    return found[1:]


def _sharpened(prior: Array, looks: Array, confusions: Array) -> Array:
    """s' of s, and of what the items look like; rows of 0 stay so."""
    return _shares(namespace(prior).exp(looks @ confusions.astype(looks.dtype)) * prior)


def _shares(rows: Array) -> Array:
    """*rows*, each divided by its sum; rows of 0 stay so."""
    xp = namespace(rows)
    # As a sum, which is slow over few columns.
    total = rows @ xp.ones(rows.shape[1], rows.dtype)
    return rows / xp.maximum(total, np.finfo(rows.dtype).tiny)[:, None]


def _log_evidence(prior: Array, likelihood: Array) -> Array:
    """Of each item's labels, up to a constant an item, float64[n]; of rows of 0 always the same."""
    xp = namespace(prior)
    total = (prior * likelihood).sum(axis=1)
    return xp.log(xp.maximum(total, np.finfo(total.dtype).tiny)).astype(np.float64)
