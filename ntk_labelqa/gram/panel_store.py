"""Arrays in panels of rows, in a folder that all workers see: what is there outlives a worker, and the whole run.

Each panel is one chunk of an array of Zarr, which appears whole or not at all. One that is missing reads as NaN.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike

from ntk_labelqa.errors import LabelQAError, MemoryBudgetError
from ntk_labelqa.files import NotWrittenError, private_folder, whole_file
from ntk_labelqa.memory import in_units

KEPT_SECONDS = 7 * 24 * 3600
"""For which panels stay that nobody uses: until the audit of the next week, if one comes."""


@dataclass(frozen=True)
class PanelStore:
    """A folder of arrays of N rows; it can be sent to workers.

    Attributes:
        folder: where; it need not be there yet.
    """

    folder: Path

    def prepare(self, need: int) -> None:
        """Make the folder, if need be, once there is room for *need* bytes.

        Raises MemoryBudgetError where there is not, and NotWrittenError where no folder can be made.
        """
        try:
            private_folder(self.folder)
            os.utime(self.folder)
            free = shutil.disk_usage(self.folder).free
        except OSError as error:
            raise NotWrittenError(
                f"{self.folder} could not be made: {error.strerror or error}.",
                remedy="Name another folder in NTK_LABELQA_CACHE, one that every worker sees.",
            ) from error
        used = sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())
        if need > free + used:
            raise MemoryBudgetError(
                f"The panels take {in_units(need)} of disk, and {self.folder} has {in_units(free)}.",
                remedy="Make room there, name another folder in NTK_LABELQA_CACHE, or use fewer landmarks.",
            )

    def create(
        self, name: str, shape: tuple[int, ...], dtype: DTypeLike, length: int, *, columns: int | None = None
    ) -> None:
        """An array *name* of which no panel is there yet, *length* rows each; one that is there stays.

        Panels go across all columns, unless they are of so many *columns*.
        """
        import zarr

        place = self.folder / name
        if not (place / "zarr.json").is_file():
            chunks = (min(length, shape[0]), *(shape[1:] if columns is None else (min(columns, shape[1]),)))
            # Not compressed: floating-point numbers hardly get smaller by it.
            zarr.create_array(place, shape=shape, chunks=chunks, dtype=dtype, fill_value=np.nan, compressors=None)

    def rows(self, name: str) -> ZarrRows:
        """The array *name*."""
        return ZarrRows(self.folder / name)

    def write(self, name: str, rows: slice | tuple[slice, slice], values: np.ndarray) -> None:
        """Make *values* the panel *rows*, or rows and columns, of the array *name*."""
        try:
            self.rows(name).opened("r+")[rows] = values
        except OSError as error:
            raise NotWrittenError(
                f"A panel could not be written to {self.folder}: {error.strerror or error}.",
                remedy="Make room there, or name another folder in NTK_LABELQA_CACHE.",
            ) from error

    def count(self, name: str) -> int:
        """How many panels of the array *name* are there."""
        return self.rows(name).opened().nchunks_initialized if (self.folder / name).is_dir() else 0

    def has_chunk(self, name: str, *number: int) -> bool:
        """Whether the panel of that *number*, along each axis, of the array *name* is there."""
        return self.folder.joinpath(name, "c", *map(str, number)).is_file()

    def remove(self, name: str) -> None:
        """Remove the array *name*, if it is there."""
        shutil.rmtree(self.folder / name, ignore_errors=True)

    def save(self, name: str, **parts: np.ndarray) -> None:
        """Small arrays that belong to all panels, as a file."""
        with whole_file(self._file(name), private=True) as stream:
            np.savez(stream, allow_pickle=False, **parts)

    def load(self, name: str) -> dict[str, np.ndarray]:
        """What was saved as *name*. Raises FileNotFoundError where nothing was."""
        with np.load(self._file(name), allow_pickle=False) as parts:
            return dict(parts)

    def has(self, name: str) -> bool:
        """Whether something was saved as *name*."""
        return self._file(name).is_file()

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.npz"


@dataclass(frozen=True)
class ZarrRows:
    """An array of Zarr as :class:`~ntk_labelqa.row_store.Rows`, which can be sent to workers that see its folder."""

    folder: Path

    def opened(self, mode: Literal["r", "r+"] = "r") -> Any:
        """The array, to read or also to write. Raises LabelQAError where it is not to be seen."""
        import zarr

        try:
            return zarr.open_array(self.folder, mode=mode)
        except FileNotFoundError as error:
            raise LabelQAError(
                f"{self.folder} is not to be seen by a worker.",
                why="Panels are exchanged by a folder that every worker has to see under the same path.",
                remedy="Name a folder of a shared file system in NTK_LABELQA_CACHE.",
            ) from error

    @property
    def shape(self) -> tuple[int, ...]:
        return self.opened().shape

    @property
    def dtype(self) -> np.dtype:
        return self.opened().dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | np.ndarray, /) -> np.ndarray:
        opened = self.opened()
        return np.asarray(opened[rows] if isinstance(rows, slice) else opened.oindex[rows])


def clear_unused(root: Path) -> None:
    """Remove the folders in *root*, named by digests, that were not used for :data:`KEPT_SECONDS`."""
    for folder in root.iterdir() if root.is_dir() else ():
        if re.fullmatch("[0-9a-f]{64}", folder.name) and time.time() - folder.stat().st_mtime > KEPT_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
