"""Rows read and written where they are calculated with: :mod:`ntk_labelqa.row_store` for an accelerator."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import numpy as np
from numpy.typing import DTypeLike

from ntk_labelqa.gram import arrays
from ntk_labelqa.gram.arrays import Array, fused, panels, rows_of, taken, to_device, to_host
from ntk_labelqa.row_store import RowFile, Rows, row_panels, row_store
from ntk_labelqa.runtime import devices_in_use

SHARE = 8
"""What takes more than one part in so many of an accelerator's free memory stays with the host, and is sent a panel at
a time: a round of the label model holds about that many at once."""
ACCELERATOR_PANEL = 2**25
"""Numbers of a panel: an accelerator is only busy with many at once."""


class RowsThere:
    """float[N, …] whose panels are an accelerator's arrays; itself there if it fits, else with the host.

    Rows are read by slices without a step, or by indices. All are written before any is read.
    """

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike = np.float64) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        size = int(np.prod(shape)) * self.dtype.itemsize
        self._held: Array | RowFile = None if size <= arrays.device_memory() // SHARE else row_store(shape, dtype)

    @property
    def is_there(self) -> bool:
        """Whether the accelerator holds all of them."""
        return isinstance(self._held, jax.Array)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | np.ndarray, /) -> Array:
        if self.is_there:
            return rows_of(self._held, rows) if isinstance(rows, slice) else taken(self._held, rows)
        return to_device(self._held[rows if isinstance(rows, slice) else to_host(rows)])

    def __setitem__(self, rows: slice, values: Array) -> None:
        start, stop, _ = rows.indices(len(self))
        if not (self._held is None or self.is_there):
            self._held[rows] = to_host(values)
        elif stop - start == len(self):
            self._held = values if values.dtype == self.dtype else _of_kind(self.dtype, values)
        else:
            before = _empty(self.shape, self.dtype, values) if self._held is None else self._held
            self._held = _written(before, values, np.asarray(start))


def room_for(shape: tuple[int, ...], dtype: DTypeLike = np.float64) -> np.ndarray | RowFile | RowsThere:
    """Room for float[N, …], written and read a panel at a time where it is calculated with."""
    return RowsThere(shape, dtype) if arrays.on_accelerator() else row_store(shape, dtype)


def picked(rows: Rows, indices: np.ndarray) -> Array | tuple[Array, Array]:
    """*rows* at *indices*, int[n], for programs that take them by :func:`gathered`."""
    if isinstance(rows, RowsThere) and rows.is_there:
        return rows[:], to_device(indices)
    return to_device(rows[indices])


def gathered(rows: Array | tuple[Array, Array]) -> Array:
    """Within a program, what was :func:`picked`, [n, …]: of rows that are there it needs no program of its own."""
    if not isinstance(rows, tuple):
        return rows
    whole, indices = rows
    return whole[indices]


def sent(rows: Rows) -> Rows:
    """*rows* where they are calculated with: themselves on a processor, read and sent once for an accelerator."""
    if not arrays.on_accelerator() or isinstance(rows, RowsThere):
        return rows
    there = RowsThere(rows.shape, rows.dtype)
    for panel in panels_there(rows.shape):
        there[panel] = to_device(rows[panel])
    return there


def panels_there(shape: tuple[int, ...]) -> Iterator[slice]:
    """Slices that cover rows of *shape*, [N, …], each of as many as suit what calculates with them."""
    if not arrays.on_accelerator():
        return row_panels(shape)
    length, devices = ACCELERATOR_PANEL // max(1, int(np.prod(shape[1:]))), len(devices_in_use())
    return panels(shape[0], max(devices, length - length % devices))  # as many for each


@fused(static=(0,))
def _of_kind(dtype: np.dtype, values: Array) -> Array:
    return values.astype(dtype)


@fused(static=(0, 1))
def _empty(shape: tuple[int, ...], dtype: np.dtype, like: Array) -> Array:
    return jax.numpy.zeros(shape, dtype)


@fused()
def _written(array: Array, values: Array, start: Array) -> Array:
    return jax.lax.dynamic_update_slice_in_dim(array, values.astype(array.dtype), start, axis=0)
