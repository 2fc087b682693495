"""What reviewers decided on class warnings, read back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from ntk_labelqa.dataset import Control
from ntk_labelqa.labelstudio.review import project as review_project
from ntk_labelqa.labelstudio.review.config import DECISION
from ntk_labelqa.labelstudio.review.decisions import answers_in, comment_in, people_by_id, reviewer_of
from ntk_labelqa.labelstudio.review.project import ReviewTask
from ntk_labelqa.labelstudio.review.push_warnings import mark
from ntk_labelqa.labelstudio.review.tasks import finding_key, round_of
from ntk_labelqa.labelstudio.review.trust import is_our_warning
from ntk_labelqa.labelstudio.review.warning_config import FINE, GUIDELINE, MERGE, RELABEL

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio

COLUMNS = {
    "review_key": "str",
    "review_task": "int64",
    "class_a": "str",
    "class_b": "str",
    "overlap": "float64",  # what the audit said
    "cause": "str",  # the same: "labels" or "classes"
    "decision": "str",  # guideline, merge, relabel, fine; skipped, unreadable, conflict, open
    "votes": "str",  # who said what
    "comment": "str",
    "decided_at": "str",  # the last vote, ISO 8601
    "audited_at": "str",
    "control": "str",
}
"""Columns of ``warning_decisions.parquet``, one row a warned pair of classes."""
ABSTAINING = ("unreadable", "skipped")


def read_warning_decisions(
    client: LabelStudio, source_project: int, control: Control, known: Collection[int] = ()
) -> tuple[int, pd.DataFrame] | None:
    """The id of the project of class warnings and a table with the columns :data:`COLUMNS`; None without a project.

    Only projects that the key's user made count, and those *known* by a journal; of their tasks, only those whose
    review key follows from what they are about.

    Raises LabelStudioError where the server refuses.
    """
    found = review_project.marked(client, mark(source_project, control), known).ours
    if not found:
        return None
    project = found[0]
    tasks = [
        task
        for task in review_project.tasks_of(client, project)
        if is_our_warning(task, source_project) and task.data["source_control"] == control.full_name
    ]
    return project, warning_decisions_table(tasks, people_by_id(client))


def warning_decisions_table(tasks: Sequence[ReviewTask], people: Mapping[int, str]) -> pd.DataFrame:
    """One row a pair of classes, as it was last raised, with the columns :data:`COLUMNS`; largest overlap first."""
    newest = {finding_key(task.key): task for task in sorted(tasks, key=lambda task: round_of(task.key))}
    table = pd.DataFrame([_row(task, people) for task in newest.values()], columns=list(COLUMNS))
    typed = table.astype({column: kind for column, kind in COLUMNS.items() if kind != "str"})
    return typed.sort_values("overlap", ascending=False, kind="stable", ignore_index=True)


def _row(task: ReviewTask, people: Mapping[int, str]) -> dict[str, Any]:
    last: dict[str, Mapping[str, Any]] = {}
    for annotation in sorted(task.annotations, key=lambda one: (one.get("updated_at") or "", one["id"])):
        last[reviewer_of(annotation, people)] = annotation
    said = {reviewer: _decision(annotation) for reviewer, annotation in last.items()}
    comments = {reviewer: comment_in(answers_in(annotation)) for reviewer, annotation in last.items()}
    return {
        "review_key": task.key,
        "review_task": task.id,
        **{name: task.data[name] for name in ("class_a", "class_b", "overlap", "cause")},
        "decision": _together(list(said.values())),
        "votes": "; ".join(f"{reviewer}: {decision}" for reviewer, decision in said.items()),
        "comment": "; ".join(f"{reviewer}: {comment}" for reviewer, comment in comments.items() if comment),
        "decided_at": max((str(annotation.get("updated_at") or "") for annotation in last.values()), default=""),
        "audited_at": task.data.get("audited_at", ""),
        "control": task.data.get("source_control", ""),
    }


def _decision(annotation: Mapping[str, Any]) -> str:
    if annotation.get("was_cancelled"):
        return "skipped"
    chosen = answers_in(annotation).get(DECISION, {}).get("choices") or []
    return next((word for word in (GUIDELINE, MERGE, RELABEL, FINE) if chosen == [word]), "unreadable")


def _together(said: Sequence[str]) -> str:
    """What the reviewers say together: those who skip abstain, the others have to be of one mind."""
    firm = {decision for decision in said if decision not in ABSTAINING}
    if firm:
        return firm.pop() if len(firm) == 1 else "conflict"
    return next((decision for decision in ABSTAINING if decision in said), "open")
