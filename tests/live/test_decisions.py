"""The loop closed on a real server: three annotators, two reviewers who click, corrections applied, a second audit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.auditing import run_audit
from ntk_labelqa.cli.entry import run
from ntk_labelqa.demo.seed import SeededProject, known_truth, seed_digits
from ntk_labelqa.demo.server import PEOPLE, LocalServer
from ntk_labelqa.labelstudio.corrections.clean_export import SUPERSEDED
from ntk_labelqa.labelstudio.media.fetch import fetch_media
from ntk_labelqa.labelstudio.reading.export_file import read_export
from ntk_labelqa.labelstudio.reading.pull import pull_project, take_snapshot
from ntk_labelqa.labelstudio.reading.task_files import parse_tasks
from ntk_labelqa.labelstudio.review import delivery
from ntk_labelqa.labelstudio.review import project as review_project
from ntk_labelqa.labelstudio.review.decisions import read_decisions
from ntk_labelqa.labelstudio.review.project import ReviewTask
from ntk_labelqa.labelstudio.review.push import push_findings
from ntk_labelqa.options import AuditOptions
from tests.browser import browser
from tests.live.test_review_page import is_saved_annotation
from tests.live.topics import answer, doubting_audit, review, topics_project, whole_project

pytestmark = pytest.mark.live
OPTIONS = AuditOptions(architecture="2-L")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch) -> None:
    """Locks of these pushes stay out of the user's cache."""
    monkeypatch.setattr(delivery, "cache_root", lambda: tmp_path_factory.mktemp("cache"))


@pytest.fixture
def command(server, monkeypatch, capsys):
    """Runs ntk-labelqa against the server and returns what it prints; it has to end with the exit code *code*."""
    monkeypatch.setenv("LABEL_STUDIO_URL", server.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", server.token)

    def call(*arguments: object, code: int = 0) -> str:
        ended = run([str(argument) for argument in arguments])
        told, complaint = capsys.readouterr()
        assert ended == code, complaint
        return told

    return call


@pytest.fixture
def reviewers(server: LocalServer) -> Iterator[list[Page]]:
    """Two reviewers, each logged in in a browser window of their own."""
    with browser() as chromium:
        yield [logged_in(chromium, server, email) for email in PEOPLE[3:]]


def logged_in(chromium: Browser, server: LocalServer, email: str) -> Page:
    page = chromium.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.goto(f"{server.url}/user/login/")
    page.fill("input[name=email]", email)
    page.fill("input[name=password]", server.password)
    page.click("button[type=submit]")
    page.wait_for_url(lambda url: "/user/login" not in url)
    return page


def decide(page: Page, address: str, words: str, label: str = "") -> None:
    """Open the queue, click on the decision, choose the label by its key if any, and submit with the button."""
    page.goto(address)
    expect(page.get_by_text("Press the key of a decision")).to_be_visible(timeout=120_000)
    page.locator("label", has_text=words).first.click()
    if label:
        expect(page.get_by_text("Which label is right?")).to_be_visible()
        page.keyboard.press(label)
    with page.expect_response(is_saved_annotation) as saved:
        page.locator("button[name=submit]").click()
    assert saved.value.ok


def audit_of(client, project: int, folder: Path) -> Audit:
    audit = run_audit(fetch_media(pull_project(client, project), client=client), OPTIONS)
    audit.save(folder)
    return audit


def by_truth(truth: dict[int, str], task: ReviewTask) -> list[dict[str, Any]]:
    """What a reviewer who knows the right label answers."""
    right = truth[task.data["source_annotation"]]
    if right == task.data["suggested_label"]:
        return answer("accept")
    return answer("keep") if right == task.data["given_label"] else answer("other", right)


@pytest.mark.browser
def test_from_audit_to_second_audit_and_back(client, server, reviewers, command, tmp_path) -> None:
    source = seed_digits(client, server, items=150, title="Whole loop", seed=3)
    seeded: SeededProject = known_truth(pull_project(client, source))
    folder = tmp_path / "audit"
    audit_of(client, source, folder)
    before = whole_project(client, source)
    pushed = push_findings(client, Audit.load(folder))

    tasks = review_project.tasks_of(client, pushed.project_id)
    decide(reviewers[0], pushed.url, "Accept the suggestion")
    decide(reviewers[1], pushed.url, "Another label", seeded.truth[tasks[1].data["source_annotation"]])
    rest = {task.data["source_annotation"]: by_truth(seeded.truth, task) for task in tasks[2:]}
    review(client, source, rest, reviewer=3)
    disputed = tasks[2].data["source_annotation"]
    review(client, source, {disputed: answer("unsure", comment="smudged")}, reviewer=4)
    disputed = tasks[3].data["source_annotation"]
    review(client, source, {disputed: answer("keep", comment="looks right to me")}, reviewer=4)

    told = command("decisions", folder)
    assert re.search(r"reviewers disagree +1\n", told)
    assert "looks right to me" in told
    table = read_decisions(client, Audit.load(folder), source).table
    first = table.set_index("annotation_id").loc[[task.data["source_annotation"] for task in tasks[:4]]]
    assert first["reviewers"].tolist()[:2] == [PEOPLE[3], PEOPLE[4]]
    assert first["decision"].tolist() == ["accept", "accept", "accept", "conflict"]
    assert whole_project(client, source) == before

    corrected = set(table.loc[table["decision"].isin(("accept", "other")), "annotation_id"])
    assert len(corrected) > 5
    assert corrected <= seeded.wrong
    assert f"{len(corrected)} corrections written" in command("decisions", folder, "--apply")
    after = whole_project(client, source)
    for was, now in zip(before, after, strict=True):
        count = len(was["annotations"])
        assert now | {"annotations": now["annotations"][:count]} == was
        assert {ours["parent_annotation"] for ours in now["annotations"][count:]} == corrected & {
            theirs["id"] for theirs in was["annotations"]
        }

    again = audit_of(client, source, tmp_path / "again")
    gone = {entry["reason"]: entry["count"] for entry in again.manifest["data"]["left_out"]}
    assert gone == {"superseded by a reviewed correction": len(corrected)}
    assert not set(again.findings["annotation_id"]) & corrected
    parents = {ours["id"]: ours["parent_annotation"] for task in after for ours in task["annotations"]}
    for number, label in zip(again.findings["annotation_id"], again.findings["given_label"], strict=True):
        if parents[number] is not None:
            assert label == seeded.truth[parents[number]]

    assert f"{len(corrected)} corrections in place." in command("export", folder, "--out", tmp_path / "clean.json")
    clean = read_export(tmp_path / "clean.json")
    right = [seeded.truth[parents[n] or n] for n in clean.annotations["annotation_id"]]
    given = [clean.class_names[code] for code in clean.label_codes]
    assert sum(one != other for one, other in zip(given, right, strict=True)) == len(seeded.wrong - corrected)
    imported = client.projects.create(title="From the export", label_config=client.projects.get(id=source).label_config)
    exported, _ = parse_tasks([(tmp_path / "clean.json").read_bytes()], "export")
    assert sum(len(task.get(SUPERSEDED, ())) for task in exported) == len(corrected)
    taken = client.projects.import_tasks(id=imported.id, request=list(exported))
    assert (taken.task_count, taken.annotation_count) == (len(before), len(given))

    assert f"{len(corrected)} corrections taken back" in command("decisions", folder, "--undo")
    assert whole_project(client, source) == before


def test_the_queue_lives_on_through_a_second_audit(client, tmp_path) -> None:
    source = topics_project(client, 8)
    audit = doubting_audit(client, source)
    pushed = push_findings(client, audit)
    ids = audit.findings["annotation_id"].tolist()
    review(client, source, {ids[0]: answer("keep"), ids[1]: answer("keep"), ids[2]: answer("accept")})
    answered = [task for task in review_project.tasks_of(client, pushed.project_id) if task.annotations]
    # Of the kept ones the second is doubted for another reason; of the rest one no longer, and one more than before.
    table = audit.findings.assign(is_label_issue=[i != ids[3] for i in ids])
    table.loc[1, ["suggested_label", "predicted_label"]] = "sport"
    table.loc[7, "error_probability"] = 0.985
    later = replace(audit, findings=table, manifest=audit.manifest | {"created_at": "2026-02-01T00:00:00+00:00"})
    result = push_findings(client, later)
    assert (result.withdrawn, result.raised_again, result.created) == (1, 1, 1)
    tasks = review_project.tasks_of(client, pushed.project_id)
    assert [task for task in tasks if task.annotations] == answered
    waiting = [task.data["source_annotation"] for task in tasks if not task.annotations]
    assert waiting == [ids[7], ids[1], *ids[4:7]]
    assert push_findings(client, later) == replace(
        result, created=0, already_there=7, withdrawn=0, renewed=0, raised_again=0
    )
    assert [task.id for task in review_project.tasks_of(client, pushed.project_id)] == [task.id for task in tasks]


def test_what_is_answered_at_the_last_moment_is_not_withdrawn(client) -> None:
    source = topics_project(client, 3)
    audit = doubting_audit(client, source)
    review_of = push_findings(client, audit).project_id
    ids = audit.findings["annotation_id"].tolist()
    tasks = {task.data["source_annotation"]: task.id for task in review_project.tasks_of(client, review_of)}
    review(client, source, {ids[0]: answer("keep")})
    client.annotations.create(id=tasks[ids[1]], result=[], was_cancelled=True)
    review_project.delete_untouched(client, review_of, list(tasks.values()))
    assert {task["id"] for task in take_snapshot(client, review_of)} == {tasks[ids[0]], tasks[ids[1]]}
