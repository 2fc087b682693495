"""Review tasks and what reviewers answered, as Label Studio has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ntk_labelqa.labelstudio.corrections.authors import Authors
from ntk_labelqa.labelstudio.corrections.results import superseded_in
from ntk_labelqa.labelstudio.review.decisions import decisions_table
from ntk_labelqa.labelstudio.review.project import ReviewTask
from ntk_labelqa.labelstudio.review.tasks import LABEL, finding_key, review_key
from tests.labelstudio.samples import annotation

PEOPLE = {1: "owner@example.org", 4: "reviewer-1@example.org", 5: "reviewer-2@example.org"}
PROJECT = 7
SAVED = "2025-05-01T10:00:00Z"
OURS = Authors(user=1)


def answer(decision: str, label: str = "", *, comment: str = "", taxonomy: bool = False) -> list[dict[str, Any]]:
    """The result of a reviewer's annotation."""
    found = [_part("decision", "choices", choices=[decision])]
    if label and taxonomy:
        found.append(_part("other_label", "taxonomy", taxonomy=[[label]]))
    elif label:
        found.append(_part("other_label", "choices", choices=[label]))
    if comment:
        found.append(_part("comment", "textarea", text=[comment]))
    return found


def _part(name: str, kind: str, **value: Any) -> dict[str, Any]:
    return {"from_name": name, "to_name": "item", "type": kind, "value": value}


def said(number: int, by: int, *results: Any, at: str = "2025-06-01T10:00:00Z", **fields: Any) -> dict[str, Any]:
    """One reviewer's annotation of a review task."""
    return annotation(number, *(results[0] if results else []), completed_by=by, updated_at=at, **fields)


def review_task(source: int, *annotations: dict[str, Any], number: int = 0, round: int = 1, **data: Any) -> ReviewTask:
    """The review task of annotation *source* of task ``source - 100``, labelled sport, suggested space."""
    base = {
        "source_project": PROJECT,
        "source_task": source - 100,
        "source_annotation": source,
        "source_control": "topic",
        "source_updated_at": SAVED,
        "audited_at": "2025-05-02T00:00:00+00:00",
        "annotator": "ann",
        "given_label": "sport",
        "suggested_label": "space",
        "error_probability": 0.9,
    } | data
    region = base.get("source_region", "")
    kind = base.get("kind", LABEL)
    key = review_key(PROJECT, base["source_task"], source, base["given_label"], region, kind)
    key += f"~{round}" if round > 1 else ""
    base["review_key"] = key
    return ReviewTask(number or source, key, bool(annotations), base, annotations)


def raised(tasks: Sequence[ReviewTask]) -> dict[str, Mapping[str, Any]]:
    """What an audit that raised all of *tasks* as they are would say of them."""
    return {finding_key(task.key): task.data for task in tasks}


def table_of(tasks: Sequence[ReviewTask]) -> pd.DataFrame:
    """The decisions on *tasks*, all of them raised by the audit."""
    return decisions_table(tasks, PEOPLE, raised(tasks), PROJECT)


def superseded(task: Mapping[str, Any]) -> set[int]:
    """Ids of the annotations that corrections by user 1 stand in for."""
    return superseded_in(task, OURS)
