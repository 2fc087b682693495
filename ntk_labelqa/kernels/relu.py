r"""One ReLU layer of the NTK recursion, in a form that keeps its digits where the cosine is near 1.

With cosine c = 1 − δ and angle θ = arccos c, the arc-cosine kernels are

.. math::
    κ_0 = 1 - \frac{θ}{π}, \qquad κ_1 = \frac{\sin θ + (π - θ) \cos θ}{π}

Source: Cho and Saul, "Kernel Methods for Deep Learning", NIPS 2009; Jacot, Gabriel and Hongler, "Neural Tangent
Kernel", NeurIPS 2018. There arccos(c) near 1 is only good to √ε. So the recursion here carries δ instead of c:
θ = 2 arctan √(δ/(2 − δ)) is good to ε, and so is 1 − κ₁ = δ − (sin θ − θ cos θ)/π. Near −1 the same holds of 2 − δ,
which is carried along; after the first ReLU no cosine is negative any more.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Layer(NamedTuple):
    """State of the recursion between two inputs of equal norm, after a weight layer.

    Attributes:
        gap: δ = 1 − cosine of the layer's covariance, [...].
        rest: 2 − δ, [...].
        ntk: Θ so far, [...].
        variance: q, the layer's variance; a scalar, as all inputs have one norm.
    """

    gap: jax.Array
    rest: jax.Array
    ntk: jax.Array
    variance: float


def first_layer(gap: jax.Array, rest: jax.Array, weight_variance: float, bias_variance: float) -> Layer:
    """The layer that meets the inputs, whose cosine is 1 − *gap* = *rest* − 1 and whose mean square is 1."""
    variance = weight_variance + bias_variance
    share = weight_variance / variance
    return Layer(share * gap, share * rest + 2 * (1 - share), variance * (1 - share * gap), variance)


def relu_then_dense(layer: Layer, weight_variance: float, bias_variance: float) -> Layer:
    """ReLU, then a weight layer: Σ' = σ_w² q κ₁/2 + σ_b², Θ' = Σ' + σ_w² Θ κ₀/2."""
    angle = 2 * jnp.arctan2(jnp.sqrt(layer.gap), jnp.sqrt(layer.rest))
    sine = jnp.sqrt(layer.gap * layer.rest)
    fall = layer.gap - (sine - angle * (1 - layer.gap)) / jnp.pi  # 1 − κ₁
    carried = weight_variance * layer.variance / 2
    variance = carried + bias_variance
    gap = jnp.maximum(fall, 0) * (carried / variance)
    ntk = variance * (1 - gap) + layer.ntk * (weight_variance / 2) * (1 - angle / jnp.pi)
    return Layer(gap, 2 - gap, ntk, variance)
