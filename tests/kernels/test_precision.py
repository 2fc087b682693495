"""What jax compiles for us, and for how long it is kept."""

from __future__ import annotations

import jax
import numpy as np
import psutil
import pytest

from ntk_labelqa.kernels.dense import DenseNetwork
from ntk_labelqa.kernels.precision import MOST_PROGRAMS, compiled

SHAPES = 40
"""Programs of 2 MB, if all of them were kept."""


@pytest.mark.slow
def test_memory_does_not_grow_with_every_shape_that_was_ever_met() -> None:
    kernel, random = DenseNetwork(2), np.random.default_rng(0)

    def compute(items: int) -> int:
        inputs = kernel.prepare(random.normal(size=(items, 7)), np.dtype(np.float64))
        kernel.block(inputs)
        return psutil.Process().memory_info().rss

    before = [compute(30 + number) for number in range(2 * MOST_PROGRAMS["cpu"])][-1]
    after = [compute(100 + number) for number in range(SHAPES)][-1]
    assert after - before < SHAPES * 2**20


def test_a_shape_that_is_met_again_is_not_compiled_again() -> None:
    traced = []

    @compiled(static_argnums=1)
    def scaled(values: jax.Array, factor: float) -> jax.Array:
        traced.append((len(values), factor))
        return values * factor

    most = MOST_PROGRAMS["cpu"]
    forms = [(size, factor) for size in range(1, most // 2 + 1) for factor in (1.0, 2.0)]
    for size, factor in forms * 3:
        np.testing.assert_array_equal(scaled(np.ones(size, np.float32), factor), np.full(size, factor))
    assert traced == forms
    scaled(np.ones(most, np.float32), 1.0)  # one more than are kept
    scaled(np.ones(1, np.float32), 1.0)
    assert traced == [*forms, (most, 1.0), (1, 1.0)]
