"""How often predictions are right, told from noisy labels alone."""

from __future__ import annotations

import numpy as np
import pytest

from ntk_labelqa.gram.choose import invert
from ntk_labelqa.label_model.annotations import Annotations
from ntk_labelqa.label_model.split_votes import accuracy_of_agreeing, votes_agree


@pytest.mark.parametrize("class_count", [2, 5, 100])
@pytest.mark.parametrize("accuracy", [0.55, 0.8, 1.0])
def test_two_voters_who_do_not_know_each_other(class_count: int, accuracy: float) -> None:
    random = np.random.default_rng(0)
    wrong = random.random((2, 200_000)) > accuracy
    votes = np.where(wrong, random.integers(1, class_count, wrong.shape), 0)
    agreement = (votes[0] == votes[1]).mean()
    # Near 1/2 of two classes the square root is steep.
    assert accuracy_of_agreeing(agreement, class_count) == pytest.approx(accuracy, abs=0.03)


def test_less_agreement_than_chance_is_chance() -> None:
    assert accuracy_of_agreeing(np.array([0.1]), 4) == pytest.approx(0.25)


class Voters:
    """Items that are of class 0 to whoever does not know their labels, and of class 1 to whoever does."""

    size = 600

    def predicted_from(self, rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
        return np.eye(2)[np.isin(np.arange(self.size), rows).astype(int)]


def test_nobody_votes_on_an_item_whose_label_they_know() -> None:
    assert votes_agree(Voters(), Annotations.of_codes(np.arange(600) % 2, 2)).all()


class Strangers:
    """Items that are of whichever class the rows asked are of."""

    size = 600

    def __init__(self) -> None:
        self.asked: list[np.ndarray] = []

    def predicted_from(self, rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
        self.asked.append(rows)
        return np.zeros((self.size, 2))


def test_both_votes_share_no_label() -> None:
    annotations, voters = Annotations.of_codes(np.arange(600) % 2, 2), Strangers()
    votes_agree(voters, annotations)
    folds = annotations.folds()
    pairs = [set(folds[rows]) for rows in voters.asked]
    assert [len(pair) for pair in pairs] == [2] * 5
    for fold in range(5):
        first, second = (pair for pair in (pairs[(fold + 1) % 5], pairs[(fold - 2) % 5]))
        assert not first & second
        assert fold not in first | second


class Waverers:
    """Items that all look like class 0, more or less so by chance, and anew whenever they are asked."""

    size = 3000

    def __init__(self, class_count: int) -> None:
        self.random, self.class_count = np.random.default_rng(0), class_count

    def predicted_from(self, rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
        predicted = self.random.uniform(0.0, 0.4, (self.size, self.class_count))
        return predicted + np.eye(self.class_count)[0] * 0.5


def test_votes_that_all_name_the_commoner_of_two_classes_are_no_agreement() -> None:
    rare = np.random.default_rng(1).random(3000) < 0.25
    agree = votes_agree(Waverers(2), Annotations.of_codes(rare.astype(int), 2))
    # By chance alone: half of the items look more like the rarer class than the average one, whoever is asked.
    assert agree.mean() == pytest.approx(0.5, abs=0.03)


def test_votes_on_two_classes_that_are_far_apart_agree_whatever_their_sizes() -> None:
    rare = np.arange(600) % 10 == 0
    inverse = invert(np.c_[np.where(rare, 5.0, -5.0), np.ones(600)], np.eye(2)[rare.astype(int)], architecture="linear")
    given = rare.copy()
    given[:60:4] ^= True  # by far more items are labelled as the rare class than are of it
    assert votes_agree(inverse, Annotations.of_codes(given.astype(int), 2)).mean() > 0.98
