r"""One label an item from several people's, and how sure it is.

With features, the label posterior is the consensus: Dawid and Skene's model (1979) with the kernel as prior
(:mod:`~ntk_labelqa.label_model.label_model`). This module does without: items of a class are alike a priori,

.. math:: q_{it} \propto π_t \prod_{a \text{ labelled } i} T^a_{t y_{ia}}

and q, π and the channels T are estimated in turn (EM) from the majority onwards. Where a person has few labels of a
class, their channel is pulled towards the one that all share with its error rates multiplied by the person's own, as
strongly as the channels' likeness suggests; Dawid and Skene's estimate, which is that of strength 0, trusts a person's
first ten labels as much as another's thousand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from ntk_labelqa.label_model.annotations import Annotations
from ntk_labelqa.label_model.noise_channel import ANNOTATOR_STRENGTHS, common_shape, shrunk

RATE_STRENGTHS = np.geomspace(5, 5000, 16)
MOST_STEPS = 100
LARGEST_RATE = 0.95
TOLERANCE = 1e-5
"""Largest change of a probability with which the estimate has settled."""


@dataclass(frozen=True)
class Consensus:
    """What the annotators say together.

    Attributes:
        probabilities: q, float64[N, K]; rows sum to 1. Items without a label have the class frequencies.
        channels: T of each annotator, float64[annotators, K, K]; row = true class, column = given label.
    """

    probabilities: np.ndarray
    channels: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """The most probable class, int64[N]."""
        return self.probabilities.argmax(axis=1)


def consensus_of(annotations: Annotations) -> Consensus:
    """The consensus of *annotations* alone, without features.

    Cost: at most 100 passes over the annotations and over K² numbers an annotator.
    """
    probabilities = annotations.means()
    for _ in range(MOST_STEPS):
        counts = soft_counts(annotations, probabilities)
        expected = _expected_channels(counts)
        # A strength for each true class: people agree on the errors of some classes and not of others.
        by_class = [shrunk(counts[:, t], expected[:, t], ANNOTATOR_STRENGTHS) for t in range(annotations.class_count)]
        channels = np.stack(by_class, axis=1)
        frequencies = (probabilities.sum(axis=0) + 1) / (probabilities.sum() + annotations.class_count)
        before, probabilities = probabilities, _posterior(annotations, channels, frequencies)
        if np.abs(probabilities - before).max() < TOLERANCE:
            break
    return Consensus(probabilities, channels)


def soft_counts(annotations: Annotations, probabilities: np.ndarray) -> np.ndarray:
    """How often each annotator called class t (rows) y (columns), expected under q, float64[annotators, K, K]."""
    people, k = int(annotations.annotators.max()) + 1, annotations.class_count
    by_label = np.zeros((people, k, k))
    np.add.at(by_label, (annotations.annotators, annotations.labels), probabilities[annotations.items])
    return by_label.transpose(0, 2, 1)


def _expected_channels(counts: np.ndarray) -> np.ndarray:
    """Each annotator's channel, as far as their overall error rate and everybody's errors (mostly of one shape) say."""
    shared = _shared_channel(counts.sum(axis=0))
    right = np.trace(counts, axis1=1, axis2=2)
    wrong = counts.sum(axis=(1, 2)) - right
    overall = (wrong.sum() + 0.1) / (counts.sum() + 1)
    rates = shrunk(np.stack([wrong, right], axis=1), np.array([overall, 1 - overall]), ANNOTATOR_STRENGTHS)[:, 0]
    shared_rates = 1 - np.diag(shared)
    own_rates = np.minimum(shared_rates * (rates / overall)[:, None], LARGEST_RATE)
    channels = shared * (own_rates / shared_rates)[:, :, None]
    each = np.arange(len(shared))
    channels[:, each, each] = 1 - own_rates
    return channels


def _shared_channel(counts: np.ndarray) -> np.ndarray:
    """T from (true, given) counts: error rates and the shape of errors shrunk apart, for people have both in common."""
    if len(counts) == 1:
        return np.ones((1, 1))
    right = np.diag(counts)
    wrong = counts.sum(axis=1) - right
    overall = (wrong.sum() + 0.1) / (counts.sum() + 1)
    rates = shrunk(np.stack([wrong, right], axis=1), np.array([overall, 1 - overall]), RATE_STRENGTHS)[:, 0]
    return np.diag(1 - rates) + rates[:, None] * common_shape(counts * (1 - np.eye(len(counts))))


def _posterior(annotations: Annotations, channels: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    log_joint = np.tile(np.log(frequencies), (annotations.item_count, 1))
    told = np.log(channels)[annotations.annotators, :, annotations.labels]
    np.add.at(log_joint, annotations.items, told)
    return np.exp(log_joint - logsumexp(log_joint, axis=1, keepdims=True))
