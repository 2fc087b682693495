"""Tasks over panels, by Dask's futures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ntk_labelqa.gram.cluster import in_words, resources_of
from ntk_labelqa.gram.panel_tasks import itself, total

if TYPE_CHECKING:
    from distributed import Client, Future

TOGETHER = 8
"""Results added up by one task: few enough for one worker's memory."""
ADDED_HERE = 2**22
"""Bytes of results up to which they are sent here to be added up."""
RETRIES = 2
"""Of a task that failed, since a shared file system may."""
SOON = 10
"""Priority of sums, so that what is to be added up does not pile up."""
SHARED = 2**17
"""Bytes of an argument from which on it is sent once and not with each task."""

Tick = Callable[[int, int], None]


class PanelWork:
    """Tasks over panels, submitted and waited for.

    Args:
        client: of the scheduler.
        slices: the rows of each panel.
    """

    def __init__(self, client: Client, slices: Sequence[slice]) -> None:
        self.client, self.slices = client, slices
        self._how: dict[str, Any] = {"pure": False, "retries": RETRIES, "resources": resources_of(client)}

    @property
    def size(self) -> int:
        """N."""
        return self.slices[-1].stop

    @property
    def length(self) -> int:
        """Rows of a panel."""
        return self.slices[0].stop

    def map(self, function: Callable[..., Any], *each: Sequence[Any]) -> list[Future]:
        """*function* of each of *each*."""
        with self._asking():
            return self.client.map(function, *each, **self._how) if len(each[0]) else []

    def shared(self, value: np.ndarray) -> Any:
        """*value* as an argument of many tasks. Unlike what is scattered, it is not lost with a worker."""
        if value.nbytes <= SHARED:
            return value
        with self._asking():
            return self.client.submit(itself, value, pure=False)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Of tasks with whatever values: of large ones Dask would warn, which get to a worker no sooner otherwise."""
        import dask.config

        unwarned = {"distributed.admin.large-graph-warning-threshold": "1 TiB"}
        with in_words(self.client), dask.config.set(unwarned):
            yield

    def sum(self, parts: Sequence[Future]) -> Future:
        """The sum of *parts*, which there are some of, in float64, added up by few at a time."""
        with in_words(self.client):
            while True:
                groups = [parts[start : start + TOGETHER] for start in range(0, len(parts), TOGETHER)]
                parts = [
                    self.client.submit(total, *group, pure=False, retries=RETRIES, priority=SOON) for group in groups
                ]
                if len(parts) == 1:
                    return parts[0]

    def summed(self, parts: Sequence[Future], size: int) -> np.ndarray:
        """The sum itself, of *parts* of *size* bytes each: added up here where they are small, which saves a task that
        waits for all others.
        """
        if size * len(parts) <= ADDED_HERE:
            return total(*self.gathered(parts))
        return self.gathered([self.sum(parts)])[0]

    def gathered(self, futures: Sequence[Future]) -> list[np.ndarray]:
        """Results, in order."""
        with in_words(self.client):
            return self.client.gather(list(futures))

    def watch(self, futures: Sequence[Future], tick: Tick) -> None:
        """Wait for *futures*; the first that fails ends it."""
        from distributed import as_completed

        for done, future in enumerate(as_completed(futures), start=1):
            if future.status != "finished":
                future.result()
            tick(done, len(futures))

    def parts(self, rows: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Panels that have some of *rows*: which panel, where in it, and where in *rows*."""
        starts = np.array([panel.start for panel in self.slices])
        panel_of = np.searchsorted(starts, rows, side="right") - 1
        order = np.argsort(panel_of, kind="stable")
        found, first = np.unique(panel_of[order], return_index=True)
        for panel, places in zip(found, np.split(order, first[1:]), strict=True):
            yield int(panel), rows[places] - starts[panel], places

    def overlaps(self, rows: slice) -> Iterator[tuple[int, slice, slice]]:
        """Panels that have some of *rows*: which panel, where in it, and where in *rows*."""
        for number, panel in enumerate(self.slices):
            start, stop = max(rows.start, panel.start), min(rows.stop, panel.stop)
            if start < stop:
                local = slice(start - panel.start, stop - panel.start)
                yield number, local, slice(start - rows.start, stop - rows.start)
