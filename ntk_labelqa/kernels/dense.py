"""The NTK of fully connected ReLU networks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ntk_labelqa.kernels.inputs import unit_rows
from ntk_labelqa.kernels.precision import precision
from ntk_labelqa.kernels.relu import first_layer, relu_then_dense

NEAR = 1e-3
"""Where the cosine is this near to 1 or −1, its distance from it is computed anew from the rows, in float64."""
PAIRS_AT_ONCE = 4096


@dataclass(frozen=True)
class DenseNetwork:
    """*weight_layers* fully connected layers with ReLU between them; one layer is the linear kernel.

    NTK parameterisation. Rows are scaled to norm √D first, so the variance of each layer is the same for all items.

    Attributes:
        weight_layers: 1 or more.
        weight_variance: σ_w²; 2 keeps the variance from layer to layer.
        bias_variance: σ_b².
    """

    weight_layers: int
    weight_variance: float = 2.0
    bias_variance: float = 0.0

    def prepare(self, features: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """Unit rows, dtype[N, D]."""
        return unit_rows(features, dtype)

    def block(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Θ, [a, b]. Cost: 2abD flops and about ten more a layer and pair."""
        with precision(rows.dtype):
            gap, least, largest = _gaps(rows, columns)
            rest = 2 - gap
            if self.weight_layers > 1 and float(least) < NEAR:
                gap = _mended(np.array(gap), rows, columns, sign=-1)
            if self.weight_layers > 1 and float(largest) > 2 - NEAR:
                rest = _mended(np.array(rest), rows, columns, sign=+1)
            return np.asarray(_recursion(gap, rest, self.weight_layers, self.weight_variance, self.bias_variance))

    def diagonal(self, inputs: np.ndarray) -> np.ndarray:
        """Θ at cosine 1, the same for every item, [N]."""
        with precision(inputs.dtype):
            zero = jnp.zeros((1, 1), inputs.dtype)
            value = _recursion(zero, zero + 2, self.weight_layers, self.weight_variance, self.bias_variance)
        return np.full(len(inputs), np.asarray(value)[0, 0])

    def bytes_per_pair(self, inputs: np.ndarray) -> int:
        """The gap, the result, and two temporaries of the recursion."""
        return 4 * inputs.dtype.itemsize


@jax.jit
def _gaps(rows: jax.Array, columns: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """1 − cosine of unit rows, its least and its largest. Full precision by name: TF32 may be a GPU's default."""
    cosine = jnp.matmul(rows, columns.T, precision=jax.lax.Precision.HIGHEST)
    gap = jnp.clip(1 - cosine, 0, 2)
    return gap, gap.min(), gap.max()


@partial(jax.jit, static_argnums=(2, 3, 4))
def _recursion(
    gap: jax.Array, rest: jax.Array, weight_layers: int, weight_variance: float, bias_variance: float
) -> jax.Array:
    layer = first_layer(gap, rest, weight_variance, bias_variance)
    for _ in range(weight_layers - 1):
        layer = relu_then_dense(layer, weight_variance, bias_variance)
    return layer.ntk


def _mended(distance: np.ndarray, rows: np.ndarray, columns: np.ndarray, *, sign: int) -> np.ndarray:
    """*distance* of the cosine from 1 (sign −1) or −1 (sign +1), its small entries from |a ± b|²/2, which is exact."""
    first, second = np.nonzero(distance < NEAR)
    for start in range(0, len(first), PAIRS_AT_ONCE):
        a, b = first[start : start + PAIRS_AT_ONCE], second[start : start + PAIRS_AT_ONCE]
        between = rows[a].astype(np.float64) + sign * columns[b].astype(np.float64)
        distance[a, b] = np.einsum("ij,ij->i", between, between) / 2
    return distance
