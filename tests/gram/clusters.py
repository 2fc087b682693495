"""A small cluster of Dask on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def two_workers(**options: Any) -> Iterator[Any]:
    """The client of two worker processes of one thread each."""
    from distributed import Client, LocalCluster

    usual = {"n_workers": 2, "threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with (
        LocalCluster(**{**usual, "silence_logs": 50, **options}) as cluster,
        Client(cluster) as client,
    ):
        yield client
