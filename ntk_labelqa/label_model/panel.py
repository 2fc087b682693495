"""What a round of the label model says of some items, by Bayes' rule on its prior and its channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ntk_labelqa.gram.arrays import Array, fused, log_softmax, namespace, of_arrays
from ntk_labelqa.label_model.annotations import Annotations
from ntk_labelqa.label_model.calibration import Link
from ntk_labelqa.label_model.error_rates import rates_at
from ntk_labelqa.label_model.noise_channel import NoiseChannel


@of_arrays("predictions", "annotations", "clearness", "by_class", "channel", "link", "link_of_looks")
@dataclass(frozen=True)
class Panel:
    """Some items, and what the round has fitted; arrays where they are calculated with.

    Attributes:
        predictions: P of the items, float64[n, K].
        annotations: of these items.
        clearness: u of them, float64[n].
        by_class: see :class:`~ntk_labelqa.label_model.error_rates.ErrorRates`.
        channel: of other items.
        link: from predictions to the prior.
        link_of_looks: by which the channel knows what items look like; None where it does not ask.
    """

    predictions: Array
    annotations: Annotations
    clearness: Array
    by_class: Array
    channel: NoiseChannel
    link: Link
    link_of_looks: Link | None


@fused()
def log_likelihood_of(panel: Panel) -> Array:
    """log p(labels of the item | class t), float64[n, K]."""
    looks = None
    if panel.link_of_looks is not None:
        looks = namespace(panel.predictions).exp(panel.link_of_looks.log_prior(panel.predictions))
    rates = rates_at(panel.by_class, panel.clearness)
    return panel.channel.of_others(rates, panel.clearness, looks).log_likelihood(panel.annotations)


@fused()
def log_joint_of(panel: Panel) -> Array:
    """log p(class t, labels of the item), up to a constant an item, float64[n, K]."""
    return panel.link.log_prior(panel.predictions) + log_likelihood_of(panel)


@fused()
def posterior_of(panel: Panel) -> Array:
    """q, float64[n, K]; rows sum to 1."""
    log_posterior = log_softmax(log_joint_of(panel))
    return namespace(log_posterior).exp(log_posterior)


def lead_over_given(values: Array, annotations: Annotations) -> Array:
    """How far the best other class of the item is ahead of the label given by *values*, float64[N, K], float64[A]."""
    xp, rows = namespace(values), values[annotations.items]
    given = annotations.labels[:, None] == np.arange(annotations.class_count)
    return xp.where(given, -np.inf, rows).max(axis=1) - xp.where(given, rows, 0).sum(axis=1)
