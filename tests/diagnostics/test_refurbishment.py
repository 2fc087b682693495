"""The four ways of putting labels right."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from ntk_labelqa import bde, refurbish
from ntk_labelqa.diagnostics import labelling
from ntk_labelqa.diagnostics.refurbish_annealed import refurbish_by_annealing
from ntk_labelqa.diagnostics.refurbish_exact import refurbish_exactly
from ntk_labelqa.diagnostics.refurbish_gradient import refurbish_by_gradient
from ntk_labelqa.diagnostics.refurbishment import METHODS, MOVING_RIDGE
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.gram.choose import invert
from ntk_labelqa.gram.dense import DenseInverse
from ntk_labelqa.gram.inverse import RegularizedInverse
from ntk_labelqa.gram.low_rank import LowRankInverse
from ntk_labelqa.gram.matrix import gram_matrix
from ntk_labelqa.gram.ridge import with_best_ridge
from tests import naive
from tests.fixtures import noisy_digits

ALL = pytest.mark.parametrize("method", list(METHODS))
SAFE = pytest.mark.parametrize("method", ["posterior", "annealed", "exact"])


def outcome(new: np.ndarray, given: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    """(share of the wrong labels set right, share of the right labels changed)."""
    wrong = given != right
    return float((new == right)[wrong].mean()), float((new != given)[~wrong].mean())


@pytest.mark.long
@pytest.mark.parametrize(
    ("method", "mended", "broken"),
    [("posterior", 0.9, 0.01), ("annealed", 0.95, 0.04), ("exact", 0.95, 0.03), ("gradient", 0.95, 0.04)],
)
def test_wrong_digits_are_mended(method: str, mended: float, broken: float) -> None:
    features, given, right = noisy_digits(800, 0.15)
    new, moves = refurbish(features, given, method=method, architecture="2-L")
    assert outcome(new, given, right)[0] >= mended
    assert outcome(new, given, right)[1] <= broken
    replayed = given.copy()
    for move in moves.itertuples():
        assert replayed[move.item] == move.given_label
        replayed[move.item] = move.new_label
    assert (replayed == new).all()


@ALL
def test_names_stay_names_and_the_labels_given_stay_as_they_were(method: str) -> None:
    features, given, _ = noisy_digits(120)
    names = [f"digit {code}" for code in given]
    new, moves = refurbish(features, names, method=method, architecture="2-L")
    assert set(new) <= set(names)
    assert names == [f"digit {code}" for code in given]
    assert list(moves.columns) == ["item", "given_label", "new_label", "step"]
    assert moves["step"].is_monotonic_increasing


@SAFE
def test_clean_and_well_apart_classes_are_left_alone(method: str) -> None:
    codes = np.repeat([0, 1, 2], 30)
    features = 5 * np.eye(3)[codes] + 0.2 * np.random.default_rng(0).normal(size=(90, 3))
    new, moves = refurbish(features, codes, method=method, architecture="2-L")
    assert (new == codes).all()
    assert moves.empty


def small_problem() -> tuple[np.ndarray, np.ndarray]:
    codes = np.repeat([0, 1, 2], 8)
    rows = 2 * np.eye(3)[codes] + 0.4 * np.random.default_rng(1).normal(size=(24, 3))
    codes[[0, 9, 17, 18]] = [1, 2, 0, 0]
    return gram_matrix(rows), codes


@pytest.mark.parametrize("steps", [1, 2, 4, 6])
def test_gradient_is_algorithm_1(steps: int) -> None:
    gram, codes = small_problem()
    moved = refurbish_by_gradient(DenseInverse(gram, ridge=0.1), codes, 3, steps=steps)
    expected = naive.algorithm_1(gram, codes, 3, steps, 0.1)
    assert (moved.codes == expected).all()


def test_gradient_ends_where_it_would_go_in_a_circle() -> None:
    features, given, _ = noisy_digits(300, 0.6)
    moved = refurbish_by_gradient(invert(features, np.eye(10)[given], architecture="2-L", ridge=0.1), given, 10)
    assert len(moved.moves().items) < 300


def test_every_exact_step_is_the_allowed_one_that_lowers_the_bde_most() -> None:
    gram, codes = small_problem()
    moves = refurbish_exactly(DenseInverse(gram, ridge=0.1), codes, 3).moves()
    assert len(moves.items) == 4
    assert moves.steps.tolist() == [0, 1, 2, 3]
    for item, taken in zip(moves.items, moves.taken, strict=True):
        predicted = naive.refitted_without(gram, np.eye(3)[codes], 0.1)
        changes = naive.every_bde_change(gram, codes, 3, 0.1, 1.0)
        margin = predicted.max(axis=1) - predicted[np.arange(24), codes]
        allowed = (predicted == predicted.max(axis=1, keepdims=True)) & (margin > 0.1)[:, None]
        assert changes[item, taken] == pytest.approx(changes[allowed].min())
        codes[item] = taken


def bde_along(inverse: RegularizedInverse, codes: np.ndarray, class_count: int, moves: labelling.Moves) -> list[float]:
    """The BDE before, and after each step."""
    codes, errors = codes.copy(), []
    for step in range(-1, moves.steps.max() + 1):
        codes[moves.items[moves.steps == step]] = moves.taken[moves.steps == step]
        one_hot = np.eye(class_count)[codes]
        errors.append(bde.error(bde.class_couplings(inverse, one_hot), one_hot.sum(axis=0)))
    return errors


@pytest.mark.parametrize("held", [True, False])
def test_exact_descends_at_every_step_in_blocks_too(held: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not held:
        monkeypatch.setattr(labelling, "LARGEST_HELD", 0)
    features, given, right = noisy_digits(600, 0.3)
    inverse = invert(features, np.eye(10)[given], architecture="2-L", ridge=0.1)
    moved = refurbish_exactly(inverse, given, 10)
    assert (np.diff(bde_along(inverse, given, 10, moved.moves())) < 0).all()
    assert outcome(moved.codes, given, right)[0] > 0.9


def test_blocks_of_gradient_moves_end_about_where_single_ones_do(monkeypatch: pytest.MonkeyPatch) -> None:
    features, given, right = noisy_digits(600, 0.2)
    inverse = invert(features, np.eye(10)[given], architecture="2-L", ridge=0.1)
    one_by_one = refurbish_by_gradient(inverse, given, 10).codes
    monkeypatch.setattr(labelling, "LARGEST_HELD", 0)
    in_blocks = refurbish_by_gradient(inverse, given, 10).codes
    assert (one_by_one == in_blocks).mean() > 0.98
    assert outcome(in_blocks, given, right)[0] > 0.95


def test_annealing_mends_where_most_labels_are_wrong() -> None:
    features, given, right = noisy_digits(1000, 0.6)
    new, _ = refurbish(features, given, method="annealed", architecture="2-L", preparation="none")
    mended, broken = outcome(new, given, right)
    assert mended > 0.88
    assert broken < 0.08


@functools.cache
def with_a_rare_class(left: int) -> tuple[LowRankInverse, np.ndarray]:
    """Digits of which class 3 has *left* items: (inverse at ridge 0.1, right labels)."""
    features, _, right = noisy_digits(1000, 0.0)
    keep = np.sort(np.concatenate([np.flatnonzero(right != 3), np.flatnonzero(right == 3)[:left]]))
    return invert(features[keep], np.eye(10)[right[keep]], architecture="2-L", ridge=0.1), right[keep]


@pytest.mark.long
@SAFE
@pytest.mark.parametrize("left", [2, 3, 5, 10, 20, 40])
@pytest.mark.parametrize("share", [0.0, 0.1])
def test_rare_classes_neither_vanish_nor_fill_up(method: str, left: int, share: float) -> None:
    inverse, right = with_a_rare_class(left)
    random, given = np.random.default_rng(left), right.copy()
    wrong = random.choice(len(right), round(share * len(right)), replace=False)
    given[wrong] = (given[wrong] + random.integers(1, 10, size=len(wrong))) % 10
    new = METHODS[method](with_best_ridge(inverse, np.eye(10)[given]) if method == "posterior" else inverse, given, 10)
    was_right = given == right
    assert (new.codes != given)[was_right].mean() <= 0.015
    assert ((new.codes == 3) & (right != 3) & was_right).sum() <= 1


def test_annealed_repeats_a_single_pass_at_falling_thresholds() -> None:
    gram, codes = small_problem()
    new = refurbish_by_annealing(DenseInverse(gram, ridge=0.1), codes, 3).codes
    for step in range(12):
        predicted = naive.refitted_without(gram, np.eye(3)[codes], 0.1)
        margin = predicted.max(axis=1) - predicted[np.arange(24), codes]
        codes = np.where(margin > 0.5 * (1 - step / 12), predicted.argmax(axis=1), codes)
    assert (new == codes).all()


def test_an_unknown_method_names_the_known_ones() -> None:
    with pytest.raises(InvalidInputError, match="posterior, annealed, exact, gradient"):
        refurbish(np.eye(4), [0, 0, 1, 1], method="magic")  # type: ignore[arg-type]


def test_one_class_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="with one class no label can look wrong"):
        refurbish(np.random.default_rng(0).normal(size=(5, 3)), ["a"] * 5, method="exact")


def test_a_ridge_of_the_users_own_is_taken() -> None:
    features, given, _ = noisy_digits(200, 0.3)
    default, _ = refurbish(features, given, method="annealed", architecture="2-L")
    same, _ = refurbish(features, given, method="annealed", architecture="2-L", ridge=MOVING_RIDGE)
    other, _ = refurbish(features, given, method="annealed", architecture="2-L", ridge=30.0)
    assert (default == same).all()
    assert (default != other).any()
