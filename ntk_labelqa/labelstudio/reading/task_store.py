"""Tasks on disk while they are read, so that memory holds one of them whatever their number."""

from __future__ import annotations

import marshal
import sys
import tempfile
import weakref
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, overload

from ntk_labelqa.errors import LabelQAError

IN_MEMORY = 8 * 2**20
"""Bytes of tasks up to which no file is made."""

Record = dict[str, Any]


class TaskStore(Sequence[Record]):
    """A sequence of tasks, each made anew whenever it is asked for: to change one changes nothing in the store.

    They lie in a temporary file without a name, gone when the store is, and in memory while they are few.

    Args:
        tasks: those to begin with.

    Attributes:
        ids: of all tasks, as they have them; None where one has none.
        annotations: how many all tasks have together.

    Raises LabelQAError where the disk is full.

    Example:
        >>> tasks = TaskStore([{"id": 7, "data": {"text": "a"}, "annotations": []}])
        >>> tasks.append({"id": 8, "data": {"text": "b"}, "annotations": [{"id": 1}]})
        >>> tasks[-1]["data"], tasks.ids, tasks.annotations
        ({'text': 'b'}, [7, 8], 1)
    """

    def __init__(self, tasks: Iterable[Mapping[str, Any]] = ()) -> None:
        self.ids: list[Any] = []
        self.annotations = 0
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - closed with the store
        weakref.finalize(self, self._file.close)
        self._places, self._sizes, self._end = array("q"), array("q"), 0
        self._deep: dict[int, Record] = {}
        for task in tasks:
            self.append(task)

    def append(self, task: Mapping[str, Any]) -> None:
        """Add *task*, as JSON has it."""
        self._places.append(0)
        self._sizes.append(0)
        self.ids.append(task.get("id"))
        self._keep(len(self) - 1, task)

    def replace(self, row: int, task: Mapping[str, Any]) -> None:
        """Put *task* in the place of the one at *row*."""
        self.annotations -= len(self[row]["annotations"])
        self.ids[row] = task.get("id")
        self._keep(row, task)

    def _keep(self, row: int, task: Mapping[str, Any]) -> None:
        self.annotations += len(task["annotations"])
        # The names of the data are the same in all tasks: one string each, once they are read back.
        task = {**task, "data": {sys.intern(name): value for name, value in task["data"].items()}}
        self._deep.pop(row, None)
        try:
            content = marshal.dumps(task)
        except ValueError:  # nested deeper than it goes, which is 2,000 levels
            self._deep[row] = task
            return
        with _in_words():
            self._file.seek(self._end)
            self._file.write(content)
        self._places[row], self._sizes[row] = self._end, len(content)
        self._end += len(content)

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, row: int) -> Record: ...
    @overload
    def __getitem__(self, row: slice) -> list[Record]: ...
    def __getitem__(self, row: int | slice) -> Record | list[Record]:
        """The task at *row*, or a list of those in a slice."""
        rows = range(len(self))[row]
        return self._at(rows) if isinstance(rows, int) else [self._at(one) for one in rows]

    def _at(self, row: int) -> Record:
        if row in self._deep:
            return dict(self._deep[row])
        with _in_words():
            self._file.seek(self._places[row])
            found: Record = marshal.loads(self._file.read(self._sizes[row]))
        return found

    def __iter__(self) -> Iterator[Record]:
        return map(self._at, range(len(self)))


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LabelQAError(
            f"The tasks could not be kept in {tempfile.gettempdir()} while they are read: {error.strerror or error}.",
            remedy="Make room there, or name another folder in TMPDIR.",
        ) from error
