"""Kernel values a tile at a time, so that working memory is known whatever the number of items."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import numpy as np

from ntk_labelqa.gram import arrays
from ntk_labelqa.gram.arrays import Array
from ntk_labelqa.kernels.kernel import Kernel
from ntk_labelqa.row_store import Rows, row_panels

PROCESSOR_TILE, ACCELERATOR_TILE = 12 * 2**20, 2**30
"""Bytes of working memory of one tile: about what a processor's caches hold, beyond which speed falls to a third; an
accelerator is only busy with many pairs at once."""
MULTIPLE = 8
"""Sides are multiples of this where that leaves a choice: odd ones are up to twice as slow a pair."""


def tile_budget() -> int:
    """Bytes of working memory that suit a tile on the device that jax uses."""
    return ACCELERATOR_TILE if arrays.on_accelerator() else PROCESSOR_TILE


def tile_side(kernel: Kernel, inputs: Rows, budget: int | None = None) -> int:
    """Side of square tiles, all of one size, whose working memory stays within *budget* bytes; at least 1."""
    budget = tile_budget() if budget is None else budget
    most = max(1, int((budget / kernel.bytes_per_pair(inputs)) ** 0.5))
    if most >= len(inputs):
        return len(inputs)
    step = MULTIPLE if most >= MULTIPLE else 1
    across = -(-len(inputs) // (most - most % step))
    return min(most, -(-len(inputs) // (across * step)) * step)


def panel_length(kernel: Kernel, inputs: Rows, columns: int, length: int) -> int:
    """Rows whose values with *columns* items are computed at once: *length*, which on a processor goes by tiles anyway,
    or as many as suit an accelerator.
    """
    if not arrays.on_accelerator():
        return length
    return max(1, min(length, tile_budget() // (kernel.bytes_per_pair(inputs) * columns)))


def diagonal_of(kernel: Kernel, inputs: Rows) -> np.ndarray:
    """Θ of each of prepared *inputs* with itself, [N]."""
    return np.concatenate([kernel.diagonal(inputs[rows]) for rows in row_panels(inputs.shape)])


def strips(count: int, side: int) -> list[slice]:
    """Slices of exactly *side* (or of *count*, if that is less) that cover *count*.

    The last one overlaps the one before it: with a rest of another size every kernel would be compiled once more.
    """
    starts = range(0, count, side)
    return [slice(max(0, min(start, count - side)), min(start + side, count)) for start in starts]


def upper_tiles(count: int, side: int) -> Iterator[tuple[slice, slice]]:
    """Tiles that cover the upper triangle of a *count* by *count* matrix, row by row."""
    cover = strips(count, side)
    for number, rows in enumerate(cover):
        for columns in cover[number:]:
            yield rows, columns


def cross_block(kernel: Kernel, rows: Array, columns: Array) -> Array:
    """Θ between prepared *rows* [a, …] and *columns* [b, …], [a, b], in tiles; within a program of jax at once."""
    if isinstance(rows, jax.Array):
        return kernel.values(rows, columns)
    result = np.empty((len(rows), len(columns)), rows.dtype)
    for top in strips(len(rows), tile_side(kernel, rows)):
        for left in strips(len(columns), tile_side(kernel, columns)):
            result[top, left] = kernel.block(rows[top], columns[left])
    return result
