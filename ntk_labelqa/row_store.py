"""Arrays of a row an item, read and written a panel at a time.

While they are small they are in memory. Large ones that are calculated once are in a file, and those that are
calculated easily are calculated anew whenever they are read.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
from numpy.typing import DTypeLike

from ntk_labelqa.errors import MemoryBudgetError
from ntk_labelqa.memory import in_units

HELD, STORED = 2**28, 2**26
"""Bytes of an array up to which it is in memory: of one that is calculated from another, and of one that else is in a
file; of the latter some ten are needed at a time, and what was written to a file is read as fast."""
PANEL_NUMBERS = 2**22
"""Numbers of a panel: large enough for fast products, small enough for a dozen of them at once."""

DERIVED = 2**18
"""The same of rows that are calculated in float64 from others: they stay in the processor's caches."""


READ_THROUGH = 64
"""Rows of a file from one that is asked for to the next up to which those between are read, too."""


class Rows(Protocol):
    """What is read a panel of rows at a time: an array is one, too."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice | np.ndarray, /) -> np.ndarray: ...


class RowFile:
    """float[N, …] in a temporary file, which is gone when nobody holds this any more.

    Rows are read and written by slices without a step, or by indices, each once. What has not been written is 0.

    Raises:
        MemoryBudgetError: the disk of the folder for temporary files is full.
    """

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self._row = int(np.prod(shape[1:])) * self.dtype.itemsize
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed with this
        self._file.truncate(shape[0] * self._row)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | np.ndarray, /) -> np.ndarray:
        if not isinstance(rows, slice):
            return self._chosen(rows)
        start, stop, _ = rows.indices(len(self))
        result = np.empty((max(stop - start, 0), *self.shape[1:]), self.dtype)
        self._file.seek(start * self._row)
        view, done = result.reshape(-1).view(np.uint8).data, 0
        while done < len(view):
            done += self._file.readinto(view[done:])
        return result

    def __setitem__(self, rows: slice | np.ndarray, values: np.ndarray) -> None:
        if not isinstance(rows, slice):
            for span, own in _spans(rows, 1):
                self[span] = values[own]
            return
        start, stop, _ = rows.indices(len(self))
        given = np.broadcast_to(np.asarray(values, self.dtype), (stop - start, *self.shape[1:]))
        view, done = np.ascontiguousarray(given).reshape(-1).view(np.uint8).data, 0
        try:
            self._file.seek(start * self._row)
            while done < len(view):
                done += self._file.write(view[done:])
        except OSError as error:
            raise MemoryBudgetError(
                f"{in_units(len(self) * self._row)} for intermediate results do not fit on the disk.",
                why=str(error),
                remedy="Make room there, or set TMPDIR to a folder with more.",
            ) from error

    def _chosen(self, rows: np.ndarray) -> np.ndarray:
        result = np.empty((len(rows), *self.shape[1:]), self.dtype)
        for span, own in _spans(rows, READ_THROUGH):
            for panel in row_panels((span.stop - span.start, *self.shape[1:])):
                here = slice(span.start + panel.start, span.start + panel.stop)
                some = own[(rows[own] >= here.start) & (rows[own] < here.stop)]
                result[some] = self[here][rows[some] - here.start]
        return result


def _spans(rows: np.ndarray, apart: int) -> Iterator[tuple[slice, np.ndarray]]:
    """Stretches that hold *rows*, none of which is further than *apart* from the next; and the places of *rows* there.

    In each the rows ascend.
    """
    if not len(rows):
        return
    order = np.argsort(rows, kind="stable")
    ascending = rows[order]
    for own in np.split(order, np.flatnonzero(np.diff(ascending) > apart) + 1):
        yield slice(int(rows[own[0]]), int(rows[own[-1]]) + 1), own


class DerivedRows:
    """Rows that are calculated from those of *source* whenever they are read.

    Args:
        function: from rows of *source* to as many of these, each by itself.
        source: float[N, …].
        form: a row of these, of which shape and dtype are taken.
    """

    def __init__(self, function: Callable[[np.ndarray], np.ndarray], source: Rows, form: np.ndarray) -> None:
        self._function, self._source = function, source
        self.shape, self.dtype = (len(source), *form.shape[1:]), form.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | np.ndarray, /) -> np.ndarray:
        return self._function(self._source[rows])

    def moved(self, place: Callable[[Rows], Rows | None]) -> DerivedRows | None:
        """These rows from where *place* finds their source; None where that is nowhere."""
        source = place(self._source)
        return None if source is None else DerivedRows(self._function, source, self[:1])


def derived(function: Callable[[np.ndarray], np.ndarray], source: Rows) -> Rows:
    """*function* of each row of *source*: an array up to :data:`HELD` bytes, else calculated when read."""
    rows = DerivedRows(function, source, function(source[:1]))
    if int(np.prod(rows.shape)) * rows.dtype.itemsize > HELD:
        return rows
    result = np.empty(rows.shape, rows.dtype)
    for panel in row_panels(rows.shape, DERIVED):
        result[panel] = rows[panel]
    return result


def row_store(shape: tuple[int, ...], dtype: DTypeLike = np.float64) -> np.ndarray | RowFile:
    """Room for float[N, …]: an array up to :data:`STORED` bytes, else a file."""
    if int(np.prod(shape)) * np.dtype(dtype).itemsize <= STORED:
        return np.empty(shape, dtype)
    return RowFile(shape, dtype)


def kept_rows(source: Rows, rows: np.ndarray) -> np.ndarray | RowFile:
    """The *rows*, ascending indices, of *source*, where :func:`row_store` keeps them."""
    result = row_store((len(rows), *source.shape[1:]), source.dtype)
    for panel in row_panels(result.shape):
        result[panel] = source[rows[panel]]
    return result


def row_panels(shape: tuple[int, ...], numbers: int | None = None) -> Iterator[slice]:
    """Slices that cover rows of *shape*, [N, …], each of about as many *numbers*; None takes PANEL_NUMBERS."""
    length = max(1, (numbers or PANEL_NUMBERS) // max(1, int(np.prod(shape[1:]))))
    for start in range(0, shape[0], length):
        yield slice(start, min(start + length, shape[0]))
