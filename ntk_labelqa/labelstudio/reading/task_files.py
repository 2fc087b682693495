"""Files of tasks in the forms that Label Studio has given them over the years, brought to that of its JSON export.

Read is what leaves no doubt: exports, JSON lines, answers of the API, the ``completions`` of old versions, files of a
target storage, files for import, and a zip of one such file. What does not say by which control a label was given is
named for what it is.
"""

from __future__ import annotations

import csv
import reprlib
import tempfile
import zipfile
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, BinaryIO, cast

from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.labelstudio.reading.json_values import JSONValues, NotJSONError, Value
from ntk_labelqa.labelstudio.reading.task_store import IN_MEMORY, Record, TaskStore
from ntk_labelqa.shown import make_well_formed
from ntk_labelqa.unpacking import TooLargeError, chunks_of, most_of

REMEDY = "Export the project again, as JSON."
LONGEST_ID = 40
"""Characters of an id that is written as a string."""
_STORED = "_stored"
"""Marks a task that came with one annotation of a target storage, while it is read."""
_HEAD_BYTES = 10_000
"""By which formats that are no JSON are told apart."""
_BRIEF = reprlib.Repr()
_BRIEF.maxstring = _BRIEF.maxother = _BRIEF.maxlong = 80


@dataclass
class _Gathered:
    """Tasks as they come out of a file, their ids and those of their annotations as they are written there."""

    name: str
    tasks: TaskStore = field(default_factory=TaskStore)
    annotation_ids: list[list[Any]] = field(default_factory=list)
    rows: dict[Any, int] = field(default_factory=dict)
    """By id."""
    cleaned: set[int] = field(default_factory=set)
    """Rows of tasks with halves of characters."""
    said_annotations: bool = False
    """Whether any record did, be it that there are none."""

    def add(self, record: Any, *, may_have_halves: bool) -> None:
        """Take in one object of the file. One of a target storage holds the task anew with each of its annotations."""
        task = _task(record, len(self.annotation_ids) + 1, self.name)
        self.said_annotations |= "annotations" in record
        is_clean = not (may_have_halves and make_well_formed(task))
        stored, row = task.pop(_STORED, False), self._row_of(task)
        known = self.tasks[row] if stored and row is not None else None
        if row is not None and known is not None and _same(known["data"], task["data"]):
            known["annotations"] += task["annotations"]
            self.tasks.replace(row, known)
        else:
            row = len(self.tasks)
            self.tasks.append(task)
            if isinstance(task.get("id"), int | str):
                self.rows.setdefault(task["id"], row)
        self.annotation_ids += [[] for _ in range(row + 1 - len(self.annotation_ids))]
        self.annotation_ids[row] += [one.get("id") for one in task["annotations"]]
        if not is_clean:
            self.cleaned.add(row)

    def _row_of(self, task: Record) -> int | None:
        return self.rows.get(task["id"]) if isinstance(task.get("id"), int | str) else None

    def numbered(self) -> tuple[TaskStore, list[str]]:
        """The tasks, all ids integers and none twice; and what is to be said of them."""
        notes: list[str] = []
        ids = _whole_numbers(self.tasks.ids, "task", self.name, notes)
        written = [one for of_task in self.annotation_ids for one in of_task]
        annotation_ids = _whole_numbers(written, "annotation", self.name, notes)
        _refuse_twins(ids, "task", self.name)
        _refuse_twins(annotation_ids, "annotation", self.name)
        if self.cleaned:
            of = [ids[row] for row in sorted(self.cleaned)]
            notes.append(
                f"Halves of characters were replaced by the sign for unknown ones in {len(of)} tasks: "
                f"{', '.join(map(str, of[:10]))}{' …' if len(of) > 10 else ''}."
            )
        if ids != self.tasks.ids or annotation_ids != written:
            return TaskStore(_with_ids(self.tasks, ids, annotation_ids)), notes
        return self.tasks, notes


def parse_tasks(chunks: Iterable[bytes], name: str) -> tuple[TaskStore, tuple[str, ...]]:
    """The tasks in a file, each with ``id``, ``data`` and ``annotations``; and what is to be said of them.

    Args:
        chunks: the file's content, in pieces of any size.
        name: of the file, for messages.

    Raises InvalidInputError, saying what it seems to be, where it holds no tasks that could be audited.

    Cost: the memory of one task and of the ids.
    """
    head, chunks = _beginning(chunks)
    inside = _unpacked(chunks, name) if head[:4] == b"PK\x03\x04" else chunks
    head, inside = _beginning(inside)
    gathered, are_minimal = _Gathered(name), True
    try:
        records = _records(JSONValues(inside), name)
        for one in records:
            are_minimal = are_minimal and _is_minimal(one.value)
            if are_minimal and not _is_record(one.value) and all(_is_minimal(further.value) for further in records):
                raise _minimal(name)
            try:
                gathered.add(one.value, may_have_halves=one.may_have_halves)
            except InvalidInputError:
                deque(records, maxlen=0)  # what is no JSON further on is named for that
                raise
    except NotJSONError as error:
        why = _other_format(head) or "It is of another format, or was cut off."
        raise InvalidInputError(f"{name} is not JSON: {error}", why=why, remedy=REMEDY) from error
    if gathered.tasks and are_minimal:
        raise _minimal(name)
    if gathered.tasks and not gathered.tasks.annotations and not gathered.said_annotations:
        raise InvalidInputError(
            f"{name} has tasks without annotations, as files for import have.",
            remedy="Label them first; or, if they are labelled, export the project, as JSON.",
        )
    tasks, notes = gathered.numbered()
    return tasks, tuple(notes)


def _beginning(chunks: Iterable[bytes]) -> tuple[bytes, Iterable[bytes]]:
    """The first bytes of *chunks*, by which formats are told apart, and all of *chunks*."""
    rest = iter(chunks)
    taken, size = [], 0
    for chunk in rest:
        taken.append(chunk)
        size += len(chunk)
        if size >= _HEAD_BYTES:
            break
    return b"".join(taken)[:_HEAD_BYTES], chain(taken, rest)


def too_large(name: str, packed: int) -> InvalidInputError:
    """The error of a file of *packed* bytes that unpacks to more than is taken."""
    return InvalidInputError(
        f"{name} unpacks to more than {most_of(packed) // 2**20:,} MiB, from {packed / 2**20:,.1f}.",
        why="Exports do not pack so well: it may have been made to fill the memory.",
        remedy="If you trust it, unpack it yourself and name the result.",
    )


def _unpacked(chunks: Iterable[bytes], name: str) -> Iterator[bytes]:
    """What is in the one JSON file of an archive."""
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as copied:
        try:
            copied.writelines(chunks)
            size = copied.tell()
            with zipfile.ZipFile(cast(BinaryIO, copied)) as archive:
                files = [entry for entry in archive.infolist() if not entry.is_dir()]
                inside = [entry for entry in files if entry.filename.endswith((".json", ".jsonl", ".ndjson"))]
                if len(inside) == 1:
                    with archive.open(inside[0]) as packed:
                        yield from chunks_of(cast(BinaryIO, packed), most_of(size))
                    return
        except TooLargeError as error:
            raise too_large(name, size) from error
        except Exception as error:  # zipfile lets whatever damaged archives cause through
            raise InvalidInputError(f"{name} cannot be unpacked: {error}", remedy=REMEDY) from error
    shown = ", ".join(entry.filename for entry in files[:5]) or "nothing"
    raise InvalidInputError(
        f"{name} is an archive with {len(inside)} JSON files in it; there is: {shown}.",
        why="Archives as exported for COCO, YOLO and the like do not say which annotation a label is from.",
        remedy=REMEDY,
    )


def _other_format(content: bytes) -> str:
    """What text that is no JSON seems to be, in words; empty where nothing is known."""
    head = content.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    if head.startswith("<"):
        return "It is XML: a labelling config, or an export for VOC."
    if "-DOCSTART-" in head:
        return "It is an export for CONLL, which does not say which annotation a label is from."
    first = head.splitlines()[0] if head and head[0] not in "[{" else ""
    for delimiter, kind in ((",", "CSV"), ("\t", "TSV")):
        columns = next(csv.reader([first], delimiter=delimiter), [])
        if len(columns) > 1 and all(column.strip().isprintable() and column.strip() for column in columns):
            return f"It is {kind}, whose columns do not say which control a label was given with."
    return ""


def _records(values: JSONValues, name: str) -> Iterator[Value]:
    """One object a task, or an annotation of a target storage."""
    if values.is_list:
        yield from values
        return
    first = next(values)
    second = next(values, None)
    if second is None:
        yield from (Value(one, first.may_have_halves) for one in _records_in(first.value, name))
    else:
        yield from (first, second)
        yield from values


def _records_in(parsed: Any, name: str) -> list[Any]:
    """The records in the one value of a file that is no list."""
    if not isinstance(parsed, Mapping):
        raise _no_tasks(name)
    if {"images", "categories", "annotations"} <= parsed.keys():
        raise InvalidInputError(
            f"{name} is an export for COCO, which does not say which annotation a label is from.", remedy=REMEDY
        )
    for key, count in (("tasks", "total"), ("results", "count")):
        page = parsed.get(key)
        if isinstance(page, list) and all(isinstance(one, Mapping) for one in page):
            most = parsed.get(count, len(page))
            if isinstance(most, int) and most > len(page):
                raise InvalidInputError(
                    f"{name} is one page of the API's answer: {len(page)} of {most} tasks.", remedy=REMEDY
                )
            return page
    if _is_minimal(parsed):
        raise _minimal(name)
    if not _is_record(parsed):
        raise _no_tasks(name)
    return [parsed]


def _minimal(name: str) -> InvalidInputError:
    return InvalidInputError(
        f"{name} is of the format JSON_MIN, which does not say which control a label was given with.", remedy=REMEDY
    )


def _is_minimal(record: object) -> bool:
    return isinstance(record, Mapping) and "annotation_id" in record and "annotations" not in record


def _is_record(record: object) -> bool:
    return isinstance(record, Mapping) and (
        isinstance(record.get("data"), Mapping) or (isinstance(record.get("task"), Mapping) and "result" in record)
    )


def _task(record: Any, number: int, name: str) -> Record:
    """A record as a task of an export."""
    if not _is_record(record):
        raise _no_tasks(name, f"The first that is none is number {number}: {_shown(record)}.")
    if "data" not in record:  # an annotation of a target storage, which holds its task
        task, annotation = record["task"], {key: value for key, value in record.items() if key != "task"}
        return {**_task(task, number, name), "annotations": [annotation], _STORED: True}
    if isinstance(record.get("id"), list | dict):
        raise _no_tasks(name, f"The id of task number {number} is no whole number: {_shown(record['id'])}.")
    annotations = record.get("annotations", record.get("completions")) or []
    if not isinstance(annotations, list) or not all(isinstance(one, Mapping) for one in annotations):
        raise _no_tasks(name, f"The annotations of number {number} are none: {_shown(annotations)}.")
    return {**record, "annotations": [{"was_cancelled": bool(one.get("skipped")), **one} for one in annotations]}


def _whole_numbers(ids: Sequence[Any], of: str, name: str, notes: list[str]) -> list[int]:
    """*ids* as integers: those that are written as strings are read, and where there are none at all, counted."""
    if ids and all(key is None for key in ids):
        notes.append(f"The {of}s have no ids: they are counted from 1, in the order of the file.")
        return list(range(1, len(ids) + 1))
    found: list[int] = []
    for number, key in enumerate(ids, 1):
        whole = int(key) if isinstance(key, str) and len(key) < LONGEST_ID and _is_digits(key.strip()) else key
        if not isinstance(whole, int) or isinstance(whole, bool) or abs(whole) >= 2**63:
            raise _no_tasks(name, f"The id of {of} number {number} is no whole number: {_shown(key)}.")
        found.append(whole)
    return found


def _with_ids(tasks: Iterable[Record], ids: Iterable[int], annotation_ids: Iterable[int]) -> Iterator[Record]:
    further = iter(annotation_ids)
    for task, number in zip(tasks, ids, strict=True):
        yield {**task, "id": number, "annotations": [{**one, "id": next(further)} for one in task["annotations"]]}


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _refuse_twins(ids: list[int], of: str, name: str) -> None:
    """Raise InvalidInputError where an id comes twice: what is said of it could end up with the wrong item."""
    if len(set(ids)) == len(ids):
        return
    twins = [str(key) for key, count in Counter(ids).items() if count > 1]
    raise InvalidInputError(
        f"{name} has {len(twins)} {of} ids more than once: {', '.join(twins[:10])}.",
        why="Several exports may have been joined, or projects of several servers.",
        remedy="Audit one export of one project.",
    )


def _no_tasks(name: str, why: str = "It may be of another of Label Studio's formats, or not an export.") -> Exception:
    what = f"{name} is JSON, but not a list of Label Studio tasks with id, data and annotations."
    return InvalidInputError(what, why=why, remedy=REMEDY)


def _shown(value: object) -> str:
    return _BRIEF.repr(value)


def _same(one: object, other: object) -> bool:
    """Whether two values of JSON are equal; not where they are nested too deep to be compared."""
    try:
        return one == other
    except RecursionError:
        return False
