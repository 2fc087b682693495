"""The data set with the accepted corrections in place, in Label Studio's own export format."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from ntk_labelqa.files import whole_file
from ntk_labelqa.labelstudio.corrections.plan import Plan
from ntk_labelqa.labelstudio.corrections.results import correction_id, superseded_in
from ntk_labelqa.labelstudio.reading.task_store import TaskStore
from ntk_labelqa.paths import real_place

SUPERSEDED = "superseded_annotations"
"""Key of a task under which its annotations lie, whole, that a correction stands in for."""


@dataclass(frozen=True)
class CleanExport:
    """Tasks as Label Studio exports them, and how many annotations a correction stands in for.

    Attributes:
        tasks: ``annotations`` holds what counts; what a correction replaces lies under ``superseded_annotations``.
        applied: corrections that are annotations of the source project.
        pending: accepted corrections that are not written there; each has the id of the annotation it replaces.
    """

    tasks: TaskStore
    applied: int
    pending: int


def clean_export(tasks: Iterable[Mapping[str, Any]], plan: Plan) -> CleanExport:
    """Put the accepted corrections of *plan* into a snapshot of its project; conflicts are left as they are."""
    pending = {ready.correction.annotation: ready for ready in plan.ready}
    applied = 0
    cleaned = TaskStore()
    for task in tasks:
        superseded = superseded_in(task, plan.authors)
        applied += len(superseded)
        replaced = [one for one in task["annotations"] if one["id"] in superseded | pending.keys()]
        kept = []
        for one in task["annotations"]:
            if one["id"] in pending:
                kept.append(_corrected(one, pending[one["id"]].result, pending[one["id"]].correction.key))
            elif one["id"] not in superseded:
                kept.append(one)
        cleaned.append({**task, "annotations": kept, **({SUPERSEDED: replaced} if replaced else {})})
    return CleanExport(cleaned, applied, len(pending))


def _corrected(annotation: Mapping[str, Any], result: Sequence[Mapping[str, Any]], key: str) -> dict[str, Any]:
    """What the correction of *annotation* would be; it keeps the id, since the server has given none yet."""
    reviewed = {"unique_id": correction_id(key), "ground_truth": False, "parent_annotation": None}
    return {**annotation, **reviewed, "result": list(result), "completed_by": None}


def write_export(tasks: Iterable[Mapping[str, Any]], path: Path) -> None:
    """Write the tasks to *path*, packed if it ends in ``.gz``; the file appears whole or not at all.

    Raises LabelQAError where it cannot be written.
    """
    with whole_file(real_place(path)) as file, _packed(file) if path.suffix == ".gz" else nullcontext(file) as stream:
        before = b"[\n "
        for task in tasks:
            # As json.dumps writes a list: one level further in.
            stream.write(before + json.dumps(task, ensure_ascii=False, indent=1).replace("\n", "\n ").encode())
            before = b",\n "
        stream.write(b"[]" if before.startswith(b"[") else b"\n]")


def _packed(file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, gzip.GzipFile(fileobj=file, mode="wb"))
