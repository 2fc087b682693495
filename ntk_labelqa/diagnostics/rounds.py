r"""One pass through channel, link and Bayes' rule, and the next one, which is fed what the last one found.

What an item's own label adds to its neighbours' posteriors is kept out of what they say of it
(:mod:`~ntk_labelqa.diagnostics.cross_fitting`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import log_softmax, logsumexp

from ntk_labelqa.diagnostics.annotations import Annotations
from ntk_labelqa.diagnostics.confusions import fit_confusions
from ntk_labelqa.diagnostics.cross_fitting import Posteriors, Predictions, predicted
from ntk_labelqa.diagnostics.link import Link, fit_link
from ntk_labelqa.diagnostics.mistakes import Mistakes
from ntk_labelqa.diagnostics.noise_channel import NoiseChannel, estimate_channel
from ntk_labelqa.gram.inverse import RegularizedInverse
from ntk_labelqa.gram.ridge import with_best_ridge

STANDARD_ERRORS = 2.0
"""A round has to gain this many paired standard errors, and besides:"""
GAIN = 0.002
"""Nats an item; at another ridge in proportion less where a label tells less than :data:`FULL_INFORMATION`."""
FULL_INFORMATION = 0.5


@dataclass(frozen=True)
class Round:
    """What one pass through channel, link and Bayes' rule made of one set of predictions.

    Attributes:
        predictions: what it was made from, and P.
        channel, link: as fitted.
        log_prior: by the link, float64[N, K].
        log_posterior: log q, float64[N, K].
        log_evidence: log p(labels of the item | all others), float64[N], in nats, by the link without its confusions:
            they have so many numbers that they would make any round look better.
    """

    predictions: Predictions
    channel: NoiseChannel
    link: Link
    log_prior: np.ndarray
    log_posterior: np.ndarray
    log_evidence: np.ndarray

    @property
    def posterior(self) -> np.ndarray:
        """q, float64[N, K]; rows sum to 1."""
        return np.exp(self.log_posterior)

    def posteriors_apart(self) -> Posteriors:
        """q as each fold sees it."""
        own_labels = self.log_posterior - self.log_prior  # their log-likelihood, up to a constant an item
        return self.predictions.posteriors_apart(self.link.log_prior, own_labels)


def fitted(predictions: Predictions, annotations: Annotations, channel: NoiseChannel, offsets: np.ndarray) -> Round:
    """Without confusions; *offsets*, float64[K], are where the link's begin."""
    labels = channel.log_likelihood(annotations)
    link = fit_link(predictions.values, labels, offsets)
    log_prior = link.log_prior(predictions.values)
    joint = log_prior + labels
    evidence = logsumexp(joint, axis=1)
    return Round(predictions, channel, link, log_prior, joint - evidence[:, None], evidence)


def with_confusions(plain: Round, annotations: Annotations) -> Round:
    """*plain* with the classes that are taken for each other in its prior; its evidence stays."""
    labels = plain.channel.log_likelihood(annotations)
    confusions = fit_confusions(plain.log_prior, labels)
    if confusions is None:
        return plain
    link = replace(plain.link, confusions=confusions)
    log_prior = link.log_prior(plain.predictions.values)
    return replace(plain, link=link, log_prior=log_prior, log_posterior=log_softmax(log_prior + labels, axis=1))


def next_round(current: Round, annotations: Annotations, mistakes: Mistakes | None) -> Round | None:
    """A better round at the same ridge, else at the one that fits the posterior; None where neither is better."""
    apart = current.posteriors_apart()
    same = _fed_back(current, current.predictions.inverse, apart, annotations, mistakes)
    if _is_better(same, current, GAIN):
        return same
    inverse = current.predictions.inverse
    refitted = with_best_ridge(inverse, current.posterior)
    if refitted.ridge == inverse.ridge:
        return None
    other = _fed_back(current, refitted, apart, annotations, mistakes)
    told = min(1.0, current.channel.information() / FULL_INFORMATION)
    return other if _is_better(other, current, GAIN * told) else None


def _fed_back(
    current: Round,
    inverse: RegularizedInverse,
    apart: Posteriors,
    annotations: Annotations,
    mistakes: Mistakes | None,
) -> Round:
    predictions = predicted(inverse, current.posterior, apart)
    # By margin even if strangers were asked at first: now a margin does not hang on the item's own label as much.
    channel = estimate_channel(predictions.values, annotations, anchor_share=current.channel.anchor_share)
    if mistakes:
        channel = mistakes.taken_out_later(channel, predictions.values)
    plain = fitted(predictions, annotations, channel, current.link.offsets)
    return with_confusions(plain, annotations)


def is_gain(gain: np.ndarray, least: float, standard_errors: float = STANDARD_ERRORS) -> bool:
    """Whether *gain*, float64[N], is on average more than *least*, and than chance would make it."""
    return bool(gain.mean() > max(least, standard_errors * gain.std() / np.sqrt(len(gain))))


def _is_better(candidate: Round, current: Round, least: float) -> bool:
    return is_gain(candidate.log_evidence - current.log_evidence, least)
