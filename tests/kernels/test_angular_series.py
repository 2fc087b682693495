"""The series that stands for a deep network's recursion, beside what it stands for."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from ntk_labelqa.gram.matrix import gram_matrix
from ntk_labelqa.kernels.angular_series import evaluated, series_of
from ntk_labelqa.kernels.dense import DenseNetwork

ANGLES = np.linspace(0, np.pi, 301)


def test_a_smooth_kernel_is_its_series_from_end_to_end() -> None:
    series = series_of(lambda angle: 3 + np.cos(angle) + 0.1 * np.cos(5 * angle))
    assert series is not None
    values = evaluated(series, jnp.asarray(ANGLES, jnp.float32))
    assert np.abs(values - (3 + np.cos(ANGLES) + 0.1 * np.cos(5 * ANGLES))).max() < 2e-6


@pytest.mark.parametrize("kernel", [lambda angle: np.abs(angle - 1), lambda angle: np.sqrt(np.pi - angle)])
def test_a_kernel_that_bends_sharply_has_none(kernel) -> None:
    assert series_of(kernel) is None


@pytest.mark.long
@pytest.mark.parametrize("bias_variance", [0.0, 1e-3, 1.0])
@pytest.mark.parametrize("layers", [4, 10])
def test_float32_is_as_good_as_float64_rounded(layers: int, bias_variance: float) -> None:
    network = DenseNetwork(layers, bias_variance=bias_variance)
    rows = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
    exact = gram_matrix(rows, architecture=network, dtype="float64")
    single = gram_matrix(rows, architecture=network, dtype="float32")
    assert np.abs(single - exact).max() < 3e-6 * exact.max()
