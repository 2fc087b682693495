"""Review tasks that are made when they are asked for: with its pages each takes some kilobytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, overload

import numpy as np

Record = dict[str, Any]

AT_ONCE = 500
"""Tasks made at a time, where all are gone through."""


class Making(Protocol):
    """Makes the data of tasks at *places*, in that order; with or without the pages that are there to be looked at."""

    def __call__(self, places: np.ndarray, *, with_pages: bool) -> list[Record]: ...


class Wanted(Sequence[Record]):
    """Tasks as Label Studio imports them, each made anew whenever it is asked for: to change one changes nothing here.

    Args:
        making: makes their data.
        places: int64[n], which of those that *making* knows, in this order.
        changed: fields that are other ones than *making* has, by place.

    Example:
        >>> tasks = Wanted.of([{"data": {"text": "a"}}, {"data": {"text": "b"}}])
        >>> last = tasks.chosen([1], {1: {"text": "c"}})
        >>> len(last), last[0], last[:]
        (1, {'data': {'text': 'c'}}, [{'data': {'text': 'c'}}])
    """

    def __init__(self, making: Making, places: np.ndarray, changed: Mapping[int, Record] | None = None) -> None:
        self._making, self._places, self._changed = making, places, changed or {}

    @classmethod
    def of(cls, tasks: Sequence[Record]) -> Wanted:
        """*tasks*, which may be these already."""
        if isinstance(tasks, Wanted):
            return tasks

        def making(places: np.ndarray, *, with_pages: bool) -> list[Record]:
            return [tasks[place]["data"] for place in places]

        return cls(making, np.arange(len(tasks)))

    def chosen(self, rows: Sequence[int], changed: Mapping[int, Record] | None = None) -> Wanted:
        """The tasks at *rows* of these, in that order, with fields of their data *changed*, by row."""
        kept = dict(self._changed)
        for row, fields in (changed or {}).items():
            place = int(self._places[row])
            kept[place] = {**kept.get(place, {}), **fields}
        return type(self)(self._making, self._places[np.asarray(rows, np.int64)], kept)

    def outlines(self) -> Iterator[Record]:
        """The data of each, without the words and pages that are there to be looked at."""
        for start in range(0, len(self), AT_ONCE):
            yield from self._data(self._places[start : start + AT_ONCE], with_pages=False)

    def _data(self, places: np.ndarray, *, with_pages: bool) -> Iterable[Record]:
        made = self._making(places, with_pages=with_pages)
        for place, data in zip(places.tolist(), made, strict=True):
            yield {**data, **self._changed[place]} if place in self._changed else data

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, row: int) -> Record: ...
    @overload
    def __getitem__(self, row: slice) -> list[Record]: ...
    def __getitem__(self, row: int | slice) -> Record | list[Record]:
        """The task at *row*, or a list of those in a slice."""
        rows = range(len(self))[row]
        places = self._places[[rows] if isinstance(rows, int) else list(rows)]
        tasks = [{"data": data} for data in self._data(places, with_pages=True)]
        return tasks[0] if isinstance(rows, int) else tasks

    def __iter__(self) -> Iterator[Record]:
        for start in range(0, len(self), AT_ONCE):
            yield from self[start : start + AT_ONCE]
