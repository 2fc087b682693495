"""The review page as a reviewer meets it: logs in, sees the worst finding, decides with one key, and submits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Response, expect

from ntk_labelqa.auditing import run_audit
from ntk_labelqa.demo.server import PEOPLE, LocalServer
from ntk_labelqa.labelstudio.connect import ONCE
from ntk_labelqa.labelstudio.media.fetch import fetch_media
from ntk_labelqa.labelstudio.reading.pull import pull_project, take_snapshot
from ntk_labelqa.labelstudio.review.push import PushResult, push_findings
from ntk_labelqa.options import AuditOptions
from tests.browser import browser

pytestmark = [pytest.mark.live, pytest.mark.browser]

TEXT_CONFIG = """<View><Text name="text" value="$text"/><Choices name="topic" toName="text">
<Choice value="sport"/><Choice value="space"/></Choices></View>"""
SENTENCES = {
    "sport": "The {} team won the match after the goalkeeper saved a penalty in minute {}.",
    "space": "The {} rocket left its orbit and the probe sent pictures of the moon on day {}.",
}
WORDS = ("red", "young", "northern", "famous", "tired", "second", "old", "blue", "southern", "brave")


@pytest.fixture(scope="module")
def reviewer(server: LocalServer) -> Iterator[Page]:
    """A page in which a reviewer has logged in, by the form."""
    with browser() as chromium:
        yield logged_in(chromium, server)


def logged_in(chromium: Browser, server: LocalServer) -> Page:
    page = chromium.new_page(viewport={"width": 1280, "height": 800})
    page.goto(f"{server.url}/user/login/")
    page.fill("input[name=email]", PEOPLE[0])
    page.fill("input[name=password]", server.password)
    page.click("button[type=submit]")
    page.wait_for_url(lambda url: "/user/login" not in url)
    return page


@pytest.fixture(scope="module")
def images(client, digits_project) -> PushResult:
    dataset = fetch_media(pull_project(client, digits_project.project_id), client=client)
    return push_findings(client, run_audit(dataset, AuditOptions(architecture="2-L")))


@pytest.fixture(scope="module")
def texts(client) -> PushResult:
    """Sixty sentences of two topics, three of them with the other's label."""
    project = client.projects.create(title="Topics", label_config=TEXT_CONFIG)
    tasks = []
    for number in range(60):
        topic = ("sport", "space")[number % 2]
        given = topic if number not in (6, 17, 40) else {"sport": "space", "space": "sport"}[topic]
        result = {"from_name": "topic", "to_name": "text", "type": "choices", "value": {"choices": [given]}}
        text = SENTENCES[topic].format(WORDS[number % len(WORDS)], number)
        tasks.append({"data": {"text": text}, "annotations": [{"result": [result]}]})
    client.projects.import_tasks(id=project.id, request=tasks, request_options=ONCE)
    return push_findings(client, run_audit(pull_project(client, project.id), AuditOptions(architecture="linear")))


def open_first_task(page: Page, pushed: PushResult) -> None:
    page.goto(pushed.url)
    expect(page.get_by_text("Press the key of a decision")).to_be_visible(timeout=120_000)


def submit(page: Page) -> None:
    """Submit by the keyboard and wait until the server has it: the page moves on before that."""
    with page.expect_response(is_saved_annotation) as saved:
        page.keyboard.press("Control+Enter")
    assert saved.value.ok


def is_saved_annotation(answer: Response) -> bool:
    return "/annotations" in answer.url and answer.request.method == "POST"


def decisions_in(client, review: int) -> dict[int, list[str]]:
    """The decisions of each annotated review task, by the audited annotation's id."""
    return {
        task["data"]["source_annotation"]: [
            value
            for annotation in task["annotations"]
            for part in annotation["result"]
            for value in part["value"].get("choices", [])
        ]
        for task in take_snapshot(client, review)
        if task["annotations"]
    }


def test_one_key_and_submit_decide_on_the_worst_finding(client, reviewer, images) -> None:
    open_first_task(reviewer, images)
    assert reviewer.locator("input[type=checkbox]:checked, input[type=radio]:checked").count() == 0
    assert reviewer.evaluate("document.documentElement.scrollWidth") <= 1280
    reviewer.keyboard.press("a")
    submit(reviewer)
    decisions = decisions_in(client, images.project_id)
    worst = min(take_snapshot(client, images.project_id), key=lambda task: task["id"])
    assert decisions == {worst["data"]["source_annotation"]: ["accept"]}


def test_another_label_asks_which_and_takes_it_by_its_own_key(client, reviewer, images) -> None:
    before = decisions_in(client, images.project_id)
    open_first_task(reviewer, images)
    expect(reviewer.get_by_text("Which label is right?")).to_be_hidden()
    reviewer.keyboard.press("o")
    expect(reviewer.get_by_text("Which label is right?")).to_be_visible()
    reviewer.keyboard.press("8")
    submit(reviewer)
    decisions = decisions_in(client, images.project_id)
    assert [values for source, values in decisions.items() if source not in before] == [["other", "8"]]


def test_nothing_is_submitted_without_a_decision(client, reviewer, images) -> None:
    before = decisions_in(client, images.project_id)
    open_first_task(reviewer, images)
    reviewer.keyboard.press("Control+Enter")
    expect(reviewer.get_by_text("Choose one of the four decisions first.")).to_be_visible()
    assert decisions_in(client, images.project_id) == before


def test_a_text_is_shown_with_the_texts_that_speak_for_the_suggestion(client, reviewer, texts) -> None:
    open_first_task(reviewer, texts)
    worst = min(take_snapshot(client, texts.project_id), key=lambda task: task["id"])
    suggested = worst["data"]["suggested_label"]
    shown = {"sport": "goalkeeper saved a penalty", "space": "probe sent pictures of the moon"}[suggested]
    assert reviewer.get_by_text(shown).count() >= 2  # the item, and its evidence
    assert reviewer.evaluate("document.documentElement.scrollWidth") <= 1280
    reviewer.keyboard.press("k")
    submit(reviewer)
    assert list(decisions_in(client, texts.project_id).values()) == [["keep"]]
