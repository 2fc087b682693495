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
"""Below this gap, 1 − cosine is computed anew from the difference of the rows, in float64."""
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
            gap, least = _gaps(rows, columns)
            if self.weight_layers > 1 and float(least) < NEAR:
                gap = jnp.asarray(_mend_near_pairs(np.array(gap), rows, columns))
            return np.asarray(_recursion(gap, self.weight_layers, self.weight_variance, self.bias_variance))

    def diagonal(self, inputs: np.ndarray) -> np.ndarray:
        """Θ at cosine 1, the same for every item, [N]."""
        with precision(inputs.dtype):
            zero = jnp.zeros((1, 1), inputs.dtype)
            value = _recursion(zero, self.weight_layers, self.weight_variance, self.bias_variance)
        return np.full(len(inputs), np.asarray(value)[0, 0])

    def bytes_per_pair(self, inputs: np.ndarray) -> int:
        """The gap, the result, and two temporaries of the recursion."""
        return 4 * inputs.dtype.itemsize


@jax.jit
def _gaps(rows: jax.Array, columns: jax.Array) -> tuple[jax.Array, jax.Array]:
    """1 − cosine of unit rows, and the least of them. Full precision by name: TF32 may be a GPU's default."""
    cosine = jnp.matmul(rows, columns.T, precision=jax.lax.Precision.HIGHEST)
    gap = jnp.clip(1 - cosine, 0, 2)
    return gap, gap.min()


@partial(jax.jit, static_argnums=(1, 2, 3))
def _recursion(gap: jax.Array, weight_layers: int, weight_variance: float, bias_variance: float) -> jax.Array:
    layer = first_layer(gap, weight_variance, bias_variance)
    for _ in range(weight_layers - 1):
        layer = relu_then_dense(layer, weight_variance, bias_variance)
    return layer.ntk


def _mend_near_pairs(gap: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """*gap* with the entries below :data:`NEAR` taken from 1 − cos = |a − b|²/2, which loses no digits there."""
    first, second = np.nonzero(gap < NEAR)
    for start in range(0, len(first), PAIRS_AT_ONCE):
        a, b = first[start : start + PAIRS_AT_ONCE], second[start : start + PAIRS_AT_ONCE]
        difference = rows[a].astype(np.float64) - columns[b]
        gap[a, b] = np.einsum("ij,ij->i", difference, difference) / 2
    return gap
