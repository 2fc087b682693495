"""The same numbers on the processor and by way of jax, which is what an accelerator gets."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from ntk_labelqa.gram import arrays
from ntk_labelqa.gram.arrays import eigen, fused, moment, panelwise, solved, to_device, to_host, whitened
from ntk_labelqa.gram.dense import DenseInverse
from ntk_labelqa.gram.inverse import leave_one_out
from ntk_labelqa.gram.low_rank import exact_inverse
from ntk_labelqa.gram.matrix import gram_matrix, gram_of, prepare
from ntk_labelqa.gram.nystrom import nystrom_inverse
from ntk_labelqa.gram.ridge import with_best_ridge
from tests import naive

pytestmark = pytest.mark.usefixtures("_device")


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
def test_each_step_does_what_it_says_in_the_precision_given(dtype: str, tolerance: float) -> None:
    rng = np.random.default_rng(0)
    block = rng.normal(size=(50, 20)).astype(dtype)
    factor = (np.tril(rng.normal(size=(20, 20))) / 20 + np.eye(20)).astype(dtype)
    exact, lower = block.astype(np.float64), factor.astype(np.float64)
    for actual, expected, kind in [
        (_whitened(to_device(factor), to_device(block.copy())), exact @ np.linalg.inv(lower).T, dtype),
        (_solved(to_device(np.tril(lower @ lower.T)), to_device(lower)), np.linalg.inv(lower).T, np.float64),
        *((np.tril(to_host(moment(to_device(block), some))), np.tril(exact.T @ exact), np.float64) for some in (8, 99)),
    ]:
        assert actual.dtype == kind
        np.testing.assert_allclose(to_host(actual), expected, atol=tolerance * np.abs(expected).max(), rtol=0)


_whitened, _solved = fused()(whitened), fused()(solved)


@pytest.mark.parametrize("length", [1, 7, 25, 50, 99])
def test_what_is_done_panel_by_panel_is_what_is_done_at_once(length: int) -> None:
    rows, by = np.arange(150.0).reshape(50, 3), np.array([1.0, 10.0, 100.0])
    seen: list[tuple[int, int]] = []
    found = panelwise(
        _scaled, 2, length, to_device(rows), to_device(by), tick=lambda done, total: seen.append((done, total))
    )
    np.testing.assert_allclose(to_host(found), 2 * rows * by)
    assert seen[-1] == (-(-50 // length),) * 2


def _scaled(how: int, rows: arrays.Array, by: arrays.Array) -> arrays.Array:
    return how * rows * by


def test_eigenvalues_ascend_and_vectors_are_columns() -> None:
    symmetric = np.cov(np.random.default_rng(1).normal(size=(30, 200)))
    lower = to_device(np.tril(symmetric))  # above the diagonal a second moment may be anything
    spectrum, vectors = map(to_host, eigen(lower))
    assert (np.diff(spectrum) >= 0).all()
    assert spectrum.dtype == np.float64
    np.testing.assert_allclose(vectors * spectrum @ vectors.T, symmetric, atol=1e-12)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(30), atol=1e-12)


def test_what_is_not_finite_has_no_eigenvalues() -> None:
    symmetric = np.eye(5)
    symmetric[1, 2] = symmetric[2, 1] = np.nan
    with pytest.raises(ValueError, match="infs or NaNs"):
        eigen(to_device(symmetric))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nystrom_over_several_panels_is_dense_where_all_are_landmarks(dtype: str, monkeypatch) -> None:
    monkeypatch.setattr("ntk_labelqa.gram.nystrom.PANEL", 32)  # 90 items: the last panel is shorter than the others
    features, labels = _sample()
    gram = gram_matrix(features, architecture="2-L", dtype="float64")
    inverse = nystrom_inverse(*prepare(features, "2-L", dtype), landmarks=90, ridge=0.1)
    np.testing.assert_allclose(leave_one_out(inverse, labels), naive.refitted_without(gram, labels, 0.1), atol=1e-3)


@pytest.mark.parametrize("architecture", ["linear", "2-L", "10-L"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_gram_matrix_is_exactly_symmetric_and_has_duplicates_right(architecture: str, dtype: str) -> None:
    features, _ = _sample()
    features[7], features[8] = features[3], -features[4]
    gram = gram_matrix(features, architecture=architecture, dtype=dtype)
    exact = gram_matrix(features, architecture=architecture, dtype="float64")
    assert gram.dtype == dtype
    np.testing.assert_array_equal(gram, gram.T)
    np.testing.assert_allclose(gram, exact, atol=3e-6 * exact.max())
    assert abs(gram[3, 7] - gram[3, 3]) <= 1e-6 * gram[3, 3]


@pytest.mark.parametrize(("architecture", "shape"), [("2-L", (90, 12)), ("CNN-1", (13, 6, 5))])
def test_the_gram_matrix_in_several_tiles_is_that_in_one(
    architecture: str, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel, inputs = prepare(np.random.default_rng(4).normal(size=shape), architecture, "float64")
    exact = kernel.block(inputs, inputs)
    pairs = (len(inputs) // 3) ** 2
    for tile in ("PROCESSOR_TILE", "ACCELERATOR_TILE"):
        monkeypatch.setattr(f"ntk_labelqa.gram.tiles.{tile}", pairs * kernel.bytes_per_pair(inputs))
    ticks: list[tuple[int, int]] = []
    gram = gram_of(kernel, inputs, progress=lambda done, total: ticks.append((done, total)))
    np.testing.assert_array_equal(gram, gram.T)
    np.testing.assert_allclose(gram, exact, rtol=1e-12)
    assert ticks[-1][0] == ticks[-1][1] >= 6


@pytest.mark.parametrize("_device", [True], indirect=True, ids=["accelerator"])
def test_arrays_cross_to_the_device_and_back_where_it_is_said_alone() -> None:
    features, labels = _sample()
    kernel, inputs = prepare(features, "2-L", "float32")
    with jax.transfer_guard("disallow"):
        low_rank = nystrom_inverse(kernel, inputs, landmarks=40, ridge=0.1, sampling="uniform")
        for inverse in (with_best_ridge(low_rank, labels), DenseInverse(gram_of(kernel, inputs), ridge=0.1)):
            found = [leave_one_out(inverse, labels), inverse.columns(np.array([3, 1]))]
            found += [to_host(inverse.predicted_from(np.arange(count), labels)) for count in (10, 60)]
            assert all(type(part) is np.ndarray and np.isfinite(part).all() and part.any() for part in found)


def test_the_exact_inverse() -> None:
    features, labels = _sample()
    gram = gram_matrix(features, architecture="2-L", dtype="float64")
    inverse = exact_inverse(gram, ridge=0.1)
    np.testing.assert_allclose(leave_one_out(inverse, labels), naive.refitted_without(gram, labels, 0.1), atol=1e-9)


def _sample() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return rng.normal(size=(90, 12)), np.eye(3)[rng.integers(3, size=90)]
