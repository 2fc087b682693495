"""Rows in a file, and rows that are calculated when read, are those of an array."""

from __future__ import annotations

import errno
import tracemalloc

import numpy as np
import pytest

from ntk_labelqa import row_store
from ntk_labelqa.errors import MemoryBudgetError
from ntk_labelqa.row_store import DerivedRows, RowFile, derived, row_panels

SHAPE = (1000, 3, 2)


@pytest.fixture
def array() -> np.ndarray:
    return np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)


@pytest.fixture
def file(array: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> RowFile:
    monkeypatch.setattr(row_store, "PANEL_NUMBERS", 700)
    stored = RowFile(SHAPE, np.float32)
    for rows in reversed(list(row_panels(SHAPE))):
        stored[rows] = array[rows]
    return stored


@pytest.mark.parametrize(
    "rows",
    [slice(None), slice(3, 500), slice(990, 2000), slice(5, 5), np.array([0, 400, 999]), np.array([7, 3, 7, 999, 0])],
    ids=str,
)
def test_rows_come_back_as_they_were_written(array: np.ndarray, file: RowFile, rows: slice | np.ndarray) -> None:
    assert np.array_equal(file[rows], array[rows])
    assert (file.shape, file.dtype, len(file)) == (array.shape, array.dtype, len(array))


def test_one_value_is_written_to_all_rows(file: RowFile) -> None:
    file[10:20] = np.float32(4.0)
    assert (file[10:20] == 4).all()
    assert (file[20:21] != 4).all()


def test_a_full_disk_is_an_error_in_words(file: RowFile, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def seek(self, _place: int) -> None: ...

        def write(self, _values: memoryview) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(file, "_file", Full())
    with pytest.raises(MemoryBudgetError, match=r"do not fit on the disk.*No space left.*TMPDIR"):
        file[0:1] = np.zeros((1, 3, 2))


def test_large_rows_are_held_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_store, "STORED", 1000)
    tracemalloc.start()
    stored = row_store.row_store((100_000, 100))
    for rows in row_panels(stored.shape, 100_000):
        stored[rows] = np.ones((rows.stop - rows.start, 100))
    assert stored[99_000:].sum() == 100_000
    assert tracemalloc.get_traced_memory()[1] < 0.1 * 100_000 * 100 * 8
    tracemalloc.stop()


def test_derived_rows_are_the_function_of_each_row(array: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    held = derived(lambda rows: 2 * rows[:, 0], array)
    monkeypatch.setattr(row_store, "HELD", 100)
    read = derived(lambda rows: 2 * rows[:, 0], array)
    assert isinstance(held, np.ndarray)
    assert isinstance(read, DerivedRows)
    assert (read.shape, read.dtype) == (held.shape, held.dtype)
    for rows in (slice(4, 9), np.array([5, 2])):
        assert np.array_equal(read[rows], held[rows])
