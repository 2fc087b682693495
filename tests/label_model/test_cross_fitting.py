"""Cross-fitted predictions against rounds gone through again without the labels of a fold."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from ntk_labelqa.gram.dense import DenseInverse
from ntk_labelqa.gram.inverse import leave_one_out
from ntk_labelqa.gram.matrix import gram_matrix
from ntk_labelqa.label_model.annotations import FOLDS, Annotations
from ntk_labelqa.label_model.cross_fitting import Predictions, posteriors_of, predicted

CLASSES = 3
TEMPERATURE = 4.0


def inverse_of(items: int, ridge: float = 0.1) -> DenseInverse:
    random = np.random.default_rng(0)
    return DenseInverse(gram_matrix(random.normal(size=(items, 5)) + 2 * np.eye(5)[np.arange(items) % 3]), ridge=ridge)


def labels_of(items: int, seed: int = 1) -> np.ndarray:
    """One-hot, a fifth of them wrong."""
    random = np.random.default_rng(seed)
    codes = np.where(random.random(items) < 0.2, random.integers(CLASSES, size=items), np.arange(items) % 3)
    return np.eye(CLASSES)[codes]


def log_prior(predictions: np.ndarray) -> np.ndarray:
    return TEMPERATURE * predictions


def fold_of(items: int) -> np.ndarray:
    return Annotations.of_codes(np.zeros(items, int), CLASSES).folds()


def after(rounds: int, inverse: DenseInverse, labels: np.ndarray) -> np.ndarray:
    """Predictions of the last round, float64[N, K], of posteriors that hear the label given with log-odds 2."""
    made = Predictions.of_labels(inverse, labels, fold_of(len(labels)))
    for _ in range(rounds):
        posterior = softmax(log_prior(made.values) + 2 * labels, axis=1)
        made = predicted(
            inverse,
            posterior,
            made.posteriors_apart(lambda rows, *apart: posteriors_of(log_prior, 2 * labels[rows], *apart)),
            made.folds,
        )
    return made.values


def without(rounds: int, inverse: DenseInverse, labels: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """The same had the labels of the items *fold* (bool[N]) told nobody else anything, float64[N, K]: step by step."""
    fed = np.where(fold[:, None], leave_one_out(inverse, labels), labels)
    for _ in range(rounds):
        predictions = leave_one_out(inverse, fed)
        prior = softmax(log_prior(predictions), axis=1)
        posterior = softmax(log_prior(predictions) + 2 * labels, axis=1)
        fed = np.where(fold[:, None], prior, posterior)
    return leave_one_out(inverse, posterior)


@pytest.mark.parametrize("rounds", [1, 3])
def test_each_item_is_predicted_as_if_its_fold_had_told_nobody_anything(rounds: int) -> None:
    inverse, labels = inverse_of(60), labels_of(60)
    folds, predictions = fold_of(60), after(rounds, inverse, labels)
    for fold in range(FOLDS):
        expected = without(rounds, inverse, labels, folds == fold)
        np.testing.assert_allclose(predictions[folds == fold], expected[folds == fold], atol=1e-5)


@pytest.mark.parametrize("rounds", [1, 3])
def test_an_items_own_label_hardly_comes_back_to_it(rounds: int) -> None:
    inverse, labels = inverse_of(60), labels_of(60)
    changed = labels.copy()
    changed[7] = np.roll(labels[7], 1)
    naive = []
    for given in (labels, changed):
        fed = given
        for _ in range(rounds):
            fed = softmax(TEMPERATURE * leave_one_out(inverse, fed) + 2 * given, axis=1)
        naive.append(leave_one_out(inverse, fed)[7])
    moved = after(rounds, inverse, changed)[7] - after(rounds, inverse, labels)[7]
    assert np.abs(naive[1] - naive[0]).max() > 0.02, "without cross-fitting it does"
    assert np.abs(moved).max() < 0.1 * np.abs(naive[1] - naive[0]).max()


def test_the_labels_of_others_still_tell() -> None:
    inverse, labels = inverse_of(60), labels_of(60)
    for other in np.flatnonzero(fold_of(60) == fold_of(60)[7])[:3]:
        if other == 7:
            continue
        changed = labels.copy()
        changed[other] = np.roll(labels[other], 1)
        moved = after(1, inverse, changed)[7] - after(1, inverse, labels)[7]
        assert np.abs(moved).max() > 1e-4, "also of its own fold"


@pytest.mark.parametrize(("items", "class_count"), [(3, 3), (12, 200)])
def test_fewer_items_than_folds_and_more_classes_than_columns_at_once(items: int, class_count: int) -> None:
    inverse, labels = inverse_of(items), np.eye(class_count)[np.arange(items) % 3]
    folds, predictions = fold_of(items), after(2, inverse, labels)
    for fold in set(folds):
        expected = without(2, inverse, labels, folds == fold)
        np.testing.assert_allclose(predictions[folds == fold], expected[folds == fold], atol=1e-5)
