"""3 by 3 patches with zero padding (SAME), as shifted slices: what a convolution sees of images and of covariances."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp

SIDE = 3


def outputs(size: int, stride: int) -> int:
    """Number of patches along an axis of *size*."""
    return -(-size // stride)


def padding_before(size: int, stride: int) -> int:
    """Zeros before an axis of *size*; the rest of what is missing comes after it."""
    return _missing(size, stride) // 2


def _missing(size: int, stride: int) -> int:
    return max((outputs(size, stride) - 1) * stride + SIDE - size, 0)


def shifts(values: jax.Array, axes: Sequence[int], stride: int) -> list[jax.Array]:
    """*values* at each of a patch's three offsets, all *axes* shifted alike; zero beyond the border."""
    padding = [(0, 0)] * values.ndim
    for axis in axes:
        before = padding_before(values.shape[axis], stride)
        padding[axis] = (before, _missing(values.shape[axis], stride) - before)
    padded = jnp.pad(values, padding)
    shifted = []
    for offset in range(SIDE):
        window = [slice(None)] * values.ndim
        for axis in axes:
            reach = (outputs(values.shape[axis], stride) - 1) * stride + 1
            window[axis] = slice(offset, offset + reach, stride)
        shifted.append(padded[tuple(window)])
    return shifted


def patch_sums(values: jax.Array, rows: Sequence[int], columns: Sequence[int], stride: int) -> jax.Array:
    """Sums over patches; one offset at a time along *rows* (axes shifted alike), then along *columns*."""
    return sum_of(shifts(sum_of(shifts(values, rows, stride)), columns, stride))


def patch_vectors(images: jax.Array, stride: int) -> jax.Array:
    """The patches of images [n, H, W, C] as vectors, [n, H', W', 9C]."""
    return jnp.concatenate(
        [patch for row in shifts(images, [1], stride) for patch in shifts(row, [2], stride)], axis=-1
    )


def sum_of(parts: list[jax.Array]) -> jax.Array:
    """The sum of three arrays."""
    first, second, third = parts
    return first + second + third
