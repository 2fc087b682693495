"""The noise channel against the noise that was planted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax

from ntk_labelqa.label_model.annotations import Annotations
from ntk_labelqa.label_model.noise_channel import NoiseChannel, common_shape, shrunk

K = 4


def labelled(truth: np.ndarray, table: np.ndarray, seed: int = 1) -> np.ndarray:
    draws = np.random.default_rng(seed).random((len(truth), 1))
    return (table[truth].cumsum(axis=1) < draws).sum(axis=1).clip(max=K - 1)


def started(truth: np.ndarray, annotations: Annotations, rate: float) -> NoiseChannel:
    """A channel of items that are all clear, and predicted rightly."""
    rates, predictions = np.full((annotations.class_count, 21), rate), np.eye(annotations.class_count)[truth]
    return NoiseChannel.start(rates, np.full(len(truth), 0.1), predictions, annotations)


@pytest.mark.parametrize(("shift", "shape"), [(1, "pairs"), (None, "uniform")])
def test_the_shape_of_the_errors_is_found(shift: int | None, shape: str) -> None:
    table = 0.7 * np.eye(K) + (0.3 * np.roll(np.eye(K), 1, axis=1) if shift else 0.1 * (1 - np.eye(K)))
    truth = np.random.default_rng(3).integers(K, size=8000)
    channel = started(truth, Annotations.of_codes(labelled(truth, table), K), 0.3)
    assert channel.shapes[0].sum(axis=1) == pytest.approx(1)
    assert 0.3 * channel.shapes[0] + 0.7 * np.eye(K) == pytest.approx(table, abs=0.03)


def test_the_likelihood_is_the_modules_equation() -> None:
    random = np.random.default_rng(0)
    truth, rates = random.integers(K, size=50), random.uniform(0.05, 0.5, (50, K))
    labels, looks = random.integers(K, size=50), random.dirichlet(np.ones(K), 50)
    annotations = Annotations.of_codes(labels, K)
    channel = started(truth, annotations, 0.2)
    channel = NoiseChannel(
        rates, channel.weights, channel.shapes, channel.factors, channel.table_of_annotator, 0.3, looks
    )
    found = channel.log_likelihood(annotations)
    for i, t in np.ndindex(50, K):
        y = labels[i]
        wrong = 0.7 * channel.shapes[0][t, y] + 0.3 * looks[i, y] / (1 - looks[i, t])
        rate = rates[i, t] * channel.factors[0, t]
        assert np.exp(found[i, t]) == pytest.approx(1 - rate if t == y else rate * wrong)


def test_a_careless_annotator_has_a_channel_of_their_own() -> None:
    truth = np.random.default_rng(0).integers(K, size=3000)
    careless = 0.4 * np.eye(K) + 0.15 * np.ones((K, K))
    labels = np.concatenate([truth, labelled(truth, careless), labelled(truth[:20], careless)])
    who = np.repeat([0, 1, 2], [3000, 3000, 20])
    items = np.concatenate([np.arange(3000), np.arange(3000), np.arange(20)])
    annotations = Annotations(items, labels, who, 3000, K)
    channel = started(truth, annotations, 0.22)
    of_people = [channel.table_of_annotator[person] for person in range(3)]
    assert 0.22 * channel.factors[of_people[0]].max() < 0.03
    assert 0.22 * channel.factors[of_people[1]].mean() == pytest.approx(0.45, abs=0.05)
    assert of_people[2] == 0, "twenty labels are too few for a channel"
    likelihood = channel.log_likelihood(annotations)
    doubted = np.flatnonzero(labels[3000:6000] != truth)[0]
    assert likelihood[doubted].argmax() == truth[doubted], "the careful one counts for more"


def test_people_who_take_items_for_what_they_look_like() -> None:
    random = np.random.default_rng(0)
    looks = random.dirichlet(np.full(K, 0.5), 6000)
    truth = (looks.cumsum(axis=1) < random.random((6000, 1))).sum(axis=1)
    others = looks * (1 - np.eye(K)[truth])
    by_look = (others.cumsum(axis=1) < random.random((6000, 1)) * others.sum(axis=1, keepdims=True)).sum(axis=1)
    wrong = random.random(6000) < 0.3
    for expected, mistaken in ((0.9, by_look), (0.1, (truth + random.integers(1, K, 6000)) % K)):
        annotations = Annotations.of_codes(np.where(wrong, mistaken, truth), K)
        channel = started(truth, annotations, 0.3)
        found = channel.with_lookalikes(np.log(looks), annotations).lookalikes
        assert found == pytest.approx(expected, abs=0.25)


def test_items_that_look_like_one_class_alone_keep_all_numbers_finite() -> None:
    annotations = Annotations.of_codes(np.arange(40) % K, K)
    channel = started(np.zeros(40, int), annotations, 0.2)
    certain = log_softmax(1000 * np.eye(K)[np.zeros(40, int)], axis=1)
    assert np.isfinite(channel.with_lookalikes(certain, annotations).log_likelihood(annotations)).all()


def test_raised_rates_rise_in_odds_and_keep_their_shape() -> None:
    annotations = Annotations.of_codes(np.arange(40) % K, K)
    channel = started(np.arange(40) % K, annotations, 0.2)
    raised = channel.raised(np.log(2))
    assert raised.rates == pytest.approx(1 / 3)
    assert (raised.shapes == channel.shapes).all()


def test_one_class_has_no_errors() -> None:
    only = Annotations.of_codes(np.zeros(5, int), 1)
    assert np.exp(started(np.zeros(5, int), only, 0.1).log_likelihood(only)) == pytest.approx(0.9, abs=1e-3)


def test_an_item_without_a_label_is_told_nothing() -> None:
    annotations = Annotations(np.arange(30), np.arange(30) % K, np.zeros(30, int), 40, K)
    likelihood = started(np.arange(40) % K, annotations, 0.2).log_likelihood(annotations)
    assert (likelihood[30:] == 0).all()


def test_few_counts_are_pulled_to_the_mean_and_many_are_not() -> None:
    mean = np.array([0.9, 0.1])
    counts = np.array([[2, 2], [5000, 5000], [9, 1], [18, 2]])
    pulled = shrunk(counts, mean, np.geomspace(1, 1000, 20))
    assert pulled[1, 0] == pytest.approx(0.5, abs=0.01)
    assert 0.5 < pulled[0, 0] < 0.9
    assert pulled.sum(axis=1) == pytest.approx(1)


def test_errors_are_of_one_shape_unless_classes_clearly_differ() -> None:
    few = np.zeros((10, 10))
    few[0, 3], few[4, 8], few[7, 2], few[7, 5] = 2, 1, 1, 1
    errors = common_shape(few)[~np.eye(10, dtype=bool)].reshape(10, 9)
    assert errors == pytest.approx(1 / 9, rel=0.05)
    assert common_shape(few + 20 * np.roll(np.eye(10), 1, axis=1))[0, 1] > 0.7
