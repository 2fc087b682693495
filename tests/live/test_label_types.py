"""Each label type there and back on a real server: pulled, audited, pushed, and shown to a reviewer in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.auditing import run_audit
from ntk_labelqa.demo.server import LocalServer
from ntk_labelqa.label_types.control_type import Said
from ntk_labelqa.labelstudio.connect import ONCE
from ntk_labelqa.labelstudio.media.fetch import fetch_media
from ntk_labelqa.labelstudio.reading.label_values import control_of, labels_given
from ntk_labelqa.labelstudio.reading.pull import pull_project, take_snapshot
from ntk_labelqa.labelstudio.review.decisions import read_decisions
from ntk_labelqa.labelstudio.review.push import PushResult, push_findings
from ntk_labelqa.options import AuditOptions
from ntk_labelqa.report.html import render_report
from tests.browser import browser
from tests.live import labelled_projects as projects
from tests.live.labelled_projects import LabelType
from tests.live.test_review_page import logged_in, submit

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio

pytestmark = pytest.mark.live


def slow(name: str) -> Any:
    """One of many cases of which a quick run needs a single one."""
    return pytest.param(name, marks=pytest.mark.slow)


def audited(client: LabelStudio, of: LabelType, *, title: str, files: Path | None = None) -> Audit:
    """An audit of a fresh project with the tasks of *of*."""
    project = client.projects.create(title=title, label_config=of.config)
    assert project.id is not None
    if files is not None:
        client.import_storage.local.create(project=project.id, path=str(files), use_blob_urls=True, title=title)
    tasks: Any = of.tasks
    client.projects.import_tasks(id=project.id, request=tasks, request_options=ONCE)
    dataset = pull_project(client, project.id, control=of.control)
    if files is not None:
        dataset = fetch_media(dataset, client=client)
    return run_audit(dataset, AuditOptions(architecture="linear"))


def pushed_findings(client: LabelStudio, audit: Audit, pushed: PushResult) -> list[dict[str, Any]]:
    """The data of the review tasks, each checked against what its source annotation says of that very region."""
    source = {
        (annotation["id"], said.region_id): (task["id"], said.label)
        for task in take_snapshot(client, audit.manifest["data"]["project_id"])
        for annotation in task["annotations"]
        for said in labels_given(annotation, control_of(audit.manifest), task["data"])
        if isinstance(said, Said)
    }
    found = [task["data"] for task in sorted(take_snapshot(client, pushed.project_id), key=lambda task: task["id"])]
    for data in found:
        if data["kind"] != "label":
            continue
        of = (data["source_annotation"], data["source_region"])
        assert source[of] == (data["source_task"], data["given_label"])
    return found


def there_and_back(client: LabelStudio, audit: Audit) -> tuple[PushResult, list[dict[str, Any]]]:
    """Push twice; the second push adds nothing. Decisions of it can be read."""
    pushed = push_findings(client, audit)
    again = push_findings(client, audit)
    assert (again.project_id, again.created, again.renewed) == (pushed.project_id, 0, 0)
    found = pushed_findings(client, audit, pushed)
    assert pushed.created == len(found)
    table = read_decisions(client, audit, audit.manifest["data"]["project_id"]).table
    assert sorted(table["region_id"]) == sorted(data["source_region"] for data in found)
    assert "<html" in render_report(audit)
    return pushed, found


@pytest.mark.parametrize("name", [slow("multiple"), "taxonomy", slow("level"), slow("rating")])
def test_labellings_of_texts(client: LabelStudio, name: str) -> None:
    of = projects.of_topics()[name]
    audit = audited(client, of, title=f"Texts, {name}")
    _pushed, found = there_and_back(client, audit)
    values = dict(zip(audit.items["task_id"], audit.items["value"], strict=True))
    assert of.wrong == {values[data["source_task"]] for data in found}
    assert {data["suggested_label"] for data in found} <= set(audit.manifest["data"]["class_names"])


@pytest.mark.slow
def test_two_options_of_one_control_have_a_review_project_each(client: LabelStudio) -> None:
    of = projects.of_topics()["multiple"]
    first = audited(client, of, title="Options")
    source = first.manifest["data"]["project_id"]
    second = run_audit(pull_project(client, source, control="topic:Space"), AuditOptions(architecture="linear"))
    pushed = [push_findings(client, audit) for audit in (first, second)]
    assert pushed[0].project_id != pushed[1].project_id
    assert push_findings(client, first).withdrawn == 0


@pytest.fixture(scope="module")
def reviewer(server: LocalServer) -> Iterator[Page]:
    with browser() as chromium:
        yield logged_in(chromium, server)


def decide(client: LabelStudio, page: Page, audit: Audit, pushed: PushResult, picture: Path) -> None:
    """The first review task is readable without scrolling sideways, and one key decides on it."""
    page.goto(pushed.url)
    expect(page.get_by_text("Press the key of a decision")).to_be_visible(timeout=120_000)
    page.wait_for_timeout(500)  # pictures
    page.screenshot(path=picture)
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    page.keyboard.press("k")
    submit(page)
    table = read_decisions(client, audit, audit.manifest["data"]["project_id"]).table
    assert (table["decision"] == "keep").any()


@pytest.mark.browser
def test_boxes_are_items_and_findings_are_of_their_regions(
    client: LabelStudio, server: LocalServer, reviewer: Page, tmp_path: Path
) -> None:
    folder = server.files / "boxes"
    of = projects.boxes(folder, f"/data/local-files/?d={server.files.name}/boxes")
    audit = audited(client, of, title="Boxes", files=folder)
    assert audit.summary["items"] == 72  # the second annotator's boxes are the same items
    assert audit.summary["annotations"] == 72 + 18
    pushed, found = there_and_back(client, audit)
    assert of.wrong <= {data["source_region"] for data in found}
    assert len(found) <= 6
    decide(client, reviewer, audit, pushed, tmp_path / "crop.png")


@pytest.mark.slow
@pytest.mark.browser
def test_spans_are_items_and_findings_are_of_their_regions(client: LabelStudio, reviewer: Page, tmp_path: Path) -> None:
    of = projects.spans()
    audit = audited(client, of, title="Spans")
    pushed, found = there_and_back(client, audit)
    assert of.wrong == {data["source_region"] for data in found}
    decide(client, reviewer, audit, pushed, tmp_path / "span.png")


@pytest.mark.browser
def test_table_rows(client: LabelStudio, reviewer: Page, tmp_path: Path) -> None:
    of = projects.rows()
    audit = audited(client, of, title="Rows")
    assert audit.manifest["options"]["encoder"] == "fields"
    assert "categories town" in " ".join(audit.manifest["data"]["notes"])
    pushed, found = there_and_back(client, audit)
    values = dict(zip(audit.items["task_id"], audit.items["value"], strict=True))
    assert all(any(name in values[data["source_task"]] for name in of.wrong) for data in found)
    assert len(found) == len(of.wrong)
    decide(client, reviewer, audit, pushed, tmp_path / "row.png")
