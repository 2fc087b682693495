"""Pushing to a real server: every finding exactly once, whatever happens, and the source project untouched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from ntk_labelqa import files
from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.auditing import run_audit
from ntk_labelqa.errors import InvalidInputError, LabelStudioError
from ntk_labelqa.labelstudio.media.fetch import fetch_media
from ntk_labelqa.labelstudio.reading.pull import pull_project, take_snapshot
from ntk_labelqa.labelstudio.review import delivery
from ntk_labelqa.labelstudio.review import project as review_project
from ntk_labelqa.labelstudio.review.predictions import TAB
from ntk_labelqa.labelstudio.review.push import push_findings
from ntk_labelqa.options import AuditOptions

pytestmark = pytest.mark.live


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch) -> None:
    """Locks of these pushes stay out of the user's cache."""
    monkeypatch.setattr(delivery, "cache_root", lambda: tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def audit(client, digits_project, tmp_path_factory) -> Audit:
    """An audit of the seeded project, with enough flagged to fill several batches."""
    dataset = fetch_media(pull_project(client, digits_project.project_id), client=client)
    found = run_audit(dataset, AuditOptions(architecture="2-L"))
    other = [str((int(label) + 1) % 10) for label in found.findings["given_label"]]
    everything = found.findings.assign(
        is_label_issue=True, suggested_label=other, predicted_label=other, error_probability=0.9
    )
    return replace(found, findings=everything)


def project_without_counters(client, project_id: int) -> str:
    tasks = take_snapshot(client, project_id)
    return json.dumps([{key: task[key] for key in ("id", "data", "annotations", "predictions")} for task in tasks])


def keys_in(client, review: int) -> list[str]:
    return [task["data"]["review_key"] for task in take_snapshot(client, review)]


def test_each_finding_once_worst_first_and_nothing_else(client, audit, digits_project) -> None:
    before = project_without_counters(client, digits_project.project_id)
    graded = audit.findings.assign(error_probability=[row / len(audit.findings) for row in range(len(audit.findings))])
    first = push_findings(client, replace(audit, findings=graded))
    second = push_findings(client, replace(audit, findings=graded))
    assert (first.created, first.already_there) == (len(audit.findings), 0)
    assert (second.created, second.already_there) == (0, len(audit.findings))
    assert second.project_id == first.project_id
    tasks = sorted(take_snapshot(client, first.project_id), key=lambda task: task["id"])
    assert [task["data"]["source_annotation"] for task in tasks] == graded["annotation_id"].tolist()[::-1]
    assert not any(task["predictions"] for task in tasks)
    assert project_without_counters(client, digits_project.project_id) == before


def test_the_review_project_is_found_by_its_mark_and_not_its_title(client, audit) -> None:
    first = push_findings(client, audit)
    client.projects.update(id=first.project_id, title="Renamed by somebody")
    impostor = client.projects.create(title="Label review: Handwritten digits")
    assert push_findings(client, audit).project_id == first.project_id
    assert client.projects.get(id=impostor.id).task_number == 0


KILLED = """
import os, signal, sys
from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.labelstudio.review import delivery
from ntk_labelqa.labelstudio.review import push
from ntk_labelqa.labelstudio.connect import connect

delivery.BATCH = 40
url, token, folder, point = sys.argv[1:]
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
if point == "project made":
    push.deliver = die
if point == "all imported":
    importing = delivery._imported
    delivery._imported = lambda *a: die(importing(*a))
def progress(done, total):
    if point == "between batches" and done >= 80:
        die()
push.push_findings(connect(url, token), Audit.load(folder), progress=progress)
"""


def slow(point: str) -> Any:
    """A point that the faults in memory cover as well."""
    return pytest.param(point, marks=pytest.mark.slow)


@pytest.mark.parametrize("point", ["during a batch", *map(slow, ("project made", "between batches", "all imported"))])
def test_killed_and_repeated(server, client, audit, tmp_path, point, monkeypatch) -> None:
    from ntk_labelqa.demo.seed import known_truth, seed_digits

    source = known_truth(pull_project(client, seed_digits(client, server, items=150, title=point, seed=2)))
    mine = _of_project(client, audit, source.project_id)
    folder = mine.save(tmp_path / "audit")
    monkeypatch.setenv("NTK_LABELQA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(delivery, "cache_root", lambda: tmp_path / "cache")
    process = subprocess.Popen([sys.executable, "-c", KILLED, server.url, server.token, str(folder), point])
    if point == "during a batch":
        _kill_when_importing(client, process, source.project_id)
    assert process.wait(120) == -signal.SIGKILL
    result = push_findings(client, mine)
    keys = keys_in(client, result.project_id)
    assert len(keys) == len(set(keys)) == len(mine.findings)
    marked = [p.id for p in client.projects.list() if review_project.mark(source.project_id) in (p.description or "")]
    assert marked == [result.project_id]
    assert push_findings(client, mine).created == 0


def _of_project(client, audit: Audit, project_id: int) -> Audit:
    """*audit* as if it were one of the project, whatever it found."""
    dataset = pull_project(client, project_id)
    count = len(dataset.annotations)
    rows = pd.concat([audit.findings] * 2, ignore_index=True).iloc[:count]
    given = [dataset.class_names[code] for code in dataset.label_codes]
    table = rows.assign(
        annotation_id=dataset.annotations["annotation_id"],
        task_id=dataset.items["task_id"].to_numpy()[dataset.item_of_annotation],
        given_label=given,
        suggested_label=[str((int(label) + 1) % 10) for label in given],
    )
    data = audit.manifest["data"] | {"project_id": project_id}
    items = dataset.items.assign(thumbnail=None)[["task_id", "value", "thumbnail"]]
    return replace(
        audit,
        findings=table,
        items=items,
        influences=audit.influences.iloc[:0],
        manifest=audit.manifest | {"data": data},
    )


def _kill_when_importing(client, process: subprocess.Popen, source: int) -> None:
    """Kill the push as soon as its first tasks are there: the next batch is then on its way or in the server."""
    deadline = time.monotonic() + 400
    while time.monotonic() < deadline:
        for project in client.projects.list():
            if review_project.mark(source) in (project.description or "") and project.task_number:
                os.kill(process.pid, signal.SIGKILL)
                return
    pytest.fail("the push never began to import")


def test_duplicates_that_a_person_worked_on_stay(client, audit) -> None:
    result = push_findings(client, audit)
    task = take_snapshot(client, result.project_id)[0]
    client.projects.import_tasks(id=result.project_id, request=[{"data": task["data"]}, {"data": task["data"]}])
    copies = [t for t in take_snapshot(client, result.project_id) if t["data"] == task["data"]]
    decision = {"from_name": "decision", "to_name": "item", "type": "choices", "value": {"choices": ["keep"]}}
    client.annotations.create(id=copies[-1]["id"], result=[decision])
    push_findings(client, audit)
    left = [t for t in take_snapshot(client, result.project_id) if t["data"] == task["data"]]
    assert [t["id"] for t in left] == [copies[-1]["id"]]
    assert len(left[0]["annotations"]) == 1


def test_findings_that_no_longer_hold_are_not_written(client, audit, digits_project) -> None:
    changed = audit.findings.iloc[:3]
    moved = audit.findings.assign(
        given_label=[
            str((int(label) + 5) % 10) if i in set(changed["annotation_id"]) else label
            for i, label in zip(audit.findings["annotation_id"], audit.findings["given_label"], strict=True)
        ]
    )
    result = push_findings(client, replace(audit, findings=moved))
    assert result.outdated == 3
    assert result.created == 0


def test_two_pushes_at_once(client, audit, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(delivery, "cache_root", lambda: tmp_path)
    monkeypatch.setattr(files, "OTHERS_SECONDS", 0.0)
    source = audit.manifest["data"]["project_id"]
    with (
        delivery.only_push(client, source),
        pytest.raises(LabelStudioError, match="Another push of project"),
    ):
        push_findings(client, audit)


def test_an_audit_of_a_file_needs_a_project(client, audit) -> None:
    data = audit.manifest["data"] | {"project_id": None}
    with pytest.raises(InvalidInputError, match="--project"):
        push_findings(client, replace(audit, manifest=audit.manifest | {"data": data}))


def test_predictions_only_when_asked_for_and_never_piled_up(client, audit, server) -> None:
    source = audit.manifest["data"]["project_id"]
    push_findings(client, audit, predictions=True)
    push_findings(client, audit, predictions=True)
    tasks = take_snapshot(client, source)
    flagged = set(audit.findings["task_id"])
    assert all(len(task["predictions"]) == (task["id"] in flagged) for task in tasks)
    assert [view.data["title"] for view in client.views.list(project=source)].count(TAB) == 1
    again = pull_project(client, source)
    assert len(again.predictions) == 0


def test_the_command_line(client, server, audit, tmp_path) -> None:
    folder = audit.save(tmp_path / "audit")
    environment = {"LABEL_STUDIO_URL": server.url, "LABEL_STUDIO_API_KEY": server.token, "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "ntk_labelqa", "push", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert f"Review project: {server.url}/projects/" in done.stdout
    assert f"0 review tasks added, {len(audit.findings)} were there already." in done.stdout
