"""Labels as their few entries, and predictions a panel of classes at a time."""

from __future__ import annotations

import numpy as np
import pytest

from ntk_labelqa import row_store
from ntk_labelqa.diagnostics import panels
from ntk_labelqa.gram.dense import DenseInverse
from ntk_labelqa.gram.inverse import leave_one_out, predicted_classes
from ntk_labelqa.label_model.annotations import Annotations


@pytest.mark.parametrize("items_at_once", [1, 7, 40])
def test_the_predicted_class_is_the_largest_whatever_the_panels(monkeypatch, items_at_once: int) -> None:
    features = np.random.default_rng(0).normal(size=(40, 3))
    labels = np.eye(5)[np.arange(40) % 4]  # of the last class nothing is ever predicted
    inverse = DenseInverse(features @ features.T, ridge=0.1)
    monkeypatch.setattr(row_store, "PANEL_NUMBERS", 5 * items_at_once)
    expected = leave_one_out(inverse, labels).argmax(axis=1)
    assert predicted_classes(inverse, labels).tolist() == expected.tolist()


def test_shares_are_the_means_of_an_items_labels() -> None:
    items, labels = np.array([0, 0, 0, 1, 3]), np.array([2, 1, 2, 0, 1])
    shares = panels.label_shares(items, labels, 4, 3).toarray()
    np.testing.assert_allclose(shares, Annotations(items, labels, np.zeros(5, int), 4, 3).means())
    assert shares[2].tolist() == [0, 0, 0]


def test_of_equal_predictions_the_first_class_is_taken() -> None:
    best = panels.Best(2)
    best.see(np.array([[1.0, 1.0], [0.0, -1.0]]), slice(0, 2))
    best.see(np.array([[1.0], [0.5]]), slice(2, 3))
    assert best.classes.tolist() == [0, 2]


def test_the_most_frequent_label_is_the_first_of_those_given_equally_often() -> None:
    counts = panels.label_counts(np.array([0, 0, 0, 1, 1, 3]), np.array([2, 1, 2, 2, 1, 0]), 4, 3)
    assert counts.toarray().tolist() == [[0, 1, 2], [0, 1, 1], [0, 0, 0], [1, 0, 0]]
    assert panels.most_frequent(counts).tolist() == [2, 1, 0, 0]
