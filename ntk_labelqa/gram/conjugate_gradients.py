"""Conjugate gradients over arrays that stay where they are, for systems too large to be solved at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ntk_labelqa.gram.arrays import Array, namespace, repeated

MOST_STEPS = 60
NEAR_ENOUGH = 1e-5
"""Steps at most, and the residual relative to the right side at which they end."""

State = tuple[Array, Array, Array, Array]
"""Solution, residual, direction, all [m, K], and the size of the residual, [K]."""


def conjugate_gradients(image: Callable[[Array], Array], shift: Array, right: Array, diagonal: Array) -> Array:
    """W with (A + shift·I) W = *right*, float64[m, K], each column by itself, preconditioned by *diagonal*.

    *image* is the product with A, positive semi-definite [m, m]; of an accelerator's arrays, within a program.
    """
    scaled = right / diagonal[:, None]
    size = (right * scaled).sum(axis=0)
    enough = NEAR_ENOUGH**2 * size
    start = namespace(right).zeros_like(right), right, scaled, size

    def is_left(state: State) -> Array:
        return (state[-1] > enough).any()

    return repeated(lambda state: step(image(state[2]), shift, diagonal, state), MOST_STEPS, start, is_left)[0]


def step(product: Array, shift: Array, diagonal: Array, state: State) -> State:
    """One step; *product* is A times the direction."""
    solution, residual, direction, size = state
    xp, least = namespace(residual), np.finfo(float).tiny
    image = product + shift * direction
    length = size / xp.maximum((direction * image).sum(axis=0), least)
    solution, residual = solution + length * direction, residual - length * image
    scaled = residual / diagonal[:, None]
    new = (residual * scaled).sum(axis=0)
    return solution, residual, scaled + new / xp.maximum(size, least) * direction, new
