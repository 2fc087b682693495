"""Items that only their own page shows, from audit to correction on a real server: sounds rated, pairs compared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.auditing import run_audit
from ntk_labelqa.cli.entry import run
from ntk_labelqa.demo.server import LocalServer
from ntk_labelqa.labelstudio.connect import ONCE
from ntk_labelqa.labelstudio.reading.label_values import control_of
from ntk_labelqa.labelstudio.reading.pull import pull_project, take_snapshot
from ntk_labelqa.labelstudio.review import delivery
from ntk_labelqa.labelstudio.review.push import push_findings
from ntk_labelqa.options import AuditOptions
from tests.browser import browser
from tests.live.test_label_types import slow
from tests.live.test_review_page import logged_in
from tests.live.topics import answer, review

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio

pytestmark = pytest.mark.live
COUNT, WRONG = 60, 7
SOUNDS = """<View><Audio name="sound" value="$sound"/><Rating name="quality" toName="sound" maxRating="3"/></View>"""
PAIRS = """<View><Text name="one" value="$a"/><Text name="two" value="$b"/>
<Pairwise name="better" toName="one,two"/></View>"""
KINDS: dict[str, tuple[str, str, str, list[dict[str, Any]]]] = {
    "sounds": (SOUNDS, "quality", "sound", [{"rating": 1}, {"rating": 3}]),
    "pairs": (PAIRS, "better", "one,two", [{"selected": "left"}, {"selected": "right"}]),
}


def project_of(client: LabelStudio, name: str) -> int:
    """Sixty tasks with the one label or the other in turn, the seventh wrong."""
    config, control, over, values = KINDS[name]
    project = client.projects.create(title=name, label_config=config)
    assert project.id is not None
    kind = {"quality": "rating", "better": "pairwise"}[control]
    tasks: Any = []
    for number in range(COUNT):
        value = values[(number + (number == WRONG)) % 2]
        result = {"id": f"r{number}", "from_name": control, "to_name": over, "type": kind, "value": value}
        data = {
            "sound": f"https://sounds.example.org/{number}.wav",
            "a": f"a {number}",
            "b": f"b {number}",
            "n": number,
        }
        tasks.append({"data": data, "annotations": [{"result": [result]}]})
    client.projects.import_tasks(id=project.id, request=tasks, request_options=ONCE)
    return project.id


def audited(client: LabelStudio, project: int, folder: Path) -> Audit:
    """An audit by features that tell the tasks with odd numbers from the others."""
    dataset = pull_project(client, project)
    odd = np.array([data["n"] % 2 for data in dataset.items["data"]])
    rows = np.stack([np.cos(odd), np.sin(odd)], axis=1) + np.random.default_rng(0).normal(0, 0.1, (COUNT, 2))
    np.savez(folder / "features.npz", ids=dataset.items["task_id"], features=rows)
    return run_audit(dataset, AuditOptions(features=folder / "features.npz", architecture="2-L"))


@pytest.fixture(scope="module")
def reviewer(server: LocalServer) -> Iterator[Page]:
    with browser() as chromium:
        yield logged_in(chromium, server)


@pytest.mark.browser
@pytest.mark.parametrize("name", ["sounds", slow("pairs")])
def test_audited_pushed_reviewed_and_corrected(client, server, reviewer, name, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("LABEL_STUDIO_URL", server.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", server.token)
    monkeypatch.setattr(delivery, "cache_root", lambda: tmp_path / "cache")
    source = project_of(client, name)
    audit = audited(client, source, tmp_path)
    folder = audit.save(tmp_path / "audit")
    pushed = push_findings(client, audit)
    assert pushed.created == 1

    reviewer.goto(pushed.url)
    expect(reviewer.get_by_text("Press the key of a decision")).to_be_visible(timeout=120_000)
    reviewer.wait_for_timeout(500)
    reviewer.screenshot(path=tmp_path / f"{name}.png")
    expect(reviewer.get_by_text("Its page in the source project shows it")).to_be_visible()

    [wrong] = audit.findings[audit.findings["is_label_issue"]]["annotation_id"]
    review(client, source, {wrong: answer("accept")}, control=control_of(audit.manifest))
    assert run(["decisions", str(folder), "--apply"]) == 0, capsys.readouterr().err
    [task] = [task for task in take_snapshot(client, source) if task["data"]["n"] == WRONG]
    before, after = sorted(task["annotations"], key=lambda one: one["id"])
    assert before["result"][0]["value"] == KINDS[name][3][0]
    assert after["result"][0]["value"] == KINDS[name][3][1]
    assert run(["export", str(folder), "--out", str(tmp_path / "clean.json")]) == 0, capsys.readouterr().err
    again = pull_project(client, source)
    assert [gone.reason for gone in again.left_out] == ["superseded by a reviewed correction"]
