"""Dense kernels against the equations, near cosine 1 above all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.gram import plan
from ntk_labelqa.gram.matrix import gram_matrix
from ntk_labelqa.kernels.inputs import unit_rows
from tests import naive

LAYERS = {"linear": 1, "2-L": 2, "10-L": 10}


@pytest.fixture(scope="module")
def with_duplicates() -> np.ndarray:
    """Items in 784 dimensions, among them exact duplicates, opposites, and near-duplicates at every distance."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(25, 784))
    near = [rows[0] + 10.0**-power * random.normal(size=784) for power in range(9)]
    return np.vstack([rows, rows[:10], 3 * rows[:3], -rows[:2], *[row[None] for row in near]])


@pytest.mark.parametrize("architecture", LAYERS)
class TestAgainstTheEquations:
    def test_float64_to_the_last_digits_diagonal_included(self, architecture: str, with_duplicates) -> None:
        exact = naive.relu_gram(with_duplicates, LAYERS[architecture])
        assert np.abs(gram_matrix(with_duplicates, architecture=architecture) - exact).max() < 1e-11 * exact.max()

    def test_float32_keeps_its_digits_at_cosine_one(self, architecture: str, with_duplicates) -> None:
        exact = naive.relu_gram(with_duplicates, LAYERS[architecture])
        single = gram_matrix(with_duplicates.astype(np.float32), architecture=architecture, dtype="float32")
        assert single.dtype == np.float32
        error = np.abs(single - exact) / exact.max()
        unit = with_duplicates / np.linalg.norm(with_duplicates, axis=1, keepdims=True)
        assert error[np.abs(unit @ unit.T) < 1 - 1e-4].max() < 1e-5
        assert error.max() < 1e-4

    @pytest.mark.long
    def test_tiles_do_not_show(self, architecture: str, with_duplicates, monkeypatch) -> None:
        whole = gram_matrix(with_duplicates, architecture=architecture)
        monkeypatch.setattr(plan, "tile_side", lambda *_: 7)
        assert np.abs(gram_matrix(with_duplicates, architecture=architecture) - whole).max() < 1e-12 * whole.max()

    def test_symmetric_and_positive_semi_definite(self, architecture: str, with_duplicates) -> None:
        gram = gram_matrix(with_duplicates, architecture=architecture)
        assert (gram == gram.T).all()
        assert np.linalg.eigvalsh(gram).min() > -1e-12 * len(gram) * gram.max()


@pytest.mark.long
@settings(max_examples=40, deadline=None)
@given(
    arrays.arrays(
        np.float64,
        st.tuples(st.integers(1, 6), st.integers(1, 5)),
        elements=st.floats(-1e6, 1e6, allow_subnormal=False),
    ).filter(lambda rows: (np.abs(rows).max(axis=1) > 1e-6).all())
)
def test_any_finite_rows(rows: np.ndarray) -> None:
    gram = gram_matrix(rows, architecture="2-L")
    assert np.abs(gram - naive.relu_gram(rows, 2)).max() < 1e-7
    assert np.diag(gram) == pytest.approx(4.0)


def test_scale_of_a_row_does_not_matter() -> None:
    rows = np.random.default_rng(1).normal(size=(4, 3))
    scaled = rows * np.array([[1.0], [1e-30], [1e30], [5.0]])
    assert np.abs(gram_matrix(rows) - gram_matrix(scaled)).max() < 1e-12


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64"])
def test_the_least_integer_keeps_its_sign(dtype: str) -> None:
    rows = np.array([[np.iinfo(dtype).min, 0], [1, 0], [-1, 0], [0, 1]], dtype)
    assert np.abs(gram_matrix(rows) - gram_matrix(rows.astype(np.float64))).max() < 1e-12
    assert np.abs(unit_rows(rows, np.dtype(np.float64))[0] - [-1, 0]).max() < 1e-12


def test_images_are_flattened() -> None:
    images = np.random.default_rng(1).random(size=(5, 4, 3, 2))
    assert (gram_matrix(images) == gram_matrix(images.reshape(5, -1))).all()


@pytest.mark.parametrize(
    ("features", "said"),
    [
        (np.ones(3), "do not fit"),
        (np.ones((0, 3)), "do not fit"),
        (np.array([[1.0, 2.0], [0.0, 0.0]]), r"1 of 2 rows of features are zero: 1"),
        (np.array([[1.0, np.inf], [1.0, 0.0]]), r"NaN or infinite values: 0"),
    ],
)
def test_features_without_a_kernel_are_refused(features: np.ndarray, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        gram_matrix(features)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"no architecture 'ResNet'.*2-L"):
        gram_matrix(np.ones((2, 2)), architecture="ResNet")
    with pytest.raises(InvalidInputError, match="float32 or float64, not float16"):
        gram_matrix(np.ones((2, 2)), dtype="float16")


def test_the_global_precision_of_jax_stays_as_it_was() -> None:
    import jax
    import jax.numpy as jnp

    before = jnp.ones(1).dtype
    gram_matrix(np.eye(3), dtype="float64")
    assert jnp.ones(1).dtype == before
    assert jax.config.jax_enable_x64 is False
