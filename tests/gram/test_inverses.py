"""One conformance suite: every inverse against its naive twin."""

from __future__ import annotations

import numpy as np
import pytest

from ntk_labelqa.errors import InvalidInputError, SingularKernelError
from ntk_labelqa.gram.choose import invert
from ntk_labelqa.gram.dense import DenseInverse
from ntk_labelqa.gram.inverse import RegularizedInverse, leave_one_out
from ntk_labelqa.gram.low_rank import LowRankInverse, exact_inverse, nystrom_inverse
from ntk_labelqa.gram.matrix import gram_matrix, prepare
from ntk_labelqa.gram.ridge import RIDGES, leave_one_out_error, with_best_ridge
from tests import naive

RIDGE = 0.05
TOLERANCE = {"dense": 1e-10, "exact": 1e-10, "nystrom": 1e-4}


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(90, 12))


@pytest.fixture(scope="module")
def gram(features: np.ndarray) -> np.ndarray:
    return gram_matrix(features, architecture="2-L")


@pytest.fixture(params=["dense", "exact", "nystrom"])
def named_inverse(request: pytest.FixtureRequest, features: np.ndarray, gram: np.ndarray):
    kernel, inputs = prepare(features, "2-L", "float64")
    return request.param, {
        "dense": lambda: DenseInverse(gram, ridge=RIDGE),
        "exact": lambda: exact_inverse(gram, ridge=RIDGE),
        "nystrom": lambda: nystrom_inverse(kernel, inputs, landmarks=len(inputs), ridge=RIDGE),
    }[request.param]()


def assert_near(actual: np.ndarray, expected: np.ndarray, name: str) -> None:
    assert np.abs(actual - expected).max() <= TOLERANCE[name] * np.abs(expected).max()


class TestConformance:
    def test_apply_is_the_product_with_the_inverse(self, named_inverse, gram) -> None:
        name, inverse = named_inverse
        values = np.random.default_rng(0).normal(size=(len(gram), 4))
        assert_near(inverse.apply(values), naive.inverse(gram, RIDGE) @ values, name)

    def test_diagonal(self, named_inverse, gram) -> None:
        name, inverse = named_inverse
        assert_near(inverse.diagonal(), np.diag(naive.inverse(gram, RIDGE)), name)

    def test_columns_come_in_the_order_asked_for(self, named_inverse, gram) -> None:
        name, inverse = named_inverse
        asked = np.array([7, 0, 88, 7])
        assert_near(inverse.columns(asked), naive.inverse(gram, RIDGE)[:, asked], name)

    def test_another_ridge(self, named_inverse, gram) -> None:
        name, inverse = named_inverse
        other = inverse.at(0.7)
        assert other.ridge == 0.7
        assert_near(other.diagonal(), np.diag(naive.inverse(gram, 0.7)), name)

    def test_leave_one_out_is_n_refits(self, named_inverse, gram) -> None:
        name, inverse = named_inverse
        labels = np.eye(3)[np.random.default_rng(1).integers(3, size=len(gram))]
        assert_near(leave_one_out(inverse, labels), naive.refitted_without(gram, labels, RIDGE), name)

    def test_size_scale_and_ridge_describe_the_gram(self, named_inverse, gram) -> None:
        name, inverse = named_inverse
        assert (inverse.size, inverse.ridge) == (len(gram), RIDGE)
        assert inverse.scale == pytest.approx(np.trace(gram) / len(gram), rel=TOLERANCE[name])

    def test_the_gram_is_left_as_it_was(self, features, gram) -> None:
        before = gram.copy()
        DenseInverse(gram, ridge=RIDGE).at(0.5)
        exact_inverse(gram, ridge=RIDGE)
        assert (gram == before).all()


@pytest.mark.parametrize("ridge", [1e-3, 1e-2, 1.0])
def test_nystrom_with_every_item_as_landmark_is_dense(features: np.ndarray, gram: np.ndarray, ridge: float) -> None:
    kernel, inputs = prepare(features, "2-L", "float64")
    values = np.random.default_rng(0).normal(size=(len(gram), 3))
    low, dense = nystrom_inverse(kernel, inputs, landmarks=90, ridge=ridge), DenseInverse(gram, ridge=ridge)
    assert np.abs(low.apply(values) - dense.apply(values)).max() <= 1e-4 * np.abs(dense.apply(values)).max()


def test_duplicates_without_a_ridge_name_the_ridge_that_would_do() -> None:
    rows = np.random.default_rng(0).normal(size=(20, 5))
    gram = gram_matrix(np.vstack([rows, rows]))
    with pytest.raises(SingularKernelError, match=r"Use a ridge of 1e-\d+ or more") as caught:
        DenseInverse(gram)
    enough = float(str(caught.value).split("ridge of ")[1].split()[0])
    assert np.isfinite(DenseInverse(gram, ridge=enough).diagonal()).all()


@pytest.mark.parametrize(
    ("gram", "said"),
    [
        (np.ones((2, 3)), "square"),
        (np.ones((0, 0)), "not empty"),
        (np.array([[1.0, np.nan], [np.nan, 1.0]]), "NaN"),
        (np.array([[1.0, 0.5], [0.1, 1.0]]), "not symmetric"),
        (np.zeros((2, 2)), "trace"),
    ],
)
def test_a_matrix_that_is_no_gram_is_refused(gram: np.ndarray, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        DenseInverse(gram)


def test_one_item_has_an_inverse() -> None:
    assert DenseInverse(np.array([[4.0]]), ridge=1.0).diagonal() == pytest.approx(1 / 8)


@pytest.mark.parametrize("ridge", [0.0, -1.0, np.nan])
def test_low_rank_without_a_ridge_is_refused(ridge: float) -> None:
    with pytest.raises(InvalidInputError, match="positive ridge"):
        LowRankInverse(np.ones((3, 1)), np.array([3.0]), 1.0, ridge=ridge)


def test_the_ridge_chosen_is_the_best_of_the_grid(gram: np.ndarray, features: np.ndarray) -> None:
    labels = np.eye(2)[(features[:, 0] > 0).astype(int)]
    chosen = with_best_ridge(exact_inverse(gram, ridge=1.0), labels)
    errors = [np.square(naive.refitted_without(gram, labels, ridge) - labels).mean() for ridge in RIDGES]
    assert chosen.ridge == RIDGES[np.argmin(errors)]
    assert leave_one_out_error(chosen, labels) == pytest.approx(min(errors))


@pytest.mark.parametrize(("landmarks", "exact"), [("auto", True), (500, True), (40, False)])
def test_landmarks_beyond_the_items_invert_exactly(features, gram, landmarks, exact: bool) -> None:
    labels = np.eye(2)[(features[:, 0] > 0).astype(int)]
    inverse: RegularizedInverse = invert(
        features, labels, architecture="2-L", ridge=0.1, landmarks=landmarks, dtype="float64"
    )
    worst = np.abs(inverse.diagonal() - np.diag(naive.inverse(gram, 0.1))).max()
    assert (worst < 1e-9) == exact
