"""Accepted corrections written to the source project: each once, however often and however rudely that is cut off."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.errors import InvalidInputError, LabelStudioError
from ntk_labelqa.labelstudio.connect import ONCE, server_url, translating_errors
from ntk_labelqa.labelstudio.corrections.authors import Authors, authors
from ntk_labelqa.labelstudio.corrections.journal import Journal
from ntk_labelqa.labelstudio.corrections.plan import Conflict, Correction, Plan, Ready, changed, plan_corrections
from ntk_labelqa.labelstudio.corrections.results import can_be_corrected, correction_id, marks_of
from ntk_labelqa.labelstudio.plain_requests import says_not_there, unlike_label_studio
from ntk_labelqa.labelstudio.reading.label_values import control_of
from ntk_labelqa.labelstudio.reading.pull import take_snapshot
from ntk_labelqa.labelstudio.reading.task_store import TaskStore

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio

IN_A_ROW = 3
"""So many writes that fail one after the other end the work: the server is in trouble."""

Tick = Callable[[int, int], None]


@dataclass
class Applied:
    """What an apply did: corrections written now, there before, in conflict, and failed with the reason; and how many
    of earlier runs were found and noted.
    """

    written: int = 0
    there: int = 0
    conflicts: list[Conflict] = field(default_factory=list)
    failed: list[tuple[Correction, LabelStudioError]] = field(default_factory=list)
    left: int = 0
    reconciled: int = 0


def plan_now(
    client: LabelStudio,
    audit: Audit,
    decisions: pd.DataFrame,
    source_project: int,
    journal: Mapping[str, Mapping[str, Any]],
    journals: Iterable[Path] = (),
) -> tuple[Plan, TaskStore]:
    """The plan against the source project as it is now, and the snapshot it was made from. Writes nothing.

    *journals* list corrections that count whoever wrote them; see :mod:`ntk_labelqa.labelstudio.corrections.authors`.
    """
    control = control_of(audit.manifest)
    if not can_be_corrected(control):
        raise InvalidInputError(
            f"Corrections of {control.tag} {control.full_name!r} cannot be written.",
            why="A single level of a Taxonomy does not say which whole path is right.",
            remedy="Correct them in Label Studio, with the audit's decisions.parquet at hand.",
        )
    tasks = take_snapshot(client, source_project, predictions=False)
    with translating_errors(f"Reading the labelling config of project {source_project}"):
        config = client.projects.get(id=source_project).label_config or ""
    plan = plan_corrections(
        decisions,
        tasks,
        config,
        project=source_project,
        control=control,
        journal=journal,
        authors=authors(client, source_project, journals),
    )
    return plan, tasks


def apply_corrections(client: LabelStudio, plan: Plan, journal: Journal, *, progress: Tick | None = None) -> Applied:
    """Write what *plan* has ready: a new annotation each, by the token's user, with the corrected one as its parent.

    Just before each write the annotation is looked at once more. The journal gets a line before and after: a run that
    is killed in between, and repeated, finds out from the server whether the write was done.

    Args:
        client: see :func:`ntk_labelqa.labelstudio.connect.connect`.
        plan: made from a snapshot that was taken after *journal* was opened.
        journal: see :mod:`ntk_labelqa.labelstudio.corrections.journal`.
        progress: called with (corrections seen to, corrections).

    Cost: two requests a correction, three a second on a busy server with two cores.
    """
    applied = Applied(there=len(plan.there), conflicts=list(plan.conflicts))
    applied.reconciled = reconcile(journal, plan)
    failed_in_a_row = 0
    for number, ready in enumerate(plan.ready):
        try:
            _write(client, plan, ready, journal, applied)
            failed_in_a_row = 0
        except LabelStudioError as error:
            applied.failed.append((ready.correction, error))
            failed_in_a_row += 1
        if progress:
            progress(number + 1, len(plan.ready))
        if failed_in_a_row == IN_A_ROW:
            applied.left = len(plan.ready) - number - 1
            break
    return applied


def _write(client: LabelStudio, plan: Plan, ready: Ready, journal: Journal, applied: Applied) -> None:
    correction = ready.correction
    now = annotation_now(client, correction.annotation)
    if why := _elsewhere(now, plan, correction) or changed(correction, now, plan.control, ready.data):
        applied.conflicts.append(Conflict(correction, why))
        return
    intended = journal.add(
        "intended",
        key=correction.key,
        server=server_url(client),
        project=plan.project,
        task=correction.task,
        annotation=correction.annotation,
        changes=[asdict(change) for change in correction.changes],
        result=ready.result,
    )
    made = _create(client, ready)
    if made is None:
        # Taken before: a request of ours was still on its way when its sender was killed.
        made = _find(client, ready, plan.authors)
        applied.there += 1
    else:
        applied.written += 1
    _note_written(journal, intended, made)


def _elsewhere(annotation: Mapping[str, Any] | None, plan: Plan, correction: Correction) -> str:
    """Whether the annotation is of another task or project than the correction; empty where it is of the same."""
    if annotation is None:
        return ""
    for what, expected in (("task", correction.task), ("project", plan.project)):
        if annotation.get(what) not in (None, expected):
            return f"its annotation is of {what} {annotation[what]}"
    return ""


def _create(client: LabelStudio, ready: Ready) -> dict[str, Any] | None:
    """The new annotation as the server answers; None if it has this correction already."""
    from label_studio_sdk.core.api_error import ApiError

    correction = ready.correction
    with translating_errors(f"Correcting annotation {correction.annotation}"):
        try:
            made = client.annotations.create(
                id=correction.task,
                result=ready.result,
                parent_annotation=correction.annotation,
                unique_id=correction_id(correction.key),
                ground_truth=False,
                was_cancelled=False,
                request_options=ONCE,
            )
        except ApiError as error:
            if error.status_code == 409:
                return None
            raise
    answer = made.dict()
    if not isinstance(answer.get("id"), int) or answer.get("parent_annotation") != correction.annotation:
        raise unlike_label_studio(f"Correcting annotation {correction.annotation}")
    return answer


def _find(client: LabelStudio, ready: Ready, authors: Authors) -> dict[str, Any]:
    correction = ready.correction
    with translating_errors(f"Looking for the correction of annotation {correction.annotation}"):
        annotations = [annotation.dict() for annotation in client.annotations.list(id=correction.task)]
    keys = {change.key for change in correction.changes}
    for annotation in annotations:
        same = annotation.get("parent_annotation") == correction.annotation and annotation["result"] == ready.result
        marked = same or any(mark["review_key"] in keys for mark in marks_of(annotation))
        if marked and authors.wrote(annotation):
            return annotation
    raise LabelStudioError(
        f"The correction of annotation {correction.annotation} is in the server, but its task has none of this key.",
        why="Somebody may just have changed it, or another key has written it.",
        remedy="Run the same command again.",
    )


def annotation_now(client: LabelStudio, number: int) -> dict[str, Any] | None:
    """The annotation as the server has it at this moment; None where Label Studio itself says that there is none."""
    from label_studio_sdk.core.api_error import ApiError

    with translating_errors(f"Looking at annotation {number}"):
        try:
            found = client.annotations.get(id=number).dict()
        except ApiError as error:
            if says_not_there(error.status_code, error.body, "Annotation"):
                return None
            raise
    if found.get("id") != number:
        raise unlike_label_studio(f"Looking at annotation {number}")
    return found


def is_gone(client: LabelStudio, number: int, task: int) -> bool:
    """Whether the annotation is gone: the server has none with that number, and none in the task's list."""
    from label_studio_sdk.core.api_error import ApiError

    if annotation_now(client, number) is not None:
        return False
    with translating_errors(f"Looking at the annotations of task {task}"):
        try:
            return all(one.id != number for one in client.annotations.list(id=task))
        except ApiError as error:
            if says_not_there(error.status_code, error.body, "Task"):
                return True
            raise


def reconcile(journal: Journal, plan: Plan) -> int:
    """Note as written what earlier runs wrote without being able to note it; how many that were."""
    for entry, annotation in plan.unnoted:
        _note_written(journal, entry, annotation)
    return len(plan.unnoted)


def _note_written(journal: Journal, intended: Mapping[str, Any], made: Mapping[str, Any]) -> None:
    saved = made["updated_at"]
    noted = {key: value for key, value in intended.items() if key not in ("event", "at")}
    by = made.get("completed_by")
    journal.add(
        "written",
        **noted,
        correction=made["id"],
        by=by["id"] if isinstance(by, Mapping) else by,
        updated_at=saved if isinstance(saved, str) else saved.isoformat(),
    )
