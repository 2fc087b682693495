"""Parquet files: written in row groups, so that a reader can take a part, and read by the thread that asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


ROW_GROUP = 50_000
"""Rows of a row group. By the least and the largest value of each column in it, readers tell which groups they need."""


def write_parquet(table: pd.DataFrame, path: Path) -> None:
    """Write *table*, without its index, to *path*. Raises OSError and whatever Arrow raises."""
    table.to_parquet(path, index=False, row_group_size=ROW_GROUP)


def read_parquet(path: Path) -> pd.DataFrame:
    """The table in *path*, as ``pandas.read_parquet`` gives it. Raises OSError and whatever Arrow raises.

    That one has threads of Arrow's read through a file of Python's. A thread that still holds the file when the program
    ends has the program aborted, whatever its exit code was to be.
    """
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path, pre_buffer=False) as file:
        return file.read(use_threads=False).to_pandas(use_threads=False)
