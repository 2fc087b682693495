"""Parquet files, read by the thread that asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


def read_parquet(path: Path) -> pd.DataFrame:
    """The table in *path*, as ``pandas.read_parquet`` gives it. Raises OSError and whatever Arrow raises.

    That one has threads of Arrow's read through a file of Python's. A thread that still holds the file when the program
    ends has the program aborted, whatever its exit code was to be.
    """
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path, pre_buffer=False) as file:
        return file.read(use_threads=False).to_pandas(use_threads=False)
