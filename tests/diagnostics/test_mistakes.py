"""Wrong predictions, which are no wrong labels."""

from __future__ import annotations

import numpy as np
import pytest

from ntk_labelqa.diagnostics.annotations import Annotations
from ntk_labelqa.diagnostics.mistakes import LATER_EXPONENT, Mistakes
from ntk_labelqa.diagnostics.noise_channel import NoiseChannel, estimate_channel
from ntk_labelqa.diagnostics.strangers import Strangers

K, ITEMS = 6, 12_000


class LookAlikes:
    """Six classes, of which two and two look alike to everybody, and labels wrong in any way."""

    def __init__(self, mistaken: float, wrong: float, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.right = np.arange(ITEMS) % K
        self.predictions = np.eye(K)[self.seen(mistaken)]
        is_wrong = self.random.random(ITEMS) < wrong
        given = np.where(is_wrong, (self.right + self.random.integers(1, K, ITEMS)) % K, self.right)
        self.annotations = Annotations.of_codes(given, K)

    def seen(self, mistaken: float) -> np.ndarray:
        """The class or its look-alike, int64[N]."""
        return self.right ^ (self.random.random(ITEMS) < mistaken)

    def strangers(self, mistaken: float) -> Strangers:
        votes = np.stack([self.seen(mistaken), self.seen(mistaken)])
        return Strangers(votes, self.predictions, np.arange(ITEMS) % 5)

    def channel(self) -> NoiseChannel:
        return estimate_channel(self.predictions, self.annotations, anchor_share=1.0)


def test_what_look_alikes_are_mistaken_for_is_taken_out() -> None:
    items = LookAlikes(mistaken=0.15, wrong=0.1)
    counted = items.channel()
    assert counted.error_rate > 0.2
    found = Mistakes(items.strangers(0.3), 0.85, counted.agreement).taken_out_at_first(counted, items.predictions)
    assert found.error_rate == pytest.approx(0.1, abs=0.02)
    look_alike = found.shared[np.arange(K), np.arange(K) ^ 1].mean()
    assert look_alike == pytest.approx(0.02, abs=0.015), "no likelier than any other wrong label"


def test_wrong_labels_along_look_alikes_stay() -> None:
    items = LookAlikes(mistaken=0.12, wrong=0.0)
    flipped = items.random.random(ITEMS) < 0.2
    items.annotations = Annotations.of_codes(items.right ^ flipped, K)
    counted = items.channel()
    found = Mistakes(items.strangers(0.25), 0.88, counted.agreement).taken_out_at_first(counted, items.predictions)
    assert found.error_rate == pytest.approx(0.2, abs=0.02)
    assert found.shared[np.arange(K), np.arange(K) ^ 1].min() > 0.15


def test_where_few_are_mistaken_all_errors_are_lowered_alike() -> None:
    items = LookAlikes(mistaken=0.05, wrong=0.0)
    flipped = items.random.random(ITEMS) < 0.2
    items.annotations = Annotations.of_codes(items.right ^ flipped, K)
    counted = items.channel()
    # Strangers who learnt from the wrong labels name the wrong classes.
    mistakes = Mistakes(items.strangers(0.4), 0.95, counted.agreement)
    found = mistakes.taken_out_at_first(counted, items.predictions)
    assert found.shared == pytest.approx(counted.softened(mistakes.label_errors).shared)
    later = mistakes.taken_out_later(counted, items.predictions)
    assert later.shared == pytest.approx(counted.softened(mistakes.label_errors**LATER_EXPONENT).shared)


def test_contradictions_are_shared_out_between_labels_and_predictions() -> None:
    strangers = LookAlikes(mistaken=0.0, wrong=0.0).strangers(0.0)
    assert Mistakes(strangers, 1.0, 0.7).label_errors == pytest.approx(1)
    assert Mistakes(strangers, 0.7, 0.7).label_errors == 0
    assert Mistakes(strangers, 0.9, 0.7).label_errors == pytest.approx((1 - 0.7 / 0.9) / 0.3)


def test_nothing_is_taken_out_of_right_predictions() -> None:
    items = LookAlikes(mistaken=0.0, wrong=0.2)
    counted = items.channel()
    mistakes = Mistakes(items.strangers(0.2), 1.0, counted.agreement)
    for found in (mistakes.taken_out_at_first, mistakes.taken_out_later):
        assert found(counted, items.predictions).shared == pytest.approx(counted.shared)


def test_a_single_class_has_nothing_to_be_mistaken_for() -> None:
    predictions, only = np.ones((50, 1)), Annotations.of_codes(np.zeros(50, int), 1)
    mistakes = Mistakes(Strangers(np.zeros((2, 50), int), predictions, np.arange(50) % 5), 0.8, 1.0)
    counted = estimate_channel(predictions, only)
    assert mistakes.taken_out_at_first(counted, predictions) is counted


def test_later_rounds_are_mistaken_less_as_they_contradict_less() -> None:
    first, later = LookAlikes(mistaken=0.15, wrong=0.1), LookAlikes(mistaken=0.05, wrong=0.1)
    mistakes = Mistakes(first.strangers(0.3), 0.85, first.channel().agreement)
    found = mistakes.taken_out_later(later.channel(), later.predictions)
    assert found.error_rate == pytest.approx(0.095, abs=0.006)
    rightly = LookAlikes(mistaken=0.0, wrong=0.0)
    assert mistakes.taken_out_later(rightly.channel(), rightly.predictions).error_rate < 0.001


def test_labels_that_all_agree_at_first_leave_nothing_to_take_out_later() -> None:
    items = LookAlikes(mistaken=0.15, wrong=0.0)
    mistakes = Mistakes(items.strangers(0.3), 0.85, agreement=1.0)
    counted = items.channel()
    assert mistakes.taken_out_later(counted, items.predictions) is counted


def one_way(shares: np.ndarray, rate: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(right, seen as): classes as frequent as *shares*, a *rate* of each seen as the next one."""
    random = np.random.default_rng(seed)
    right = random.choice(K, ITEMS, p=shares)
    return right, (right + (random.random(ITEMS) < rate[right])) % K


def test_mistakes_of_one_way_are_taken_out_of_the_class_predicted() -> None:
    shares, rate = np.array([0.15, 0.25, 0.2, 0.1, 0.2, 0.1]), np.array([0.6, 0.0, 0.3, 0.0, 0.0, 0.0])
    right, predicted = one_way(shares, rate)
    random = np.random.default_rng(1)
    given = np.where(random.random(ITEMS) < 0.2, (right + random.integers(1, K, ITEMS)) % K, right)
    predictions, annotations = np.eye(K)[predicted], Annotations.of_codes(given, K)
    counted = estimate_channel(predictions, annotations, anchor_share=1.0)
    mistaken = (predicted != right).mean()
    # Strangers are right of what is mistaken: the class before the one predicted.
    mistakes = Mistakes(Strangers(np.stack([right, right]), predictions, np.arange(ITEMS) % 5), 1 - mistaken, 0.9)
    found = mistakes.taken_out_at_first(counted, predictions)
    assert counted.shared[1, 0] > 0.2
    assert found.shared[1, 0] == pytest.approx(0.04, abs=0.015)
    assert found.error_rate == pytest.approx(0.2, abs=0.01)
    turned = Mistakes(
        Strangers(np.stack([(2 * predicted - right) % K] * 2), predictions, np.arange(ITEMS) % 5), 0.8, 0.9
    )
    assert turned.taken_out_at_first(counted, predictions).shared[1, 0] > 0.2


def test_both_strangers_are_heard() -> None:
    items = LookAlikes(mistaken=0.15, wrong=0.1)
    counted, both = items.channel(), items.strangers(0.3)
    mute = items.predictions.argmax(axis=1)
    for votes in (np.stack([both.votes[0], mute]), np.stack([mute, both.votes[1]])):
        mistakes = Mistakes(Strangers(votes, both.predictions, both.fifth), 0.85, counted.agreement)
        assert mistakes.taken_out_at_first(counted, items.predictions).error_rate == pytest.approx(0.1, abs=0.02)


def test_a_rare_class_gets_no_errors_of_a_common_one() -> None:
    random = np.random.default_rng(0)
    right = np.repeat(np.arange(K), np.tile([1000, 40], K // 2))
    wrong = random.random(len(right)) < 0.06
    given = np.where(wrong, (right + random.integers(1, K, len(right))) % K, right)
    predictions = np.eye(K)[right]
    votes = right ^ (random.random((2, len(right))) < 0.15)
    counted = estimate_channel(predictions, Annotations.of_codes(given, K), anchor_share=1.0)
    mistakes = Mistakes(Strangers(votes, predictions, np.arange(len(right)) % 5), 0.87, counted.agreement)
    found = mistakes.taken_out_at_first(counted, predictions)
    assert (np.diag(found.shared) >= np.diag(counted.shared) - 1e-9).all()
    assert found.error_rate <= counted.error_rate


def test_no_more_than_half_of_a_class_is_taken_for_mistaken() -> None:
    right = np.arange(ITEMS) % K
    given = np.where(right == 0, 1, right)
    predictions, annotations = np.eye(K)[right], Annotations.of_codes(given, K)
    counted = estimate_channel(predictions, annotations, anchor_share=1.0)
    strangers = Strangers(np.stack([given, given]), predictions, np.arange(ITEMS) % 5)
    found = Mistakes(strangers, 1 - 1 / K, counted.agreement).taken_out_at_first(counted, predictions)
    assert counted.shared[0, 1] > 0.95
    assert found.shared[0, 1] > 0.5, "half of class 0's labels cannot be explained"
