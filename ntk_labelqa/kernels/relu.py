r"""The ReLU of the NTK recursion, in a form that keeps its digits where the cosine is near 1 or −1.

With cosine c = 1 − δ and angle θ = arccos c, the arc-cosine kernels are

.. math::
    κ_0 = 1 - \frac{θ}{π}, \qquad κ_1 = \frac{\sin θ + (π - θ) \cos θ}{π}

Source: Cho and Saul, "Kernel Methods for Deep Learning", NIPS 2009; Jacot, Gabriel and Hongler, "Neural Tangent
Kernel", NeurIPS 2018. There arccos(c) near 1 is only good to √ε. So the recursion here carries the gap δ instead of c:
θ = 2 arcsin √(δ/2) is good to ε, and so is 1 − κ₁ = δ − (sin θ − θ cos θ)/π. Near −1 the same holds of the rest 2 − δ,
which is carried along; after the first ReLU no cosine is negative any more.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from numpy.polynomial import Chebyshev, Polynomial


def _arcsine_series(degree: int) -> tuple[float, ...]:
    """Coefficients of arcsin(√t)/√t on 0 … ½, lowest first; an analytic function, so Chebyshev points suffice."""

    def smooth(t: np.ndarray) -> np.ndarray:
        return np.arcsin(np.sqrt(t)) / np.sqrt(t)

    return tuple(Chebyshev.interpolate(smooth, degree, [0, 0.5]).convert(kind=Polynomial).coef.tolist())


ARCSINE = _arcsine_series(8)  # error 2e-8, below float32's rounding


def relu(gap: jax.Array, rest: jax.Array) -> tuple[jax.Array, jax.Array]:
    """1 − κ₁ and κ₀ of two inputs whose cosine is 1 − *gap* = *rest* − 1."""
    angle = angle_of(gap, rest)
    sine = jnp.sqrt(gap * rest)
    fall = gap - (sine - angle * (1 - gap)) / jnp.pi
    return jnp.maximum(fall, 0), 1 - angle / jnp.pi


def angle_of(gap: jax.Array, rest: jax.Array) -> jax.Array:
    """θ of two inputs whose cosine is 1 − *gap* = *rest* − 1, in [0, π]."""
    if gap.dtype == jnp.float64:
        return 2 * jnp.arctan2(jnp.sqrt(gap), jnp.sqrt(rest))
    # In float32 a polynomial of half the angle's squared sine is six times as fast as arctan2, and as good.
    square = jnp.minimum(gap, rest) / 2
    series = jnp.full_like(square, ARCSINE[-1])
    for coefficient in ARCSINE[-2::-1]:
        series = series * square + coefficient
    small = 2 * jnp.sqrt(square) * series
    return jnp.where(gap <= rest, small, jnp.pi - small)
