"""A review queue of many findings is made, and brought up to date, in time and memory that grow with it alone."""

from __future__ import annotations

import re
import time
import tracemalloc
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from ntk_labelqa import findings
from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.auditing import describe
from ntk_labelqa.dataset import Provenance
from ntk_labelqa.labelstudio.reading import task_store
from ntk_labelqa.labelstudio.reading.task_store import TaskStore
from ntk_labelqa.labelstudio.reading.tasks import build_dataset
from ntk_labelqa.labelstudio.review import project as review_project
from ntk_labelqa.labelstudio.review.delivery import BATCH, deliver
from ntk_labelqa.labelstudio.review.places import with_known_places
from ntk_labelqa.labelstudio.review.queue import plan_queue
from ntk_labelqa.labelstudio.review.tasks import raised_by, review_tasks
from ntk_labelqa.labelstudio.review.trust import is_ours
from tests.gate.audits import audit_of
from tests.labelstudio.reviews import SAVED
from tests.labelstudio.samples import TOPIC, annotation, choice, task

COUNT, ALIKE = 5_000, 6
KIB, MIB = 2**10, 2**20
PROJECT = 7
WORDS = "The orbit of the second stage decayed faster than anybody on the ground had expected. " * 6


def doubting(count: int) -> Audit:
    """An audit that suggests cars for every label, each with six items like it."""
    tasks = [
        task(number, annotation(number + 10, choice("sport"), updated_at=SAVED), data={"text": f"{number}: {WORDS}"})
        for number in range(1, count + 1)
    ]
    dataset = build_dataset(tasks, TOPIC, Provenance("test", project_id=PROJECT))
    sure = np.linspace(0.99, 0.6, count)
    ids = dataset.annotations["annotation_id"]
    tables = {name: findings.empty(name) for name in findings.SCHEMAS}
    labels = {"given_label": "sport", "predicted_label": "cars", "suggested_label": "cars", "annotator": "a"}
    numbers = {"label_score": 1 - sure, "error_probability": sure, "margin": sure, "bde_gain": 1.0}
    tables["findings"] = pd.DataFrame(
        {"task_id": dataset.items["task_id"], "annotation_id": ids, **labels, **numbers, "is_label_issue": True}
    )
    tables["influences"] = pd.DataFrame(
        {
            "annotation_id": np.repeat(ids.to_numpy(), ALIKE),
            "region_id": "",
            "other_task_id": np.random.default_rng(0).integers(1, count + 1, ALIKE * count),
            "other_region_id": "",
            "weight": np.tile(np.arange(ALIKE) / ALIKE, count),
            "toward": np.tile(["cars", "sport"], ALIKE // 2 * count),
        }
    )
    known = audit_of(50).manifest
    manifest = {**known, "created_at": "2026-01-01T00:00:00+00:00", "data": describe(dataset)}
    saved = dataset.annotations[["annotation_id", "updated_at"]]
    return Audit(manifest, items=dataset.items.assign(thumbnail=None), annotations=saved, **tables)


def test_pages_are_made_at_the_same_rate_however_many_there_are() -> None:
    """A table for each finding took a millisecond and 10 KiB."""
    audit = doubting(COUNT)
    began = time.process_time()
    made = list(review_tasks(audit, project_id=PROJECT))
    assert time.process_time() - began < 0.8e-3 * COUNT
    assert len(made) == COUNT


def test_items_alike_stand_by_label_and_by_weight() -> None:
    audit = doubting(20)
    evidence = review_tasks(audit, project_id=PROJECT)[0]["data"]["evidence"]
    mine = audit.influences[audit.influences["annotation_id"] == 11].sort_values("weight", ascending=False)
    expected = [
        str(other) for label in ("cars", "sport") for other in mine.loc[mine["toward"] == label, "other_task_id"]
    ]
    assert re.findall(r"(\d+): The orbit", evidence) == expected


def test_what_is_only_looked_at_is_not_kept_of_tasks_read_back(monkeypatch) -> None:
    audit = doubting(COUNT)
    stored = TaskStore({"id": row, **one, "annotations": []} for row, one in enumerate(review_tasks(audit), 1))
    monkeypatch.setattr(review_project, "take_snapshot", lambda *_args, **_options: stored)
    monkeypatch.setattr(review_project, "task_count", lambda *_: COUNT)
    client: Any = None
    tracemalloc.start()
    there = review_project.tasks_of(client, 1)
    raised = raised_by(audit, PROJECT)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    kept = {finding["data"]["review_key"]: finding["data"] for finding in raised}
    assert {task.key: task.data for task in there} == kept
    assert peak < 7 * KIB * COUNT


class Taking:
    """A server that takes tasks for import, and lists them on disk."""

    def __init__(self) -> None:
        self.tasks = TaskStore()
        self.projects = self

    def import_tasks(self, *, request: list[dict[str, Any]], **_: Any) -> SimpleNamespace:
        """As the SDK."""
        for one in request:
            self.tasks.append({"id": len(self.tasks) + 1, **one, "annotations": []})
        return SimpleNamespace(task_count=len(request))


def test_a_push_holds_a_batch_of_pages_at_a_time(monkeypatch) -> None:
    audit, progress = doubting(COUNT), []
    monkeypatch.setattr(task_store, "IN_MEMORY", 1)
    server: Any = Taking()
    monkeypatch.setattr(review_project, "take_snapshot", lambda *_args, **_options: server.tasks)
    monkeypatch.setattr(review_project, "task_count", lambda *_: len(server.tasks))
    tracemalloc.start()
    wanted = with_known_places(review_tasks(audit, project_id=PROJECT), [])
    plan = plan_queue([], wanted, audited_at=audit.manifest["created_at"], control="topic")
    created = deliver(
        server,
        1,
        plan.wanted,
        set(),
        lambda *done: progress.append(done),
        ours=partial(is_ours, source_project=PROJECT),
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert created == COUNT
    assert progress == [(done, COUNT) for done in range(BATCH, COUNT + 1, BATCH)]
    sure = audit.findings.sort_values("error_probability", ascending=False)
    assert [one["data"]["source_annotation"] for one in server.tasks] == sure["annotation_id"].tolist()
    assert all(WORDS in one["data"]["item_html"] for one in server.tasks[:: COUNT // 10])
    assert peak < 4 * KIB * COUNT
