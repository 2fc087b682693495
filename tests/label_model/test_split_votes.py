"""How often anchors are predicted right, told from noisy labels alone."""

from __future__ import annotations

import numpy as np
import pytest
from ntk_labelqa.diagnostics.strangers import accuracy_of_agreeing, prediction_accuracy, strangers_of
from sklearn.datasets import load_digits

from ntk_labelqa.diagnostics.label_issues import find_issues
from ntk_labelqa.gram.choose import invert
from ntk_labelqa.gram.inverse import leave_one_out
from ntk_labelqa.label_model.annotations import Annotations
from ntk_labelqa.label_model.label_model import UNSEEN_ERRORS, label_posterior
from ntk_labelqa.label_model.noise_channel import estimate_channel


@pytest.mark.parametrize("class_count", [2, 5, 100])
@pytest.mark.parametrize("accuracy", [0.55, 0.8, 1.0])
def test_two_voters_who_do_not_know_each_other(class_count: int, accuracy: float) -> None:
    random = np.random.default_rng(0)
    wrong = random.random((2, 200_000)) > accuracy
    votes = np.where(wrong, random.integers(1, class_count, wrong.shape), 0)
    agreement = float((votes[0] == votes[1]).mean())
    # Near 1/2 of two classes the square root is steep.
    assert accuracy_of_agreeing(agreement, class_count) == pytest.approx(accuracy, abs=0.03)


def test_less_agreement_than_chance_is_chance_and_one_class_is_certain() -> None:
    assert accuracy_of_agreeing(0.1, 4) == 0.25
    assert accuracy_of_agreeing(0.0, 1) == 1.0


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6])
def test_wrong_labels_are_not_held_against_the_kernel(share: float) -> None:
    features, right = load_digits(return_X_y=True)
    random, given = np.random.default_rng(0), right.copy()
    wrong = random.choice(len(right), round(share * len(right)), replace=False)
    given[wrong] = (given[wrong] + random.integers(1, 10, len(wrong))) % 10
    inverse = invert(features, np.eye(10)[given], architecture="2-L")
    predictions = leave_one_out(inverse, np.eye(10)[given])
    anchors = estimate_channel(predictions, Annotations.of_codes(given, 10)).anchors
    true = (predictions[anchors].argmax(axis=1) == right[anchors]).mean()
    agreed = strangers_of(inverse, np.eye(10)[given]).agree[anchors]
    assert prediction_accuracy(agreed, 10) == pytest.approx(true, abs=0.08)


class Voters:
    """Items that are of class 0 to whoever does not know their labels, and of class 1 to whoever does."""

    size = 600

    def predicted_from(self, rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
        return np.eye(2)[np.isin(np.arange(self.size), rows).astype(int)]


def test_nobody_votes_on_an_item_whose_label_they_know() -> None:
    strangers = strangers_of(Voters(), np.eye(2)[np.arange(600) % 2])
    assert strangers.agree.all()
    assert (strangers.predictions == [2, 0]).all()


class Counters:
    """Predictions that name who made them: a column an item."""

    size = 60

    def predicted_from(self, rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
        return np.tile(np.isin(np.arange(self.size), rows).astype(float), (self.size, 1))


def test_every_label_outside_of_an_items_fifth_has_one_say_of_it() -> None:
    labels = np.zeros((60, 60))
    labels[:, :2] = np.eye(2)[np.arange(60) % 2]
    strangers = strangers_of(Counters(), labels)
    assert (strangers.predictions == (strangers.fifth[:, None] != strangers.fifth)).all()
    assert not strangers.agree.any(), "no label is known to both"


def test_sureness_compares_an_item_with_those_of_its_fifth_and_class_only() -> None:
    features, labels = weak_features(400, 4)
    inverse = invert(features, np.eye(4)[labels], architecture="2-L")
    strangers = strangers_of(inverse, np.eye(4)[labels])
    predicted = np.arange(400) // 100
    sureness = strangers.sureness(predicted)
    for fifth in range(5):
        for named in range(4):
            rows = np.flatnonzero((strangers.fifth == fifth) & (predicted == named))
            assert sorted(sureness[rows]) == pytest.approx((np.arange(len(rows)) + 0.5) / len(rows))
            others = np.delete(strangers.predictions[rows], named, axis=1).max(axis=1)
            margin = strangers.predictions[rows, named] - others
            assert (np.argsort(sureness[rows]) == np.argsort(margin)).all()


def test_classes_that_no_label_is_of_change_nothing() -> None:
    features, labels = weak_features(400, 8)
    features += np.random.default_rng(1).normal(size=features.shape)
    inverse = invert(features, np.eye(8)[labels], architecture="2-L")
    few, many = (label_posterior(inverse, Annotations.of_codes(labels, k)).anchor_accuracy for k in (8, 40))
    assert few == many < 1.0


def test_items_without_a_label_do_not_make_up_for_labels() -> None:
    features, labels = weak_features(400, 8)
    inverse = invert(features, np.eye(8)[labels], architecture="2-L")
    known = np.eye(8)[labels] * (np.arange(400) < 100)[:, None]
    assert strangers_of(inverse, known) is None
    assert strangers_of(inverse, 0 * known) is None


def test_of_a_few_items_nothing_is_told() -> None:
    features, labels = weak_features(80, 10)
    inverse = invert(features, np.eye(10)[labels], architecture="2-L")
    assert strangers_of(inverse, np.eye(10)[labels]) is None


def weak_features(items: int, class_count: int) -> tuple[np.ndarray, np.ndarray]:
    """Clean labels, and features that tell their classes apart badly."""
    random = np.random.default_rng(0)
    labels = np.arange(items) % class_count
    return 1.2 * random.normal(size=(class_count, 12))[labels] + random.normal(size=(items, 12)), labels


def test_a_weak_kernel_is_not_taken_for_wrong_labels() -> None:
    features, labels = weak_features(1500, 60)
    inverse = invert(features, np.eye(60)[labels], architecture="2-L")
    issues = find_issues(inverse, Annotations.of_codes(labels, 60))
    predicted = issues.posterior.first.predictions.values.argmax(axis=1)
    assert (predicted == labels).mean() < 0.8, "the kernel is weak"
    assert issues.is_label_issue.mean() <= 0.03
    assert issues.error_probability.mean() <= 0.05


def test_where_anchors_are_a_gamble_nothing_is_flagged() -> None:
    random = np.random.default_rng(0)
    features, labels = weak_features(2200, 90)
    inverse = invert(features + 3 * random.normal(size=features.shape), np.eye(90)[labels], architecture="2-L")
    issues = find_issues(inverse, Annotations.of_codes(labels, 90))
    assert issues.posterior.anchor_accuracy < 2 / 3
    assert not issues.posterior.is_informative
    assert not issues.is_label_issue.any()
    assert issues.error_probability.mean() == pytest.approx(UNSEEN_ERRORS, abs=0.02)
