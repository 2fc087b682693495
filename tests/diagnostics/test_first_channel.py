"""Which items the noise channel of the labels as given is counted on."""

from __future__ import annotations

import numpy as np
import pytest

from ntk_labelqa.diagnostics.annotations import Annotations
from ntk_labelqa.diagnostics.first_channel import first_channel
from ntk_labelqa.diagnostics.label_issues import find_issues
from ntk_labelqa.diagnostics.noise_channel import ANCHOR_SHARE, estimate_channel
from ntk_labelqa.diagnostics.strangers import Strangers
from ntk_labelqa.gram.choose import invert

K = 3


def clouds_apart(items: int, distance: float, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of K Gaussian clouds, *distance* standard deviations from the origin each; labels given, and right."""
    random = np.random.default_rng(seed)
    right = np.arange(items) % K
    features = random.normal(size=(items, 8)) + distance * np.eye(8)[right]
    given = np.where(random.random(items) < noise, (right + random.integers(1, K, items)) % K, right)
    return features, given, right


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("items", "distance"), [(300, 8), (300, 30), (600, 6), (600, 30)])
def test_wrong_labels_among_items_that_are_all_alike_are_found(items: int, distance: float, seed: int) -> None:
    features, given, right = clouds_apart(items, distance, 0.2, seed)
    inverse = invert(features, np.eye(K)[given], architecture="2-L")
    issues = find_issues(inverse, Annotations.of_codes(given, K))
    wrong = given != right
    assert issues.is_label_issue[wrong].mean() > 0.95
    assert not issues.is_label_issue[~wrong].any()
    assert (issues.predicted[wrong] == right[wrong]).mean() > 0.95
    assert issues.error_probability.mean() == pytest.approx(wrong.mean(), abs=0.02)


class Told:
    """Right predictions of K classes, with margins and strangers as a test would have them."""

    def __init__(self, items: int, noise: float, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        self.right = np.arange(items) % K
        self.wrong = random.random(items) < noise
        self.annotations = Annotations.of_codes(np.where(self.wrong, (self.right + 1) % K, self.right), K)
        self.fifth = random.permutation(items) % 5
        self.random = random

    def predictions(self, margin: np.ndarray) -> np.ndarray:
        return np.eye(K)[self.right] * margin[:, None]

    def strangers(self, agree: np.ndarray) -> Strangers:
        votes = np.stack([self.right, np.where(agree, self.right, (self.right + 1) % K)])
        return Strangers(votes, self.predictions(self.random.random(len(self.right))), self.fifth)


def test_margins_that_single_out_wrong_labels_give_way_to_strangers() -> None:
    told = Told(3000, 0.2)
    predictions = told.predictions(1 + 0.5 * told.wrong + 0.1 * told.random.random(3000))
    assert estimate_channel(predictions, told.annotations).agreement < 0.1
    doubtful = told.strangers(told.random.random(3000) < 0.9)
    channel = first_channel(predictions, told.annotations, doubtful)
    assert channel.agreement == pytest.approx(0.8, abs=0.05)
    assert channel.anchor_share == ANCHOR_SHARE
    assert first_channel(predictions, told.annotations, None).agreement < 0.1, "nobody to ask"


def test_all_items_are_anchors_where_strangers_agree_on_all() -> None:
    told = Told(3000, 0.2)
    channel = first_channel(
        told.predictions(told.random.random(3000)), told.annotations, told.strangers(np.ones(3000, bool))
    )
    assert len(channel.anchors) == 3000
    assert channel.agreement == pytest.approx(1 - told.wrong.mean())


def test_half_of_the_items_are_anchors_where_strangers_agree_on_these() -> None:
    told = Told(3000, 0.2)
    margin = told.random.random(3000)
    channel = first_channel(told.predictions(margin), told.annotations, told.strangers(margin > 0.4))
    assert channel.anchor_share == 0.5


def test_classes_that_overlap_for_good_are_not_taken_for_wrong_labels() -> None:
    told = Told(3000, 0.0)
    margin = told.random.random(3000)
    mistaken = told.random.random(3000) < 0.3 * (1 - margin)  # strangers are of one mind, and wrong
    given = Annotations.of_codes(np.where(mistaken, (told.right + 1) % K, told.right), K)
    channel = first_channel(told.predictions(margin), given, told.strangers(np.ones(3000, bool)))
    assert channel.anchor_share == ANCHOR_SHARE
    assert channel.error_rate < 0.04


def test_half_of_the_items_by_margin_do_not_bring_back_what_strangers_mended() -> None:
    told = Told(3000, 0.2)
    margin = 1 + 0.5 * told.wrong + 0.1 * told.random.random(3000)
    channel = first_channel(told.predictions(margin), told.annotations, told.strangers(np.arange(3000) % 2 == 0))
    assert channel.agreement == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize("labelled", [0, 1, 5])
def test_a_handful_of_labels_is_no_reason_to_prefer_their_anchors(labelled: int) -> None:
    told = Told(3000, 0.2)
    margin = told.random.random(3000)
    strangers = told.strangers(np.zeros(3000, bool))
    theirs = np.argsort(-strangers.sureness(told.right))[:labelled]
    kept = np.concatenate([np.argsort(-margin)[:400], theirs])
    some = Annotations(kept, told.annotations.labels[kept], np.zeros(len(kept), int), 3000, K)
    channel = first_channel(told.predictions(margin), some, strangers)
    assert channel.anchor_labels > 300
