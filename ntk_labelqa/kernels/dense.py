"""The NTK of fully connected ReLU networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np

from ntk_labelqa.kernels.angular_series import evaluated, series_of
from ntk_labelqa.kernels.inputs import unit_rows
from ntk_labelqa.kernels.precision import compiled, of_numpy, precision
from ntk_labelqa.kernels.relu import angle_of, relu
from ntk_labelqa.row_store import Rows

NEAR = {np.dtype(np.float32): 1e-3, np.dtype(np.float64): 1e-6}
"""Where the cosine is this near to 1 or −1, a product of rows loses digits, and it is computed from a ∓ b instead."""
PAIRS_AT_ONCE = 2048
FEWEST_LAYERS = 4
"""From which a series in the angle is faster than the recursion."""

Theta = Callable[[jax.Array, jax.Array], jax.Array]
"""Θ from 1 − cosine (gap) and 1 + cosine (rest) of the inputs."""


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

    def prepare(self, features: Rows, dtype: np.dtype) -> Rows:
        """Unit rows, dtype[N, D]."""
        return unit_rows(features, dtype)

    def block(self, rows: np.ndarray, columns: np.ndarray | None = None) -> np.ndarray:
        """Θ, [a, b]. Cost: 2abD flops, and a pair 40 a hidden layer; about 80 for many layers in float32."""
        with of_numpy(rows.dtype):
            same = columns is None
            others = rows if columns is None else columns
            near = NEAR[rows.dtype] if self.weight_layers > 1 else 0.0
            block, is_near, any_near = _block(rows, others, same, near, _theta_of(self, rows.dtype))
            if not any_near:
                return np.asarray(block)
            return self._mended(np.array(block), np.asarray(is_near), rows, others)

    def values(self, rows: jax.Array, columns: jax.Array) -> jax.Array:
        """As :meth:`block`, within a program. Cost besides: what is near is looked for again while there is any."""
        near = NEAR[np.dtype(rows.dtype)] if self.weight_layers > 1 else 0.0
        with jax.ensure_compile_time_eval():
            theta = _theta_of(self, np.dtype(rows.dtype))
        block, is_near = _from_products(rows, columns, same=False, near=near, theta=theta)
        return _from_differences(block, is_near, rows, columns, theta) if near else block

    def diagonal(self, inputs: np.ndarray) -> np.ndarray:
        """Θ at cosine 1, the same for every item, [N]."""
        with of_numpy(inputs.dtype):
            gap, rest = jax.device_put((np.zeros((), inputs.dtype), np.full((), 2, inputs.dtype)))
            return np.full(len(inputs), _values(gap, rest, _theta_of(self, inputs.dtype)))

    def bytes_per_pair(self, inputs: Rows) -> int:
        """The gap or what is near, the result, and its copy in the Gram matrix's order."""
        return 3 * inputs.dtype.itemsize

    def _mended(self, block: np.ndarray, is_near: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """*block* with the values of near and of opposite pairs computed from their differences and sums."""
        theta = _theta_of(self, rows.dtype)
        first, second = np.nonzero(is_near)
        for start in range(0, len(first), PAIRS_AT_ONCE):
            a, b = first[start : start + PAIRS_AT_ONCE], second[start : start + PAIRS_AT_ONCE]
            # 1 ∓ cosine is |a ∓ b|²/2, which has no cancellation.
            gap = np.square(rows[a] - columns[b]).sum(axis=1) / 2
            rest = np.square(rows[a] + columns[b]).sum(axis=1) / 2
            # A fixed length, or every number of pairs would be compiled anew.
            padding = (0, PAIRS_AT_ONCE - len(a))
            block[a, b] = _values(np.pad(gap, padding), np.pad(rest, padding), theta)[: len(a)]
        return block


@cache
def _theta_of(network: DenseNetwork, dtype: np.dtype) -> Theta:
    """By the recursion; for many layers in float32, where it is as good, by a series in the angle."""
    if dtype == np.float32 and network.weight_layers >= FEWEST_LAYERS:
        with precision(np.dtype(np.float64)):
            series = series_of(lambda angle: np.asarray(_at_angle(angle, network)))
        if series:
            return lambda gap, rest: evaluated(series, angle_of(gap, rest))
    return partial(_recursion, network=network)


@partial(jax.jit, static_argnums=1)
def _at_angle(angle: jax.Array, network: DenseNetwork) -> jax.Array:
    half = angle / 2
    return _recursion(2 * jnp.square(jnp.sin(half)), 2 * jnp.square(jnp.cos(half)), network)


@compiled(quickly=True, static_argnums=(2, 3, 4))
def _block(
    rows: jax.Array, columns: jax.Array, same: bool, near: float, theta: Theta
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Θ, which pairs are too near or too opposite for a product of rows, and whether any are.

    Full precision by name: TF32 may be a GPU's default.
    """
    block, is_near = _from_products(rows, columns, same=same, near=near, theta=theta)
    return block, is_near, is_near.any()


def _from_products(
    rows: jax.Array, columns: jax.Array, *, same: bool, near: float, theta: Theta
) -> tuple[jax.Array, jax.Array]:
    cosine = jnp.matmul(rows, columns.T, precision=jax.lax.Precision.HIGHEST)
    gap = jnp.clip(1 - cosine, 0, 2)
    nearness = jnp.minimum(gap, 2 - gap)
    if same:
        own = jnp.eye(len(rows), dtype=bool)
        gap, nearness = jnp.where(own, 0, gap), jnp.where(own, 1, nearness)
    return theta(gap, 2 - gap), nearness < near


def _from_differences(
    block: jax.Array, is_near: jax.Array, rows: jax.Array, columns: jax.Array, theta: Theta
) -> jax.Array:
    """*block* with what is near or opposite computed from |a ∓ b|²/2, which does not cancel, a pair of each row a time.

    There are as many rounds as a row has of them: one, where an item meets itself.
    """
    own = jnp.arange(len(rows))

    def step(state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        values, left = state
        first = jax.lax.argmax(left, 1, np.int32)
        others = columns[first]
        gap = jnp.square(rows - others).sum(axis=1) / 2
        rest = jnp.square(rows + others).sum(axis=1) / 2
        mended = jnp.where(left[own, first], theta(gap, rest), values[own, first])
        return values.at[own, first].set(mended), left.at[own, first].set(False)

    return jax.lax.while_loop(lambda state: state[1].any(), step, (block, is_near))[0]


@partial(jax.jit, static_argnums=2)
def _values(gap: jax.Array, rest: jax.Array, theta: Theta) -> jax.Array:
    """As one program, since an accelerator takes a second to compile each operation."""
    return theta(gap, rest)


def _recursion(gap: jax.Array, rest: jax.Array, network: DenseNetwork) -> jax.Array:
    """Θ from 1 − cosine (*gap*) and 1 + cosine (*rest*) of the inputs.

    Each layer: Σ' = σ_w² q κ₁/2 + σ_b², Θ' = Σ' + σ_w² Θ κ₀/2.
    """
    variance = network.weight_variance + network.bias_variance
    share = network.weight_variance / variance
    gap, rest = share * gap, share * rest + 2 * (1 - share)
    theta = variance * (1 - gap)
    for _ in range(network.weight_layers - 1):
        fall, derivative = relu(gap, rest)
        carried = network.weight_variance * variance / 2
        variance = carried + network.bias_variance
        gap = fall * (carried / variance)
        rest = 2 - gap
        theta = variance * (1 - gap) + theta * (network.weight_variance / 2) * derivative
    return theta
