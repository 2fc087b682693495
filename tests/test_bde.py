"""Z and the BDE against the paper's sums."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ntk_labelqa import block_diagonalization_error
from ntk_labelqa.bde import class_couplings, weights
from ntk_labelqa.errors import InvalidInputError, SingularKernelError
from ntk_labelqa.gram.dense import DenseInverse
from tests import naive


def random_gram(count: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, count + 3))
    return rows @ rows.T


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.sampled_from([0.0, 0.1]), st.sampled_from([0.5, 1.0]))
def test_any_labelling(codes: list[int], ridge: float, beta: float) -> None:
    gram = random_gram(len(codes))
    ours = block_diagonalization_error(gram, codes, classes=range(4), ridge=ridge, beta=beta)
    assert ours == pytest.approx(naive.bde(gram, np.array(codes), 4, ridge, beta), rel=1e-9, abs=1e-12)


def test_z_sums_to_the_inverse_whatever_the_labels() -> None:
    gram = random_gram(9)
    one_hot = np.eye(3)[np.arange(9) % 3]
    z = class_couplings(DenseInverse(gram, ridge=0.1), one_hot)
    assert (z == z.T).all()
    assert z.sum() == pytest.approx(naive.inverse(gram, 0.1).sum())


def test_wrong_labels_raise_it() -> None:
    rows = np.random.default_rng(0).normal(size=(60, 4)) + np.repeat([[5, 0, 0, 0], [0, 5, 0, 0]], 30, axis=0)
    truth = np.repeat([0, 1], 30)
    noisy = truth.copy()
    noisy[[0, 1, 2, 30, 31, 32]] = 1 - noisy[[0, 1, 2, 30, 31, 32]]
    gram = rows @ rows.T
    right, wrong = (block_diagonalization_error(gram, labels, ridge=0.01) for labels in (truth, noisy))
    assert right < wrong


def test_classes_of_one_and_empty_classes_have_no_term() -> None:
    assert weights(np.array([1.0, 2.0, 0.0]))[0, 0] == 0
    assert weights(np.array([1.0, 2.0, 0.0]))[1, 1] == pytest.approx(1 / 6)
    assert not weights(np.array([1.0, 2.0, 0.0]))[2].any()
    assert weights(np.array([3.0])) == pytest.approx(np.array([[1 / 6]]))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="2 rows, but there are 3 labels"):
        block_diagonalization_error(np.eye(2), ["a", "b", "a"])
    with pytest.raises(SingularKernelError, match="Use a ridge of"):
        block_diagonalization_error(np.ones((2, 2)), ["a", "b"])
