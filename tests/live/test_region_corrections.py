"""Boxes and spans through the whole loop on a real server: accepted, written together, audited again, taken back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect

from ntk_labelqa.cli.entry import run
from ntk_labelqa.demo.server import LocalServer
from ntk_labelqa.labelstudio.reading.label_values import control_of
from ntk_labelqa.labelstudio.reading.pull import pull_project
from ntk_labelqa.labelstudio.review import delivery
from ntk_labelqa.labelstudio.review import project as review_project
from ntk_labelqa.labelstudio.review.push import push_findings
from tests.browser import browser
from tests.live import labelled_projects as projects
from tests.live.test_label_types import audited, slow
from tests.live.test_review_page import logged_in, submit
from tests.live.topics import PEOPLE, answer, whole_project

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio

pytestmark = [pytest.mark.live, pytest.mark.browser]


@pytest.fixture(scope="module")
def reviewer(server: LocalServer) -> Iterator[Page]:
    with browser() as chromium:
        yield logged_in(chromium, server)


def labels_by_region(task: dict[str, Any]) -> dict[str, list[Any]]:
    """The labels that each region was given, in the order of the task's annotations."""
    found: dict[str, list[Any]] = {}
    for annotation in sorted(task["annotations"], key=lambda one: one["id"]):
        for part in annotation["result"]:
            found.setdefault(part["id"], []).extend(part["value"].get(part["type"]) or [])
    return found


def without_labels(result: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Everything of a result but the labels, and our marks."""
    return [
        {
            **{key: value for key, value in part.items() if key != "meta"},
            "value": {key: value for key, value in part["value"].items() if key != part["type"]},
        }
        for part in result
    ]


KINDS = {"polygons": "PolygonLabels", "masks": "BrushLabels", "boxes": "RectangleLabels"}


def project_of(kind: str, server: LocalServer) -> tuple[projects.LabelType, Path | None]:
    """Tasks with regions of a kind, and the folder of their files."""
    if kind == "spans":
        return projects.spans(), None
    files = server.files / f"corrected-{kind}"
    address = f"/data/local-files/?d={server.files.name}/{files.name}"
    return projects.sounds(files, address) if kind == "sounds" else projects.boxes(files, address, KINDS[kind]), files


@pytest.mark.parametrize("kind", [slow("boxes"), slow("spans"), slow("polygons"), slow("masks"), slow("sounds")])
def test_regions_are_put_right_and_back(
    client: LabelStudio,
    server: LocalServer,
    reviewer: Page,
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LABEL_STUDIO_URL", server.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", server.token)
    monkeypatch.setattr(delivery, "cache_root", lambda: tmp_path / "cache")
    of, files = project_of(kind, server)
    audit = audited(client, of, title=f"Corrected {kind}", files=files)
    folder, source = audit.save(tmp_path / "audit"), audit.manifest["data"]["project_id"]
    pushed = push_findings(client, audit)
    before = whole_project(client, source)

    # One finding is accepted in the browser, the other planted ones by the same reviewer's answers.
    reviewer.goto(pushed.url)
    expect(reviewer.get_by_text("Press the key of a decision")).to_be_visible(timeout=120_000)
    reviewer.wait_for_timeout(500)
    reviewer.screenshot(path=tmp_path / f"{kind}.png")
    assert reviewer.evaluate("document.documentElement.scrollWidth") <= 1280
    reviewer.keyboard.press("a")
    submit(reviewer)
    people = {user.email: user.id for user in client.users.list()}
    project = review_project.find(client, source, control_of(audit.manifest))
    assert project is not None
    accepted = set()
    for task in review_project.tasks_of(client, project):
        if task.annotations:
            accepted.add(task.data["source_region"])
        elif task.data["source_region"] in of.wrong:
            client.annotations.create(id=task.id, result=answer("accept"), completed_by=people[PEOPLE[3]])
            accepted.add(task.data["source_region"])
    assert of.wrong <= accepted

    assert run(["decisions", str(folder)]) == 0
    assert "can be written" in capsys.readouterr().out
    assert run(["decisions", str(folder), "--apply"]) == 0, capsys.readouterr().err
    after = whole_project(client, source)
    old = {one["id"]: one for task in before for one in task["annotations"]}
    new = [one for task in after for one in task["annotations"] if one["id"] not in old]
    assert [one for task in after for one in task["annotations"] if one["id"] in old] == list(old.values())
    for child in new:
        parent = old[child["parent_annotation"]]
        assert without_labels(child["result"]) == without_labels(parent["result"])
    changed = {
        part["id"]
        for child in new
        for part, was in zip(child["result"], old[child["parent_annotation"]]["result"], strict=True)
        if part["value"] != was["value"]
    }
    assert changed == accepted
    assert run(["decisions", str(folder), "--apply"]) == 0
    assert whole_project(client, source) == after

    again = pull_project(client, source)
    assert {gone.reason for gone in again.left_out} == {"superseded by a reviewed correction"}
    assert len(again) == audit.summary["items"]
    assert run(["decisions", str(folder), "--undo"]) == 0, capsys.readouterr().err
    assert whole_project(client, source) == before


def spoiled(of: projects.LabelType) -> tuple[projects.LabelType, dict[str, list[int]]]:
    """*of* with boxes left out in some tasks and one drawn twice in another; and which tasks these are."""
    tasks = [{**task, "annotations": [dict(one) for one in task["annotations"][:1]]} for task in of.tasks]
    faults = {"missing": [1, 6, 9, 13, 18, 21], "twice": [15]}
    for number in faults["missing"]:
        [drawn] = tasks[number]["annotations"]
        drawn["result"] = drawn["result"][:-1]
    [drawn] = tasks[15]["annotations"]
    drawn["result"] = [*drawn["result"], {**drawn["result"][0], "id": "again"}]
    return replace(of, tasks=tasks), faults


def test_regions_come_and_go(
    client: LabelStudio,
    server: LocalServer,
    reviewer: Page,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LABEL_STUDIO_URL", server.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", server.token)
    monkeypatch.setattr(delivery, "cache_root", lambda: tmp_path / "cache")
    files = server.files / "come-and-go"
    of, faults = spoiled(projects.boxes(files, f"/data/local-files/?d={server.files.name}/{files.name}", count=60))
    audit = audited(client, of, title="Come and go", files=files)
    folder, source = audit.save(tmp_path / "audit"), audit.manifest["data"]["project_id"]
    pushed = push_findings(client, audit)
    before = whole_project(client, source)
    first = min(task["id"] for task in before)
    review = review_project.find(client, source, control_of(audit.manifest))
    assert review is not None
    asked = review_project.tasks_of(client, review)
    missing = {task.data["source_task"] - first for task in asked if task.data["kind"] == "missing"}
    assert len(missing & set(faults["missing"])) >= 4
    assert {task.data["source_task"] - first for task in asked if task.data["kind"] == "rule"} >= set(faults["twice"])

    # A missing region is accepted in the browser, all other findings by the same reviewer's answers.
    shown = next(task for task in asked if task.data["kind"] == "missing")
    reviewer.goto(f"{pushed.url.partition('?')[0]}?task={shown.id}")
    expect(reviewer.get_by_role("heading", name="add the region")).to_be_visible(timeout=120_000)
    reviewer.wait_for_timeout(500)
    reviewer.screenshot(path=tmp_path / "missing.png")
    reviewer.keyboard.press("a")
    submit(reviewer)
    people = {user.email: user.id for user in client.users.list()}
    for task in review_project.tasks_of(client, review):
        if not task.annotations:
            client.annotations.create(id=task.id, result=answer("accept"), completed_by=people[PEOPLE[3]])

    assert run(["decisions", str(folder), "--apply"]) == 0, capsys.readouterr().err
    after = whole_project(client, source)
    old = {one["id"]: one for task in before for one in task["annotations"]}
    new = [one for task in after for one in task["annotations"] if one["id"] not in old]
    assert [one for task in after for one in task["annotations"] if one["id"] in old] == list(old.values())
    touched = {task.data["source_region"] for task in asked}
    gone = {task.data["source_region"] for task in asked if not task.data["suggested_label"]}
    come = {task.data["source_region"] for task in asked if not task.data["given_label"]}
    for child in new:
        parent = old[child["parent_annotation"]]
        ids = [part["id"] for part in child["result"]]
        kept = [part for part in parent["result"] if part["id"] not in touched]
        assert [part for part in child["result"] if part["id"] not in touched] == kept
        assert not gone & set(ids)
    assert come <= {part["id"] for child in new for part in child["result"]}
    again = pull_project(client, source)
    assert len(again) == audit.summary["items"] + len(come) - len(gone - {"again"})
    assert run(["decisions", str(folder), "--apply"]) == 0
    assert whole_project(client, source) == after
    assert run(["decisions", str(folder), "--undo"]) == 0, capsys.readouterr().err
    assert whole_project(client, source) == before
