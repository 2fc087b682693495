"""Two classes that nobody can tell apart: audited, pushed as a question to whoever writes the guideline, answered."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from ntk_labelqa.audit_folder import WARNING_DECISIONS, Audit
from ntk_labelqa.auditing import run_audit
from ntk_labelqa.cli.entry import run
from ntk_labelqa.demo.server import LocalServer
from ntk_labelqa.labelstudio.connect import ONCE
from ntk_labelqa.labelstudio.media.fetch import fetch_media
from ntk_labelqa.labelstudio.reading.pull import pull_project, take_snapshot
from ntk_labelqa.labelstudio.review import delivery
from ntk_labelqa.labelstudio.review.push import push_findings
from ntk_labelqa.options import AuditOptions
from tests.browser import browser
from tests.live.test_review_page import is_saved_annotation, logged_in, open_first_task

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio

pytestmark = [pytest.mark.live, pytest.mark.browser]

ALIKE = ("3", "8")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch) -> None:
    """Locks of these pushes stay out of the user's cache."""
    monkeypatch.setattr(delivery, "cache_root", lambda: tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def audit(client: LabelStudio, digits_project) -> Audit:
    """Of digits, where each 3 and each 8 is called a 3 or an 8 by the toss of a coin."""
    source = client.projects.get(id=digits_project.project_id)
    project = client.projects.create(title="Threes and eights", label_config=source.label_config)
    random = np.random.default_rng(0)
    tasks: Any = []
    for task in take_snapshot(client, digits_project.project_id):
        digit = digits_project.truth[task["annotations"][0]["id"]]
        label = str(random.choice(ALIKE)) if digit in ALIKE else digit
        result = {"from_name": "digit", "to_name": "image", "type": "choices", "value": {"choices": [label]}}
        tasks.append({"data": {"image": task["data"]["image"]}, "annotations": [{"result": [result]}]})
    client.projects.import_tasks(id=project.id, request=tasks, request_options=ONCE)
    assert project.id is not None
    return run_audit(fetch_media(pull_project(client, project.id), client=client), AuditOptions(architecture="2-L"))


def answer_in_the_browser(server: LocalServer, pushed: Any, key: str, comment: str) -> None:
    with browser() as chromium:
        page: Page = logged_in(chromium, server)
        open_first_task(page, pushed)
        assert page.locator("input[type=checkbox]:checked, input[type=radio]:checked").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280
        for label in ALIKE:
            expect(page.get_by_text(f"Labelled “\u2068{label}\u2069”")).to_be_visible()
        page.keyboard.press(key)
        page.get_by_placeholder("Comment").fill(comment)
        expect(page.locator("input[type=checkbox]:checked, input[type=radio]:checked")).to_have_count(1)
        with page.expect_response(is_saved_annotation) as saved:
            page.get_by_role("button", name="Submit current annotation").click()
        assert saved.value.ok


def test_from_the_audit_to_the_answer(client, server, audit, tmp_path, capfd, monkeypatch) -> None:
    warned = audit.entanglement[audit.entanglement["is_warned"]]
    assert [(row.class_a, row.class_b, row.cause) for row in warned.itertuples()] == [(*ALIKE, "classes")]
    source = audit.manifest["data"]["project_id"]
    before = list(take_snapshot(client, source))

    pushed = push_findings(client, audit).warnings
    assert pushed is not None
    assert (pushed.created, pushed.already_there) == (1, 0)
    again = push_findings(client, audit).warnings
    assert again == replace(pushed, created=0, already_there=1)
    answer_in_the_browser(server, pushed, "g", "Say which has two loops.")

    folder = audit.save(tmp_path / "audit")
    monkeypatch.setenv("LABEL_STUDIO_URL", server.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", server.token)
    assert run(["decisions", str(folder)]) == 0
    assert "3 and 8 (overlap" in (said := capfd.readouterr().out)
    assert "the guideline needs work. Comment by" in said
    decided = Audit.load(folder).warning_decisions
    assert decided is not None
    assert decided[["class_a", "class_b", "decision"]].to_numpy().tolist() == [[*ALIKE, "guideline"]]
    assert (folder / WARNING_DECISIONS).exists()

    calm = replace(audit, entanglement=audit.entanglement.assign(is_warned=False))
    settled = push_findings(client, calm).warnings
    assert settled is not None
    assert settled.withdrawn == 0
    assert len(take_snapshot(client, pushed.project_id)) == 1
    assert list(take_snapshot(client, source)) == before


def test_without_a_warning_there_is_no_second_project(client, digits_project) -> None:
    dataset = fetch_media(pull_project(client, digits_project.project_id), client=client)
    audit = run_audit(dataset, AuditOptions(architecture="2-L"))
    calm = replace(audit, entanglement=audit.entanglement.assign(is_warned=False))
    count = len(list(client.projects.list()))
    assert push_findings(client, calm).warnings is None
    assert len(list(client.projects.list())) == count + 1  # the review project itself
