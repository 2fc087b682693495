"""Rows that other processes read from a file by themselves, so that they need not be sent there."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ntk_labelqa.gram.panel_store import PanelStore, ZarrRows
from ntk_labelqa.gram.panel_tasks import INPUTS
from ntk_labelqa.row_store import DerivedRows, Rows


@dataclass(frozen=True)
class MappedRows:
    """An array in a file as it is in memory, such as a ``.npy`` that was opened with ``mmap_mode="r"``.

    Attributes:
        path: of the file.
        shape, dtype: of the array, in C order.
        offset: bytes before it.
    """

    path: str
    shape: tuple[int, ...]
    dtype: np.dtype
    offset: int

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | np.ndarray, /) -> np.ndarray:
        return np.array(np.memmap(self.path, self.dtype, "r", self.offset, self.shape)[rows])


@dataclass(frozen=True)
class ParquetRows:
    """Columns of numbers of a Parquet file, a row an item, float64[N, D].

    Attributes:
        path: of the file.
        columns: their names.
    """

    path: Path
    columns: tuple[str, ...]
    dtype = np.dtype(np.float64)

    @cached_property
    def _ends(self) -> np.ndarray:
        """Where each group of rows ends."""
        with self._opened() as file:
            groups = range(file.metadata.num_row_groups)
            return np.cumsum([file.metadata.row_group(group).num_rows for group in groups])

    def _opened(self) -> Any:
        import pyarrow.parquet

        return pyarrow.parquet.ParquetFile(self.path, pre_buffer=False)

    @property
    def shape(self) -> tuple[int, ...]:
        return int(self._ends[-1]), len(self.columns)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | np.ndarray, /) -> np.ndarray:
        """Reads the groups that have some of *rows*; small groups make that cheap."""
        wanted = np.arange(len(self))[rows]
        if not len(wanted):
            return np.empty((0, len(self.columns)))
        groups = np.searchsorted(self._ends, wanted, side="right")
        read = np.unique(groups)
        sizes = np.diff(self._ends, prepend=0)
        starts = np.cumsum(sizes[read]) - sizes[read]
        with self._opened() as file:
            table = file.read_row_groups(read.tolist(), columns=list(self.columns), use_threads=False)
        values = np.column_stack([table[name].to_numpy().astype(np.float64) for name in self.columns])
        place = np.searchsorted(read, groups)
        return values[starts[place] + wanted - (self._ends - sizes)[groups]]


def in_a_file(rows: Rows) -> Rows | None:
    """*rows* as any process on a machine with the same files reads them; None where they are in this one's memory."""
    if isinstance(rows, ZarrRows | MappedRows | ParquetRows):
        return rows
    if isinstance(rows, DerivedRows):
        return rows.moved(in_a_file)
    return _mapped(rows) if isinstance(rows, np.ndarray) else None


def for_workers(inputs: Rows, store: PanelStore, slices: Sequence[slice]) -> Rows:
    """*inputs* where workers read them: what is sent to a worker is lost with it."""
    if (there := in_a_file(inputs)) is not None:
        return there
    store.create(INPUTS, inputs.shape, inputs.dtype, slices[0].stop)
    if store.count(INPUTS) < len(slices):
        for rows in slices:
            store.write(INPUTS, rows, inputs[rows])
    return store.rows(INPUTS)


def _mapped(array: np.ndarray) -> MappedRows | None:
    whole: Any = array
    while isinstance(whole, np.ndarray) and not isinstance(whole.base, mmap.mmap):
        whole = whole.base
    if not isinstance(whole, np.memmap) or whole.filename is None or not array.flags.c_contiguous:
        return None
    before = array.ctypes.data - whole.ctypes.data
    return MappedRows(str(whole.filename), array.shape, array.dtype, whole.offset + before)
