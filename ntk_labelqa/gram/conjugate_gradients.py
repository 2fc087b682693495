"""Conjugate gradients over arrays that stay where they are, for systems too large to be solved at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ntk_labelqa.gram.arrays import Array, fused, namespace, to_host

MOST_STEPS = 60
NEAR_ENOUGH = 1e-5
"""Steps at most, and the residual relative to the right side at which they end."""


def conjugate_gradients(image: Callable[[Array], Array], shift: Array, right: Array, diagonal: Array) -> Array:
    """W with (A + shift·I) W = *right*, float64[m, K], each column by itself, preconditioned by *diagonal*.

    *image* is the product with A, positive semi-definite [m, m].
    """
    state = _start(right, diagonal)
    enough = NEAR_ENOUGH**2 * to_host(state[-1])
    for _ in range(MOST_STEPS):
        if (to_host(state[-1]) <= enough).all():
            break
        state = _step(image(state[2]), shift, diagonal, *state)
    return state[0]


@fused()
def _start(right: Array, diagonal: Array) -> tuple[Array, ...]:
    """Solution, residual, direction, and the size of the residual."""
    scaled = right / diagonal[:, None]
    return namespace(right).zeros_like(right), right, scaled, (right * scaled).sum(axis=0)


@fused()
def _step(
    product: Array, shift: Array, diagonal: Array, solution: Array, residual: Array, direction: Array, size: Array
) -> tuple[Array, ...]:
    xp, least = namespace(residual), np.finfo(float).tiny
    image = product + shift * direction
    step = size / xp.maximum((direction * image).sum(axis=0), least)
    solution, residual = solution + step * direction, residual - step * image
    scaled = residual / diagonal[:, None]
    new = (residual * scaled).sum(axis=0)
    return solution, residual, scaled + new / xp.maximum(size, least) * direction, new
