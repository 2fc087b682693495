"""Features files of each form, read a panel of rows at a time."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ntk_labelqa.errors import LabelQAError
from ntk_labelqa.row_store import row_panels

READ_AHEAD = 2**16
"""Bytes of each column of a Parquet file that are read at once."""
TABLE = 2**19
"""Numbers of a panel of a Parquet file, which Arrow and pandas hold some copies of."""
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


@dataclass(frozen=True)
class FeaturesFile:
    """A features file that is open.

    Attributes:
        ids: of the tasks.
        region_ids: of the regions; None where the file has none.
        shape: of the features, [n, …].
        dtype: of the features.
        panels: the features, some rows at a time.
    """

    ids: np.ndarray
    region_ids: np.ndarray | None
    shape: tuple[int, ...]
    dtype: np.dtype
    panels: Callable[[], Iterator[np.ndarray]]


@contextmanager
def opened(path: Path) -> Iterator[FeaturesFile]:
    """The file at *path*, by the end of its name. Raises whatever the libraries that read it raise."""
    form = {".parquet": _parquet, ".zarr": _zarr}.get(path.suffix, _npz)
    with form(path) as file:
        yield file


@contextmanager
def _npz(path: Path) -> Iterator[FeaturesFile]:
    with np.load(path, allow_pickle=False) as archive, archive.zip.open(_member(archive.zip, "features")) as stream:
        shape, turned, kind = HEADERS[np.lib.format.read_magic(stream)](stream)
        if kind.hasobject:
            raise ValueError("it holds objects and not numbers.")

        def panels() -> Iterator[np.ndarray]:
            if turned:  # columns first: no row is there before all are
                yield archive["features"]
                return
            row = kind.itemsize * int(np.prod(shape[1:]))
            for rows in row_panels(shape):
                count = rows.stop - rows.start
                yield np.frombuffer(stream.read(count * row), kind).reshape(count, *shape[1:])
            if stream.read(1):  # reading to the end compares the checksum, too
                raise ValueError("it is longer than it says.")

        yield FeaturesFile(archive["ids"], archive.get("region_ids"), shape, kind, panels)


def _member(archive: zipfile.ZipFile, name: str) -> str:
    if f"{name}.npy" not in archive.namelist():
        raise KeyError(name)
    return f"{name}.npy"


@contextmanager
def _parquet(path: Path) -> Iterator[FeaturesFile]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path, pre_buffer=False, buffer_size=READ_AHEAD) as file:
        names = [name for name in ("task_id", "region_id") if name in file.schema_arrow.names]
        keys = file.read(columns=names, use_threads=False).to_pandas(use_threads=False)
        ids = keys["task_id"].to_numpy()
        first = next(_tables(file, 1), None)
        form = _values(first if first is not None else file.schema_arrow.empty_table().to_pandas())

        def panels() -> Iterator[np.ndarray]:
            rows = next(row_panels((len(ids), *form.shape[1:]), TABLE), slice(0, 1))
            return map(_values, _tables(file, rows.stop))

        regions = keys["region_id"].to_numpy(str) if "region_id" in keys else None
        yield FeaturesFile(ids, regions, (file.metadata.num_rows, *form.shape[1:]), form.dtype, panels)


def _tables(file: Any, rows: int) -> Iterator[Any]:
    import pyarrow

    for batch in file.iter_batches(rows, use_threads=False):
        yield pyarrow.Table.from_batches([batch]).to_pandas(use_threads=False)


def _values(table: Any) -> np.ndarray:
    """The features of some rows: the columns, or the lists of the only one."""
    columns = table.drop(columns=["task_id", "region_id"], errors="ignore")
    if columns.shape[1] == 1 and columns.dtypes.iloc[0] == np.dtype(object):
        return np.stack(columns.iloc[:, 0].tolist()).astype(float)
    return columns.to_numpy()


@contextmanager
def _zarr(path: Path) -> Iterator[FeaturesFile]:
    if not path.exists():
        raise FileNotFoundError(path)
    try:
        import zarr
    except ImportError as error:
        raise LabelQAError(
            f"{path} is read with Zarr, which is not installed.",
            remedy="Install the extra: pip install 'ntk-labelqa[distributed]'. Or write an .npz.",
        ) from error
    group: Any = zarr.open_group(path, mode="r")
    features, regions = group["features"], group["region_ids"][:] if "region_ids" in group else None

    def panels() -> Iterator[np.ndarray]:
        return (np.asarray(features[rows]) for rows in row_panels(features.shape))

    yield FeaturesFile(np.asarray(group["ids"][:]), regions, features.shape, features.dtype, panels)
