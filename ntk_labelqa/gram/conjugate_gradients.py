"""Conjugate gradients over arrays that stay where they are, for systems too large to be solved at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ntk_labelqa.gram.arrays import Array, namespace, repeated

MOST_STEPS = 60
NEAR_ENOUGH = 1e-5
"""Steps at most, and the residual relative to the right side at which they end."""


def conjugate_gradients(image: Callable[[Array], Array], shift: Array, right: Array, diagonal: Array) -> Array:
    """W with (A + shift·I) W = *right*, float64[m, K], each column by itself, preconditioned by *diagonal*.

    *image* is the product with A, positive semi-definite [m, m]; of an accelerator's arrays, within a program.
    """
    xp, least = namespace(right), np.finfo(float).tiny
    scaled = right / diagonal[:, None]
    size = (right * scaled).sum(axis=0)
    enough = NEAR_ENOUGH**2 * size

    def step(state: tuple[Array, ...]) -> tuple[Array, ...]:
        solution, residual, direction, size = state
        product = image(direction) + shift * direction
        length = size / xp.maximum((direction * product).sum(axis=0), least)
        solution, residual = solution + length * direction, residual - length * product
        scaled = residual / diagonal[:, None]
        new = (residual * scaled).sum(axis=0)
        return solution, residual, scaled + new / xp.maximum(size, least) * direction, new

    def is_left(state: tuple[Array, ...]) -> Array:
        return (state[-1] > enough).any()

    return repeated(step, MOST_STEPS, (xp.zeros_like(right), right, scaled, size), is_left)[0]
