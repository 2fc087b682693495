"""The link against what the labels were drawn from."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax, logsumexp

from ntk_labelqa.label_model.calibration import Link, fit_link

COUNT = 4000


def drawn(probabilities: np.ndarray, flip: float, seed: int = 0) -> np.ndarray:
    """log p(label | class), float[N, K], of labels drawn from *probabilities* and then swapped in the share *flip*."""
    random, k = np.random.default_rng(seed), probabilities.shape[1]
    truth = (probabilities.cumsum(axis=1) < random.random((len(probabilities), 1))).sum(axis=1).clip(max=k - 1)
    swapped = random.random(len(truth)) < flip
    labels = np.where(swapped, (truth + random.integers(1, k, len(truth))) % k, truth)
    channel = np.full((k, k), flip / (k - 1))
    np.fill_diagonal(channel, 1 - flip)
    return np.log(channel[:, labels].T + 1e-12)


@pytest.mark.parametrize("flip", [0.0, 0.3])
@pytest.mark.parametrize("temperature", [3.0, 12.0])
def test_temperature_and_offsets_are_found_through_the_noise(temperature: float, flip: float) -> None:
    predictions = np.random.default_rng(1).normal(0.3, 0.3, (COUNT, 4))
    truth = Link(temperature, np.array([0.5, 0.0, 0.0, -0.5]))
    labels = drawn(np.exp(truth.log_prior(predictions)), flip)
    found = fit_link(predictions, labels)
    assert np.isinf(found.knee)
    assert found.temperature == pytest.approx(temperature, rel=0.1)
    assert found.offsets == pytest.approx(truth.offsets, abs=0.2)


def test_shares_are_read_by_their_ratios() -> None:
    shares = np.random.default_rng(2).dirichlet(np.full(5, 0.3), COUNT)
    labels = drawn(shares, 0.1)
    found = fit_link(shares, labels)
    straight = max(logsumexp(log_softmax(a * shares, axis=1) + labels, axis=1).mean() for a in np.geomspace(1, 40, 60))
    assert found.knee == pytest.approx(3 / 5)
    assert logsumexp(found.log_prior(shares) + labels, axis=1).mean() > straight


def test_without_information_the_prior_is_what_the_classes_weigh() -> None:
    labels = drawn(np.tile([0.7, 0.2, 0.1], (COUNT, 1)), 0.0)
    prior = np.exp(fit_link(np.zeros((COUNT, 3)), labels).log_prior(np.zeros((1, 3))))
    assert prior[0] == pytest.approx([0.7, 0.2, 0.1], abs=0.03)


def test_from_a_link_nearby_the_same_is_found() -> None:
    predictions = np.random.default_rng(1).normal(0.3, 0.3, (COUNT, 4))
    labels = drawn(np.exp(Link(6.0, np.zeros(4)).log_prior(predictions)), 0.1)
    found = fit_link(predictions, labels)
    again = fit_link(predictions, labels, Link(1.1 * found.temperature, np.zeros(4), found.knee))
    assert again.temperature == pytest.approx(found.temperature, rel=0.05)
    assert again.offsets == pytest.approx(found.offsets, abs=0.05)
