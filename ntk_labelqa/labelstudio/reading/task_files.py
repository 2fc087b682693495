"""Files of tasks in the forms that Label Studio has given them over the years, brought to that of its JSON export.

Read is what leaves no doubt: exports, JSON lines, answers of the API, the ``completions`` of old versions, files of a
target storage, files for import, and a zip of one such file. What does not say by which control a label was given is
named for what it is.
"""

from __future__ import annotations

import csv
import io
import json
import reprlib
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, cast

from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.shown import make_well_formed
from ntk_labelqa.unpacking import TooLargeError, most_of, read_at_most

REMEDY = "Export the project again, as JSON."
LONGEST_ID = 40
"""Characters of an id that is written as a string."""
_STORED = "_stored"
"""Marks a task that came with one annotation of a target storage, while it is read."""
_BRIEF = reprlib.Repr()
_BRIEF.maxstring = _BRIEF.maxother = _BRIEF.maxlong = 80

Record = dict[str, Any]


def parse_tasks(content: bytes, name: str) -> tuple[list[Record], tuple[str, ...]]:
    """The tasks in *content*, each with ``id``, ``data`` and ``annotations``; and what is to be said of them.

    Raises InvalidInputError, naming *name* and what it seems to be, where it holds no tasks that could be audited.
    """
    content = _unpacked(content, name) if content[:4] == b"PK\x03\x04" else content
    found = _records(_parsed(content, name), name)
    notes: list[str] = []
    tasks = [_task(record, number, name) for number, record in enumerate(found, 1)]
    if tasks and not any(task["annotations"] for task in tasks) and all("annotations" not in one for one in found):
        raise InvalidInputError(
            f"{name} has tasks without annotations, as files for import have.",
            remedy="Label them first; or, if they are labelled, export the project, as JSON.",
        )
    tasks = _joined(tasks)
    _number(tasks, "task", name, notes)
    _number([one for task in tasks for one in task["annotations"]], "annotation", name, notes)
    _refuse_twins([task["id"] for task in tasks], "task", name)
    _refuse_twins([one["id"] for task in tasks for one in task["annotations"]], "annotation", name)
    cleaned = [task["id"] for task in tasks if make_well_formed(task)] if _may_have_halves(content) else []
    if cleaned:
        notes.append(
            f"Halves of characters were replaced by the sign for unknown ones in {len(cleaned)} tasks: "
            f"{', '.join(map(str, cleaned[:10]))}{' …' if len(cleaned) > 10 else ''}."
        )
    return tasks, tuple(notes)


def too_large(name: str, packed: int) -> InvalidInputError:
    """The error of a file of *packed* bytes that unpacks to more than is taken."""
    return InvalidInputError(
        f"{name} unpacks to more than {most_of(packed) // 2**20:,} MiB, from {packed / 2**20:,.1f}.",
        why="Exports do not pack so well: it may have been made to fill the memory.",
        remedy="If you trust it, unpack it yourself and name the result.",
    )


def _unpacked(content: bytes, name: str) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            files = [entry for entry in archive.infolist() if not entry.is_dir()]
            inside = [entry for entry in files if entry.filename.endswith((".json", ".jsonl", ".ndjson"))]
            if len(inside) == 1:
                with archive.open(inside[0]) as packed:
                    return read_at_most(cast(BinaryIO, packed), most_of(len(content)))
    except TooLargeError as error:
        raise too_large(name, len(content)) from error
    except Exception as error:  # zipfile lets whatever damaged archives cause through
        raise InvalidInputError(f"{name} cannot be unpacked: {error}", remedy=REMEDY) from error
    shown = ", ".join(entry.filename for entry in files[:5]) or "nothing"
    raise InvalidInputError(
        f"{name} is an archive with {len(inside)} JSON files in it; there is: {shown}.",
        why="Archives as exported for COCO, YOLO and the like do not say which annotation a label is from.",
        remedy=REMEDY,
    )


def _parsed(content: bytes, name: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        lines = _lines(content)
        if lines is not None:
            return lines
        why = _other_format(content) or "It is of another format, or was cut off."
        raise InvalidInputError(f"{name} is not JSON: {error}", why=why, remedy=REMEDY) from error


def _lines(content: bytes) -> list[Any] | None:
    """The objects of JSON lines; None where it is none."""
    lines = [line for line in content.splitlines() if line.strip()]
    if len(lines) < 2 or not lines[0].lstrip(b"\xef\xbb\xbf \t").startswith(b"{"):
        return None
    try:
        return [json.loads(line) for line in lines]
    except (ValueError, RecursionError):
        return None


def _other_format(content: bytes) -> str:
    """What text that is no JSON seems to be, in words; empty where nothing is known."""
    head = content[:10_000].decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
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


def _records(parsed: Any, name: str) -> list[Any]:
    """One object a task, or an annotation of a target storage."""
    if isinstance(parsed, Mapping) and {"images", "categories", "annotations"} <= parsed.keys():
        raise InvalidInputError(
            f"{name} is an export for COCO, which does not say which annotation a label is from.", remedy=REMEDY
        )
    for key, count in (("tasks", "total"), ("results", "count")):
        page = parsed.get(key) if isinstance(parsed, Mapping) else None
        if isinstance(page, list) and all(isinstance(one, Mapping) for one in page):
            most = parsed.get(count, len(page))
            if isinstance(most, int) and most > len(page):
                raise InvalidInputError(
                    f"{name} is one page of the API's answer: {len(page)} of {most} tasks.", remedy=REMEDY
                )
            return page
    found = [parsed] if isinstance(parsed, Mapping) else parsed
    if isinstance(found, list) and found and all(_is_minimal(one) for one in found):
        raise InvalidInputError(
            f"{name} is of the format JSON_MIN, which does not say which control a label was given with.",
            remedy=REMEDY,
        )
    if not isinstance(found, list) or (isinstance(parsed, Mapping) and not _is_record(parsed)):
        raise _no_tasks(name)
    return found


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


def _joined(tasks: Sequence[Record]) -> list[Record]:
    """One task for each id: files of a target storage hold the task anew with each of its annotations."""
    by_id: dict[Any, Record] = {}
    for number, task in enumerate(tasks):
        known = by_id.get(task.get("id"))
        if task.pop(_STORED, False) and known is not None and _same(known["data"], task["data"]):
            known["annotations"] = [*known["annotations"], *task["annotations"]]
        else:
            by_id[(number,) if known is not None or task.get("id") is None else task["id"]] = task
    return list(by_id.values())


def _number(records: Sequence[Record], of: str, name: str, notes: list[str]) -> None:
    """Make all ids integers: those that are written as strings are read, and where there are none at all, counted."""
    ids = [record.get("id") for record in records]
    if records and all(key is None for key in ids):
        for number, record in enumerate(records, 1):
            record["id"] = number
        notes.append(f"The {of}s have no ids: they are counted from 1, in the order of the file.")
        return
    for number, (record, key) in enumerate(zip(records, ids, strict=True), 1):
        whole = int(key) if isinstance(key, str) and len(key) < LONGEST_ID and _is_digits(key.strip()) else key
        if not isinstance(whole, int) or isinstance(whole, bool) or abs(whole) >= 2**63:
            raise _no_tasks(name, f"The id of {of} number {number} is no whole number: {_shown(key)}.")
        record["id"] = whole


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


def _may_have_halves(content: bytes) -> bool:
    """Whether strings of the JSON may hold halves of characters: as escapes, or as bytes that are no UTF-8."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return True
    return b"\\ud" in content.lower() or b"\0" in content[:4]
