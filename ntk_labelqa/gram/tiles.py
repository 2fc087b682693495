"""Kernel values a tile at a time, so that working memory is known whatever the number of items."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ntk_labelqa.kernels.kernel import Kernel

TILE_BYTES = 16 * 2**20
"""Working memory of one tile: about what a processor's caches hold, beyond which speed falls."""


def tile_side(kernel: Kernel, inputs: np.ndarray, budget: int = TILE_BYTES) -> int:
    """Side of the largest square tile whose working memory stays within *budget* bytes, at least 1."""
    return max(1, min(len(inputs), int((budget / kernel.bytes_per_pair(inputs)) ** 0.5)))


def upper_tiles(count: int, side: int) -> Iterator[tuple[slice, slice]]:
    """Tiles that cover the upper triangle of a *count* by *count* matrix, row by row."""
    for rows in spans(count, side):
        for left in range(rows.start, count, side):
            yield rows, slice(left, min(left + side, count))


def spans(count: int, length: int) -> Iterator[slice]:
    """Slices of *length* that cover *count*."""
    for start in range(0, count, length):
        yield slice(start, min(start + length, count))


def cross_block(kernel: Kernel, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Θ between prepared *rows* [a, …] and *columns* [b, …], [a, b], in tiles."""
    side = tile_side(kernel, columns)
    result = np.empty((len(rows), len(columns)), rows.dtype)
    for top in spans(len(rows), side):
        for left in spans(len(columns), side):
            result[top, left] = kernel.block(rows[top], columns[left])
    return result
