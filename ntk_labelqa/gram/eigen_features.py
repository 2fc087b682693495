"""What the inverse in eigen-features is computed by, of F or of a panel of its rows.

Each step is written once for NumPy's arrays and an accelerator's; of several accelerators, F may be sharded.
"""

from __future__ import annotations

import jax
import numpy as np
from numpy.typing import DTypeLike

from ntk_labelqa.gram.arrays import Array, each, fused, namespace, solved
from ntk_labelqa.gram.conjugate_gradients import conjugate_gradients
from ntk_labelqa.gram.devices import ShardedRows
from ntk_labelqa.gram.rows_there import gathered

LARGEST_LEVERAGE = 1 - 1e-4
"""A leverage nearer to 1 is rounding: its leave-one-out prediction would be a division by noise."""


def gains_at(spectrum: np.ndarray, shift: float, dtype: DTypeLike) -> np.ndarray:
    """1 / (w + λ) for *shift* λ, in the precision of the features."""
    return (1.0 / (spectrum + shift)).astype(dtype)


def most_of(spectrum: np.ndarray) -> np.ndarray:
    """*spectrum* with the smaller half of it infinite.

    A feature of infinite norm is as good as one that is not there: it explains nothing.
    """
    return np.where(spectrum < np.median(spectrum), np.inf, spectrum)


@fused()
def applied(features: Array, gains: Array, shift: Array, values: Array) -> Array:
    """G V. Cost: 4Nmk flops."""
    weights = gains[:, None] * moment_of(features, values)
    return (values - (features @ weights).astype(np.float64)) / shift


def unexplained(_: None, features: Array, gains: Array) -> Array:
    """1 − leverage, which is how far each item's prediction follows its own label, float64[n]. Cost: 3nm flops."""
    xp = namespace(features)
    squares = xp.square(features)
    # As one sum: before a product an accelerator would write the squares to its memory, and read them again.
    leverage = (squares * gains).sum(axis=1) if isinstance(features, jax.Array) else squares @ gains
    return 1.0 - xp.minimum(leverage.astype(np.float64), LARGEST_LEVERAGE)


@fused()
def columns(features: Array, gains: Array, shift: Array, indices: Array) -> Array:
    """G[:, indices]."""
    xp = namespace(gains)
    result = -(features @ (gains[:, None] * features[indices].T)).astype(np.float64)
    own = xp.arange(len(features))[:, None] == indices
    return xp.where(own, result + 1.0, result) / shift


@fused()
def entries(features: Array, gains: Array, shift: Array, indices: Array, rows: Array) -> Array:
    """G[rows, indices]."""
    product = (features[rows] @ (gains[:, None] * features[indices].T)).astype(np.float64)
    own = (rows[:, None] == indices).astype(np.float64)
    return (own - product) / shift


@fused()
def predicted_from_few(features: Array, shift: Array, rows: Array, given: Array, used: Array | None) -> Array:
    """What *rows*, of which *given* is known (see :func:`~ntk_labelqa.gram.rows_there.picked`), say of all; those that
    are not *used* say nothing.
    """
    return seen(features, weights_of_few(_used(features[rows], used), shift, gathered(given)))


@fused()
def weights_of_few(some: Array, shift: Array, given: Array) -> Array:
    """What features are multiplied by to predict from *some* items, F_A [n, m], of which *given*, [n, K], is known:
    F_Aᵀ (F_A F_Aᵀ + shift·I)⁻¹ given. Cost: n²(m + n/3) flops.
    """
    own = (some @ some.T).astype(np.float64) + shift * namespace(some).eye(len(some))
    return some.T @ solved(own, given).astype(some.dtype)


@fused()
def predicted_from_many(
    features: Array, shift: Array, diagonal: Array, rows: Array, given: Array, used: Array | None
) -> Array:
    """As :func:`predicted_from_few`, by conjugate gradients preconditioned by *diagonal*. Cost: 4nmK flops a step."""
    some = _used(features[rows], used)

    def image(direction: Array) -> Array:
        return gram_times(some, direction)

    right = moment_of(some, gathered(given)).astype(np.float64)
    return seen(features, conjugate_gradients(image, shift, right, diagonal))


def _used(features: Array, used: Array | None) -> Array:
    """*features*, 0 where *used* is 0."""
    return features if used is None else features * used[:, None]


@fused()
def seen(features: Array, weights: Array) -> Array:
    """What *weights*, [m, k], say of the items of *features*, float64[n, k]."""
    return (features @ weights.astype(features.dtype)).astype(np.float64)


@fused()
def leave_one_out_squares(features: Array, rows: Array, given: Array, right: Array, gains: Array) -> Array:
    """At each of *gains*, [ridges, m], the sum of squared leave-one-out errors of *rows*, of which *given*, [n, K], is
    known and *right* is FᵀV of all: float64[ridges].
    """
    some, given = features[rows], gathered(given)
    xp = namespace(some)
    squares = xp.square(some)

    def at(gains: Array) -> Array:
        unseen = 1.0 - xp.minimum(squares @ gains, LARGEST_LEVERAGE)
        fitted = (some @ (gains[:, None] * right).astype(some.dtype)).astype(np.float64)
        return xp.square((given - fitted) / unseen[:, None]).sum()

    return each(at, gains)


def moment_of(features: Array, values: Array) -> Array:
    """Fᵀ V in the precision of F, [m, k]."""
    values = values.astype(features.dtype)
    return features.moment(values) if isinstance(features, ShardedRows) else features.T @ values


@fused()
def with_moment_of(moment: Array | None, features: Array, values: Array) -> Array:
    """*moment* and that of more items, float64[m, k]; None is nothing yet."""
    more = moment_of(features, values).astype(np.float64)
    return more if moment is None else moment + more


@fused()
def scaled(gains: Array, moment: Array) -> Array:
    """(FᵀF + λI)⁻¹ FᵀV of FᵀV."""
    return gains[:, None] * moment


@fused()
def left_out(features: Array, gains: Array, moment: Array, unexplained: Array, values: Array) -> Array:
    """What all others say of items whose own *values* are in the *moment*, float64[n, k]."""
    return values - (values - seen(features, gains[:, None] * moment)) / unexplained[:, None]


@fused()
def gram_times(features: Array, direction: Array) -> Array:
    """FᵀF *direction*, float64[m, K]. Cost: 4nmK flops."""
    return moment_of(features, features @ direction.astype(features.dtype)).astype(np.float64)
