"""A small text project on the server with an audit of it in which every label is doubted, and its review by API."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ntk_labelqa import findings
from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.auditing import describe
from ntk_labelqa.dataset import Control
from ntk_labelqa.demo.server import PEOPLE
from ntk_labelqa.labelstudio.connect import ONCE
from ntk_labelqa.labelstudio.reading.pull import pull_project, take_snapshot
from ntk_labelqa.labelstudio.review import project as review_project
from tests.gate.audits import audit_of

CLASSES = ("sport", "space", "cars")
CONFIG = """<View><Text name="text" value="$text"/><Choices name="topic" toName="text">
<Choice value="sport"/><Choice value="space"/><Choice value="cars"/></Choices></View>"""
SERVERS_OWN = ("updated_at", "updated_by", "total_annotations")
"""Fields of a task that the server counts and stamps by itself."""


def topics_project(client, count: int, *, title: str = "Topics") -> int:
    """A project with *count* texts, one label each, by three annotators."""
    people = {user.email: user.id for user in client.users.list()}
    project = client.projects.create(title=title, label_config=CONFIG)
    tasks: Any = [
        {
            "data": {"text": f"text {number}"},
            "annotations": [{"completed_by": people[PEOPLE[number % 3]], "result": [topic(CLASSES[number % 2])]}],
        }
        for number in range(count)
    ]
    client.projects.import_tasks(id=project.id, request=tasks, request_options=ONCE)
    return project.id


def topic(label: str) -> dict[str, Any]:
    """The result of choosing *label*."""
    return {"from_name": "topic", "to_name": "text", "type": "choices", "value": {"choices": [label]}}


def doubting_audit(client, project_id: int, *, created_at: str = "2026-01-01T00:00:00+00:00") -> Audit:
    """An audit that suggests cars for every label of the project, the first annotation with the most certainty."""
    dataset = pull_project(client, project_id)
    rows = len(dataset.annotations)
    sure = [0.99 - 0.3 * row / rows for row in range(rows)]
    tables = {name: findings.empty(name) for name in findings.SCHEMAS}
    tables["findings"] = pd.DataFrame(
        {
            "task_id": dataset.items["task_id"].to_numpy()[dataset.item_of_annotation],
            "annotation_id": dataset.annotations["annotation_id"],
            "annotator": dataset.annotations["annotator"],
            "given_label": [dataset.class_names[code] for code in dataset.label_codes],
            "predicted_label": "cars",
            "suggested_label": "cars",
            "label_score": [1 - probability for probability in sure],
            "error_probability": sure,
            "is_label_issue": True,
            "margin": sure,
            "bde_gain": 1.0,
        }
    )
    known = audit_of(rows).manifest
    about = {"created_at": created_at, "data": describe(dataset), "summary": {**known["summary"], "issues": rows}}
    items = dataset.items.assign(thumbnail=None)
    saved = dataset.annotations[["annotation_id", "updated_at"]]
    return Audit({**known, **about}, items=items, annotations=saved, **tables)


def answer(decision: str, label: str = "", comment: str = "") -> list[dict[str, Any]]:
    """The result of a reviewer's decision."""
    found = [{"from_name": "decision", "to_name": "item", "type": "choices", "value": {"choices": [decision]}}]
    if label:
        found.append({"from_name": "other_label", "to_name": "item", "type": "choices", "value": {"choices": [label]}})
    if comment:
        found.append({"from_name": "comment", "to_name": "item", "type": "textarea", "value": {"text": [comment]}})
    return found


def review(
    client, source: int, answers: dict[int, list[dict[str, Any]]], *, reviewer: int = 3, control: Control | None = None
) -> None:
    """Answer the review tasks of the annotations that are the keys of *answers*, as one of the people."""
    people = {user.email: user.id for user in client.users.list()}
    project = review_project.find(client, source, control)
    assert project is not None
    for task in review_project.tasks_of(client, project):
        if task.data["source_annotation"] in answers:
            result = answers[task.data["source_annotation"]]
            client.annotations.create(id=task.id, result=result, completed_by=people[PEOPLE[reviewer]])


def whole_project(client, project_id: int) -> list[dict[str, Any]]:
    """Every task with all its fields and annotations, but what the server counts and stamps by itself."""
    tasks = sorted(take_snapshot(client, project_id), key=lambda task: task["id"])
    return [{key: value for key, value in task.items() if key not in SERVERS_OWN} for task in tasks]


def labels_of(task: dict[str, Any]) -> list[str]:
    """The label of each annotation of a task, in order."""
    return [annotation["result"][0]["value"]["choices"][0] for annotation in task["annotations"]]
