"""Architectures compared on the same items, and what is recommended of them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import KernelPCA

from ntk_labelqa import architecture_fit, gram_matrix
from ntk_labelqa.diagnostics.architectures import Fit, Fits, alignment, effective_dimension
from ntk_labelqa.diagnostics.kpca import principal_components, separation
from ntk_labelqa.diagnostics.recommendation import recommend
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.gram.dense import DenseInverse
from tests import naive


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    images, labels = load_digits(return_X_y=True)
    return images[:200].reshape(-1, 8, 8), labels[:200]


def rings(count: int = 160) -> tuple[np.ndarray, np.ndarray]:
    """Two classes that only a curved boundary tells apart: the sign of the product of two coordinates."""
    features = np.random.default_rng(0).normal(size=(count, 2))
    return features, np.where(features.prod(axis=1) > 0, "same", "other")


def test_components_are_those_of_kernel_pca(digits) -> None:
    gram = gram_matrix(digits[0], architecture="2-L")
    reference = KernelPCA(3, kernel="precomputed").fit_transform(gram)
    found = principal_components(gram, 3)
    assert np.abs(found) == pytest.approx(np.abs(reference), abs=1e-6)


def test_separation_is_distance_to_others_over_own() -> None:
    coordinates = np.array([[0.0, 0.0], [0.0, 1.0], [10.0, 0.0], [10.0, 1.0]])
    far = np.hypot(10, 1)
    assert separation(coordinates, np.array([0, 0, 1, 1])).ratio == pytest.approx((10 + far) / 2)
    assert separation(coordinates, np.array([0, 1, 0, 1])).ratio == pytest.approx((1 + far) / 2 / 10)
    assert np.isnan(separation(coordinates, np.arange(4)).ratio)


def test_alignment_and_dimension_are_those_of_the_equations(digits) -> None:
    gram, one_hot = gram_matrix(digits[0], architecture="2-L"), np.eye(10)[digits[1]]
    centring = np.eye(200) - 1 / 200
    kernel, target = centring @ gram @ centring, centring @ one_hot @ one_hot.T @ centring
    expected = (kernel * target).sum() / (np.linalg.norm(kernel) * np.linalg.norm(target))
    assert alignment(gram, one_hot) == pytest.approx(expected)
    dimension = np.trace(gram @ naive.inverse(gram, 0.1))
    assert effective_dimension(DenseInverse(gram, ridge=0.1)) == pytest.approx(dimension)


@pytest.mark.long
def test_every_architecture_that_fits_is_in_the_table(digits) -> None:
    table = architecture_fit(*digits, architectures=["2-L", "CNN-1"]).set_index("architecture")
    assert set(table.index) == {"linear", "2-L", "CNN-1"}
    assert (table["left_out"] == "").all()
    assert table["accuracy"].between(table["accuracy_low"], table["accuracy_high"]).all()
    assert (table["accuracy"] > 0.8).all()
    assert (table["kpca_ratio"] > 1).all()
    assert table["alignment"].between(0, 1).all()
    assert (table["effective_dimension"] < 200).all()
    assert table["accuracy"].is_monotonic_decreasing


@pytest.mark.long
def test_what_does_not_fit_is_left_out_and_said(digits) -> None:
    images, labels = digits
    table = architecture_fit(images.reshape(200, -1), labels, ["CNN-1", "2-L"]).set_index("architecture")
    assert table.index[-1] == "CNN-1"
    assert "no images" in table.loc["CNN-1", "left_out"]
    assert np.isnan(table.loc["CNN-1", "accuracy"])
    dear = architecture_fit(images, labels, ["CNN-3"], budget=1e-9).set_index("architecture")
    assert "would take about" in dear.loc["CNN-3", "left_out"]


def test_a_curved_boundary_needs_more_than_the_floor() -> None:
    table = architecture_fit(*rings(), ["2-L"]).set_index("architecture")
    assert table.loc["2-L", "accuracy"] > 0.85 > table.loc["linear", "accuracy"]


@pytest.mark.parametrize(("labels", "said"), [(["a"] * 5, "of one class"), (["a", "b"], "do not go with 2 labels")])
def test_bad_input_is_refused(labels, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        architecture_fit(np.eye(5), labels)


def fits(**right: np.ndarray) -> Fits:
    judged = [
        Fit(name.replace("_", "-"), {"accuracy": float(hits.mean())}, hits, np.zeros((len(hits), 4)))
        for name, hits in right.items()
    ]
    count = len(judged[0].right)
    return Fits(tuple(judged), {}, np.arange(count), np.zeros(count, int), ("a", "b"), count)


def hits(share: float, count: int = 400) -> np.ndarray:
    return np.arange(count) % 100 < 100 * share


def test_the_simplest_of_those_that_are_level_is_recommended() -> None:
    advice = recommend(fits(linear=hits(0.90), CNN_1=hits(0.91)[::-1]))
    assert advice.name == "linear"
    assert advice.level_with == ("CNN-1",)
    assert not advice.is_sure
    assert "cannot be distinguished from CNN-1" in advice.doubt
    assert "linear model" in advice.title


def test_a_clear_winner_is_recommended_with_its_margin() -> None:
    advice = recommend(fits(linear=hits(0.7), D2_L=hits(0.8), CNN_1=hits(0.9)))
    assert advice.name == "CNN-1"
    assert advice.is_sure
    assert "convolutional" in advice.title
    assert "10.0 percentage points" in advice.doubt


def test_with_nothing_to_compare_nothing_is_claimed() -> None:
    assert "nothing to compare" in recommend(fits(linear=hits(0.9))).doubt
