r"""One pass through channel, link and Bayes' rule, and the next one, which is fed what the last one found.

What an item's own label adds to its neighbours' posteriors is taken out of what they say of it
(:mod:`~ntk_labelqa.diagnostics.echo`): P' = L Q − E ∘ (Q_in − S_in).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import log_softmax, logsumexp

from ntk_labelqa.diagnostics.annotations import Annotations
from ntk_labelqa.diagnostics.confusions import fit_confusions
from ntk_labelqa.diagnostics.echo import echo
from ntk_labelqa.diagnostics.link import Link, fit_link
from ntk_labelqa.diagnostics.mistakes import Mistakes
from ntk_labelqa.diagnostics.noise_channel import NoiseChannel, estimate_channel
from ntk_labelqa.gram.inverse import RegularizedInverse, leave_one_out
from ntk_labelqa.gram.ridge import with_best_ridge

STANDARD_ERRORS = 2.0
"""A round has to gain this many paired standard errors, and besides:"""
GAIN = 0.007
"""Nats an item; at another ridge in proportion less where a label tells less than :data:`FULL_INFORMATION`."""
FULL_INFORMATION = 0.5


@dataclass(frozen=True)
class Round:
    """What one pass through channel, link and Bayes' rule made of one set of predictions.

    Attributes:
        inverse: at the ridge of this round.
        fed: the labels it was made from, float64[N, K]: Y at first, then the posterior of the round before.
        expected: what was expected of *fed* beforehand, float64[N, K].
        predictions: P, float64[N, K].
        channel, link: as fitted.
        log_prior: by the link, float64[N, K].
        log_posterior: log q, float64[N, K].
        log_evidence: log p(labels of the item | all others), float64[N], in nats, by the link without its confusions:
            they have so many numbers that they would make any round look better.
    """

    inverse: RegularizedInverse
    fed: np.ndarray
    expected: np.ndarray
    predictions: np.ndarray
    channel: NoiseChannel
    link: Link
    log_prior: np.ndarray
    log_posterior: np.ndarray
    log_evidence: np.ndarray

    @property
    def posterior(self) -> np.ndarray:
        """q, float64[N, K]; rows sum to 1."""
        return np.exp(self.log_posterior)

    @cached_property
    def next_predictions(self) -> np.ndarray:
        """P' of the next round at the same ridge, float64[N, K]."""
        return self.predictions_by(self.inverse)

    def predictions_by(self, inverse: RegularizedInverse) -> np.ndarray:
        """P' = L Q − E ∘ (Q_in − S_in) by *inverse*, the same at another ridge, float64[N, K]."""
        posterior = self.posterior
        slopes = self.link.slopes(self.predictions) * posterior * (1 - posterior)
        heard = echo(self.inverse, inverse, slopes) * (self.fed - self.expected)
        return leave_one_out(inverse, posterior) - heard


def fitted(
    inverse: RegularizedInverse,
    fed: np.ndarray,
    expected: np.ndarray,
    predictions: np.ndarray,
    annotations: Annotations,
    channel: NoiseChannel,
    offsets: np.ndarray,
) -> Round:
    labels = channel.log_likelihood(annotations)
    link = fit_link(predictions, labels, offsets)
    log_prior = link.log_prior(predictions)
    joint = log_prior + labels
    evidence = logsumexp(joint, axis=1)
    return Round(inverse, fed, expected, predictions, channel, link, log_prior, joint - evidence[:, None], evidence)


def with_confusions(plain: Round, annotations: Annotations) -> Round:
    """*plain* with the classes that are taken for each other in its prior; its evidence stays."""
    labels = plain.channel.log_likelihood(annotations)
    confusions = fit_confusions(plain.log_prior, labels)
    if confusions is None:
        return plain
    link = replace(plain.link, confusions=confusions)
    log_prior = link.log_prior(plain.predictions)
    return replace(plain, link=link, log_prior=log_prior, log_posterior=log_softmax(log_prior + labels, axis=1))


def next_round(current: Round, annotations: Annotations, mistakes: Mistakes | None) -> Round | None:
    """A better round at the same ridge, else at the one that fits the posterior; None where neither is better."""
    same = _fed_back(current, current.inverse, current.next_predictions, annotations, mistakes)
    if _is_better(same, current, GAIN):
        return same
    refitted = with_best_ridge(current.inverse, current.posterior)
    if refitted.ridge == current.inverse.ridge:
        return None
    other = _fed_back(current, refitted, current.predictions_by(refitted), annotations, mistakes)
    told = min(1.0, current.channel.information() / FULL_INFORMATION)
    return other if _is_better(other, current, GAIN * told) else None


def _fed_back(
    current: Round,
    inverse: RegularizedInverse,
    predictions: np.ndarray,
    annotations: Annotations,
    mistakes: Mistakes | None,
) -> Round:
    # By margin even if strangers were asked at first: now a margin does not hang on the item's own label as much.
    channel = estimate_channel(predictions, annotations, anchor_share=current.channel.anchor_share)
    if mistakes:
        channel = mistakes.taken_out_later(channel, predictions)
    expected = np.exp(current.log_prior)
    plain = fitted(inverse, current.posterior, expected, predictions, annotations, channel, current.link.offsets)
    return with_confusions(plain, annotations)


def is_gain(gain: np.ndarray, least: float, standard_errors: float = STANDARD_ERRORS) -> bool:
    """Whether *gain*, float64[N], is on average more than *least*, and than chance would make it."""
    return bool(gain.mean() > max(least, standard_errors * gain.std() / np.sqrt(len(gain))))


def _is_better(candidate: Round, current: Round, least: float) -> bool:
    return is_gain(candidate.log_evidence - current.log_evidence, least)
