"""The noise channel against the noise that was planted."""

from __future__ import annotations

import numpy as np
import pytest

from ntk_labelqa.label_model.annotations import Annotations
from ntk_labelqa.label_model.noise_channel import NoiseChannel, estimate_channel, shared_channel, shrunk
from tests import naive

K = 4


def sure_predictions(truth: np.ndarray, seed: int = 0) -> np.ndarray:
    """Leave-one-out predictions that know the class, with more and less of a margin."""
    margin = np.random.default_rng(seed).random((len(truth), 1))
    return np.eye(K)[truth] * margin


def labelled(truth: np.ndarray, table: np.ndarray, seed: int = 1) -> np.ndarray:
    draws = np.random.default_rng(seed).random((len(truth), 1))
    return (table[truth].cumsum(axis=1) < draws).sum(axis=1).clip(max=K - 1)


@pytest.mark.parametrize("name", ["none", "uniform", "pairwise"])
def test_the_planted_table_is_found(name: str) -> None:
    table = {
        "none": np.eye(K),
        "uniform": 0.6 * np.eye(K) + 0.1 * np.ones((K, K)),
        "pairwise": 0.7 * np.eye(K) + 0.3 * np.roll(np.eye(K), 1, axis=1),
    }[name]
    truth = np.random.default_rng(3).integers(K, size=8000)
    given = labelled(truth, table)
    found = estimate_channel(sure_predictions(truth), Annotations.of_codes(given, K))
    assert found.shared.sum(axis=1) == pytest.approx(1)
    assert (found.shared > 0).all()
    assert found.shared == pytest.approx(table, abs=0.06)
    assert found.anchor_labels == pytest.approx(0.15 * 8000, rel=0.01)


def test_an_items_own_label_does_not_make_it_an_anchor() -> None:
    truth = np.arange(400) % K
    predictions = sure_predictions(truth)
    right = estimate_channel(predictions, Annotations.of_codes(truth, K))
    wrong = estimate_channel(predictions, Annotations.of_codes((truth + 1) % K, K))
    assert right.anchor_labels == wrong.anchor_labels
    assert (wrong.shared.argmax(axis=1) == (np.arange(K) + 1) % K).all()


def test_a_careless_annotator_has_a_channel_of_their_own() -> None:
    truth = np.random.default_rng(0).integers(K, size=3000)
    careless = 0.4 * np.eye(K) + 0.15 * np.ones((K, K))
    labels = np.concatenate([truth, labelled(truth, careless), labelled(truth[:20], careless)])
    who = np.repeat([0, 1, 2], [3000, 3000, 20])
    items = np.concatenate([np.arange(3000), np.arange(3000), np.arange(20)])
    annotations = Annotations(items, labels, who, 3000, K)
    channel = estimate_channel(sure_predictions(truth), annotations)
    tables = [channel.tables[channel.table_of_annotation[np.flatnonzero(who == a)[0]]] for a in range(3)]
    assert np.diag(tables[0]).min() > 0.97
    assert np.diag(tables[1]).mean() == pytest.approx(0.55, abs=0.05)
    assert (tables[2] == channel.shared).all(), "twenty labels are too few for a channel"
    likelihood = channel.log_likelihood(annotations)
    doubted = np.flatnonzero(labels[3000:6000] != truth)[0]
    assert likelihood[doubted].argmax() == truth[doubted], "the careful one counts for more"


def test_a_table_of_equal_rows_tells_nothing() -> None:
    truth = np.random.default_rng(0).integers(K, size=20_000)
    given = np.random.default_rng(1).integers(K, size=20_000)
    channel = estimate_channel(sure_predictions(truth), Annotations.of_codes(given, K))
    assert channel.information() == pytest.approx(0, abs=0.01)
    clean = estimate_channel(sure_predictions(truth), Annotations.of_codes(truth, K))
    assert clean.information() == pytest.approx(np.log(K), abs=0.02)


def test_one_class_has_the_trivial_channel() -> None:
    only = Annotations.of_codes(np.zeros(5, int), 1)
    assert estimate_channel(np.ones((5, 1)), only).shared.tolist() == [[1.0]]


def test_few_counts_are_pulled_to_the_mean_and_many_are_not() -> None:
    mean = np.array([0.9, 0.1])
    counts = np.array([[2, 2], [5000, 5000], [9, 1], [18, 2]])
    pulled = shrunk(counts, mean, np.geomspace(1, 1000, 20))
    assert pulled[1, 0] == pytest.approx(0.5, abs=0.01)
    assert 0.5 < pulled[0, 0] < 0.9
    assert pulled.sum(axis=1) == pytest.approx(1)


def test_softened_channels_keep_every_class_possible() -> None:
    truth = np.random.default_rng(3).integers(K, size=8000)
    table = 0.6 * np.eye(K) + 0.1 * np.ones((K, K))
    channel = estimate_channel(sure_predictions(truth), Annotations.of_codes(labelled(truth, table), K))
    assert channel.agreement == pytest.approx(0.7, abs=0.05)
    assert channel.softened(0.5).error_rate == pytest.approx(channel.error_rate / 2)
    assert channel.softened(0.0).shared.min() > 0


def mistaken_for_the_next(truth: np.ndarray, share: float, seed: int = 2) -> np.ndarray:
    """Predicted classes: the next one for *share* of the items."""
    return (truth + (np.random.default_rng(seed).random(len(truth)) < share)) % K


def test_anchors_of_other_classes_are_not_taken_for_wrong_labels() -> None:
    truth = np.random.default_rng(3).integers(K, size=40_000)
    table = 0.8 * np.eye(K) + 0.2 * np.roll(np.eye(K), 2, axis=1)
    given = labelled(truth, table)
    channel = estimate_channel(
        sure_predictions(mistaken_for_the_next(truth, 0.15)), Annotations.of_codes(given, K), anchor_share=1.0
    )
    assert channel.shared[0, K - 1] > 0.1, "the next class's labels, as they look"
    of_predicted = 0.85 * np.eye(K) + 0.15 * np.roll(np.eye(K), -1, axis=1)
    seen_through = channel.of_true_classes(of_predicted)
    assert seen_through.shared == pytest.approx(table, abs=0.02)
    assert seen_through.counts is channel.counts
    assert channel.of_true_classes(np.eye(K)).shared == pytest.approx(channel.shared)


def test_with_many_labels_it_is_the_likeliest_channel() -> None:
    random = np.random.default_rng(0)
    of_predicted = random.dirichlet([0.3] * K, K) * 0.3 + 0.7 * np.eye(K)
    table = random.dirichlet([0.3] * K, K) * 0.5 + 0.5 * np.eye(K)
    counts = random.multinomial(1_000_000, of_predicted @ table)
    everybodys = np.zeros(0, np.int64)
    channel = NoiseChannel(shared_channel(counts)[None], everybodys, everybodys, counts[None], 1.0)
    likeliest = naive.channel(counts, of_predicted)
    assert channel.of_true_classes(of_predicted).shared == pytest.approx(likeliest, abs=0.015)


def test_an_annotators_own_channel_is_seen_through_mistakes_as_well() -> None:
    truth = np.random.default_rng(0).integers(K, size=6000)
    careless = 0.4 * np.eye(K) + 0.15 * np.ones((K, K))
    labels, who = np.concatenate([truth, labelled(truth, careless)]), np.repeat([0, 1], 6000)
    annotations = Annotations(np.tile(np.arange(6000), 2), labels, who, 6000, K)
    predictions = sure_predictions(mistaken_for_the_next(truth, 0.2))
    channel = estimate_channel(predictions, annotations, anchor_share=1.0)
    assert np.diag(channel.tables[1]).max() < 0.85
    of_predicted = 0.8 * np.eye(K) + 0.2 * np.roll(np.eye(K), -1, axis=1)
    tables = channel.of_true_classes(of_predicted).tables
    assert np.diag(tables[1]).min() > 0.95
    assert np.diag(tables[2]).mean() == pytest.approx(0.55, abs=0.04)


def test_errors_are_of_one_shape_unless_classes_clearly_differ() -> None:
    off_diagonal = ~np.eye(10, dtype=bool)
    few = 200 * np.eye(10, dtype=int)
    few[0, 3], few[4, 8], few[7, 2], few[7, 5] = 2, 1, 1, 1
    errors = shared_channel(few)[off_diagonal].reshape(10, 9)
    assert errors == pytest.approx(np.repeat(errors[:, :1], 9, axis=1), rel=0.05)
    many = few + 20 * np.roll(np.eye(10, dtype=int), 1, axis=1)
    assert shared_channel(many)[0, 1] > 0.07


def test_no_labels_make_a_channel_of_rare_errors() -> None:
    nothing = Annotations(np.zeros(0, int), np.zeros(0, int), np.zeros(0, int), 40, K)
    channel = estimate_channel(sure_predictions(np.arange(40) % K), nothing)
    assert channel.agreement == 1
    assert channel.tables.shape == (1, K, K)
    assert channel.shared.sum(axis=1) == pytest.approx(1)


def test_lowered_channels_keep_their_shape() -> None:
    truth = np.random.default_rng(3).integers(K, size=8000)
    many, few = 0.7 * np.eye(K) + 0.3 * np.roll(np.eye(K), 1, axis=1), np.eye(K)
    few[0] = [0.9, 0.02, 0.03, 0.05]
    channel, other = (
        estimate_channel(sure_predictions(truth), Annotations.of_codes(labelled(truth, table), K), anchor_share=1.0)
        for table in (many, few)
    )
    lowered = channel.lowered(to=other).shared
    assert 1 - np.diag(lowered) == pytest.approx(1 - np.diag(other.shared))
    assert lowered[0, 1] > 5 * lowered[0, 2]
    assert other.lowered(to=channel).shared == pytest.approx(other.shared)


def test_raised_channels_keep_their_shape() -> None:
    truth = np.random.default_rng(3).integers(K, size=8000)
    table = 0.9 * np.eye(K) + 0.1 * np.roll(np.eye(K), 1, axis=1)
    raised = estimate_channel(sure_predictions(truth), Annotations.of_codes(labelled(truth, table), K)).raised(0.4)
    assert np.diag(raised.shared) == pytest.approx(0.6)
    assert raised.shared.sum(axis=1) == pytest.approx(1)
    assert (np.roll(raised.shared, -1, axis=1).diagonal() > 0.35).all()


def test_unseen_errors_come_on_top_of_those_seen() -> None:
    truth = np.random.default_rng(0).integers(K, size=2000)
    table = 0.8 * np.eye(K) + 0.2 * np.roll(np.eye(K), 1, axis=1)
    channel = estimate_channel(sure_predictions(truth), Annotations.of_codes(labelled(truth, table), K))
    raised = channel.with_unseen_errors(0.1)
    assert raised.shared.sum(axis=1) == pytest.approx(1)
    assert np.diag(raised.shared) == pytest.approx(0.9 * np.diag(channel.shared))
    assert raised.shared[0, 2] == pytest.approx(0.9 * channel.shared[0, 2] + 0.1 / 3)
    alone = estimate_channel(np.ones((50, 1)), Annotations.of_codes(np.zeros(50, int), 1))
    assert alone.with_unseen_errors(0.1).shared.tolist() == [[1.0]]
