"""The same numbers on the processor and by way of jax, which is what an accelerator gets."""

from __future__ import annotations

import numpy as np
import pytest

from ntk_labelqa.gram import linear_algebra
from ntk_labelqa.gram.inverse import leave_one_out
from ntk_labelqa.gram.linear_algebra import eigen, product, second_moment, whitened
from ntk_labelqa.gram.low_rank import exact_inverse, nystrom_inverse
from ntk_labelqa.gram.matrix import gram_matrix, prepare
from tests import naive


@pytest.fixture(params=[False, True], ids=["processor", "accelerator"])
def _device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_algebra, "on_accelerator", lambda: request.param)


pytestmark = pytest.mark.usefixtures("_device")


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
def test_each_step_does_what_it_says_in_the_precision_given(dtype: str, tolerance: float) -> None:
    rng = np.random.default_rng(0)
    block = rng.normal(size=(50, 20)).astype(dtype)
    factor = (np.tril(rng.normal(size=(20, 20))) / 20 + np.eye(20)).astype(dtype)
    exact, lower = block.astype(np.float64), factor.astype(np.float64)
    for actual, expected in [
        (whitened(factor, block.copy()), exact @ np.linalg.inv(lower).T),
        (np.tril(second_moment(block)), np.tril(exact.T @ exact)),
        (product(block, factor), exact @ lower),
    ]:
        assert actual.dtype == dtype
        np.testing.assert_allclose(actual, expected, atol=tolerance * np.abs(expected).max(), rtol=0)


def test_eigenvalues_ascend_and_vectors_are_columns() -> None:
    symmetric = np.cov(np.random.default_rng(1).normal(size=(30, 200)))
    spectrum, vectors = eigen(np.tril(symmetric))  # above the diagonal a second moment may be anything
    assert (np.diff(spectrum) >= 0).all()
    assert spectrum.dtype == np.float64
    np.testing.assert_allclose(vectors * spectrum @ vectors.T, symmetric, atol=1e-12)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(30), atol=1e-12)


def test_what_is_not_finite_has_no_eigenvalues() -> None:
    symmetric = np.eye(5)
    symmetric[1, 2] = symmetric[2, 1] = np.nan
    with pytest.raises(ValueError, match="infs or NaNs"):
        eigen(symmetric)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nystrom_over_several_panels_is_dense_where_all_are_landmarks(dtype: str, monkeypatch) -> None:
    monkeypatch.setattr("ntk_labelqa.gram.low_rank.PANEL", 32)  # 90 items: the last panel is shorter than the others
    features, labels = _sample()
    gram = gram_matrix(features, architecture="2-L", dtype="float64")
    inverse = nystrom_inverse(*prepare(features, "2-L", dtype), landmarks=90, ridge=0.1)
    np.testing.assert_allclose(leave_one_out(inverse, labels), naive.refitted_without(gram, labels, 0.1), atol=1e-3)


def test_the_exact_inverse() -> None:
    features, labels = _sample()
    gram = gram_matrix(features, architecture="2-L", dtype="float64")
    inverse = exact_inverse(gram, ridge=0.1)
    np.testing.assert_allclose(leave_one_out(inverse, labels), naive.refitted_without(gram, labels, 0.1), atol=1e-9)


def _sample() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return rng.normal(size=(90, 12)), np.eye(3)[rng.integers(3, size=90)]
