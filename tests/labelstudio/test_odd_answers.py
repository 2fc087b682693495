"""Whatever answers in place of Label Studio, it ends in words, for everything that is asked of a server."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from label_studio_sdk.client import LabelStudio

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.errors import InvalidInputError, LabelStudioError, PartialDeliveryError
from ntk_labelqa.labelstudio import connect as connecting
from ntk_labelqa.labelstudio.connect import connect, describe_server
from ntk_labelqa.labelstudio.corrections.apply import apply_corrections, plan_now
from ntk_labelqa.labelstudio.corrections.journal import open_journal
from ntk_labelqa.labelstudio.corrections.results import correction_id
from ntk_labelqa.labelstudio.corrections.undo import undo_corrections
from ntk_labelqa.labelstudio.plain_requests import delete
from ntk_labelqa.labelstudio.reading import pull, task_pages
from ntk_labelqa.labelstudio.reading.incremental import since_last, stamps_of
from ntk_labelqa.labelstudio.reading.label_values import control_of
from ntk_labelqa.labelstudio.reading.pull import pull_project
from ntk_labelqa.labelstudio.review import delivery
from ntk_labelqa.labelstudio.review import project as review_project
from ntk_labelqa.labelstudio.review.decisions import read_decisions
from ntk_labelqa.labelstudio.review.predictions import push_predictions
from ntk_labelqa.labelstudio.review.push import push_findings
from ntk_labelqa.labelstudio.review.warning_decisions import read_warning_decisions
from tests.gate.audits import audit_of
from tests.labelstudio.reviews import SAVED
from tests.labelstudio.samples import KEY, choice
from tests.labelstudio.studio import ENDPOINTS, OWNER, Change, Studio, accept_all, served
from tests.labelstudio.test_warnings import CLASSES, audit_with

SOURCE = 7
CASES = int(os.environ.get("ODD_ANSWERS", "2"))
"""Odd answers of each kind, of those below, that a row of the table is tried with."""
SURELY = ("a page", 'only ["x"]', "deep")
"""Of these none can pass for an answer."""
TIDYING = ("views", "drop view", "snapshots")
"""What a run tidies up with: that this fails must not spoil it."""
VALUES: list[Any] = [None, True, 0, -1, 10**30, 1.5, "", "x", [], ["x"], [None], {}, {"x": 1}, [[]], {"id": "x"}]
WHOLE = {
    "a page": httpx.Response(200, html="<html><h1>Log in</h1></html>"),
    "a page as JSON": httpx.Response(200, text="<html>Log in</html>", headers={"Content-Type": "application/json"}),
    "nothing": httpx.Response(200),
    "half a JSON": httpx.Response(200, content=b'{"id": 1, "resul'),
    "no text": httpx.Response(200, content=b"\xff\xfe\x00\x01"),
    "deep": httpx.Response(200, content=b"[" * 100_000),
    **{f"only {json.dumps(value)}": httpx.Response(200, json=value) for value in VALUES},
}


def audit() -> Audit:
    made, known = audit_with(), audit_of().manifest
    control = {"name": "topic", "tag": "Choices", "to_name": "text", "value_key": "text"}
    data = known["data"] | made.manifest["data"] | {"control": control, "class_names": list(CLASSES)}
    summary = known["summary"] | made.manifest["summary"]
    saved = made.findings[["task_id", "annotation_id", "annotator"]].assign(updated_at=SAVED)
    return replace(made, manifest=known | made.manifest | {"data": data, "summary": summary}, annotations=saved)


def config() -> str:
    escaped = (name.replace("<", "&lt;") for name in CLASSES)
    choices = "".join(f'<Choice value="{name}"/>' for name in escaped)
    return f'<View><Text name="text" value="$text"/><Choices name="topic" toName="text">{choices}</Choices></View>'


def labelled() -> Studio:
    """A project as :func:`audit` saw it."""
    one = Studio()
    one.add_project("Topics", config(), id=SOURCE)
    for row in range(30):
        task = one.add_task(SOURCE, {"text": f"text {row + 1}"}, id=row + 1)
        one.add_annotation(task, choice(CLASSES[row % 3]), id=row + 101, created_at=SAVED, updated_at=SAVED)
    return one


class Case:
    """A connection to a server, the audit of its project, and a folder."""

    def __init__(self, server: Studio, folder: Path, *, key: str = KEY) -> None:
        self.server, self.folder, self.key, self.audit = server, folder, key, audit()
        self.done = 1
        self.client: LabelStudio = connect(server.web.url, key)

    def pushed(self) -> int:
        return push_findings(self.client, self.audit, project_id=SOURCE).project_id

    def reviewed(self) -> None:
        accept_all(self.server, self.pushed(), OWNER)

    def applied(self) -> None:
        table = read_decisions(self.client, self.audit, SOURCE).table
        with open_journal(self.folder / "journal") as journal:
            plan, _ = plan_now(self.client, self.audit, table, SOURCE, journal.last)
            done = apply_corrections(self.client, plan, journal)
        for _, error in done.failed:
            raise error
        self.done = done.written + done.there

    def corrected(self) -> None:
        self.reviewed()
        self.applied()


def connecting_anew(case: Case) -> None:
    describe_server(connect(case.server.web.url, case.key))


def pulling(case: Case) -> None:
    assert len(pull_project(case.client, SOURCE)) == 30


def pulling_by_page(case: Case) -> None:
    pages = task_pages.tasks_by_page(case.client, SOURCE)
    pull._by_page(case.client, SOURCE, pull.StalledSnapshot("It stalled."))
    assert len(pages.tasks) == 30


def pulling_again(case: Case) -> None:
    pull_project(case.client, SOURCE, take=since_last)
    pull_project(case.client, SOURCE, take=since_last)


def pushing(case: Case) -> None:
    case.pushed()
    change = case.server.change
    case.server.change = lambda _, right: right
    review = review_project.find(case.client, SOURCE, control_of(case.audit.manifest))
    case.server.change = change
    assert review is not None
    review_project.delete_untouched(case.client, review, [1])


def retiring(case: Case) -> None:
    """Another machine has made a second review project in the same moment."""
    review = review_project.find(case.client, SOURCE, control_of(case.audit.manifest))
    assert review is not None
    first = case.server.projects[review]
    second = 10**6
    case.server.add_project(first["title"], first["label_config"], id=second, description=first["description"])
    assert case.pushed() == review
    assert second not in case.server.projects


def deciding(case: Case) -> None:
    read_decisions(case.client, case.audit, SOURCE)
    read_warning_decisions(case.client, SOURCE, control_of(case.audit.manifest))


def applying(case: Case) -> None:
    case.applied()


def finding_a_write_again(case: Case) -> None:
    """The server has a correction that no snapshot showed."""
    table = read_decisions(case.client, case.audit, SOURCE).table
    with open_journal(case.folder / "journal") as journal:
        plan, _ = plan_now(case.client, case.audit, table, SOURCE, journal.last)
        [ready] = plan.ready
        unique = correction_id(ready.correction.key)
        fields = {"parent_annotation": ready.correction.annotation, "unique_id": unique}
        case.server.add_annotation(ready.correction.task, *ready.result, **fields)
        done = apply_corrections(case.client, plan, journal)
    for _, error in done.failed:
        raise error
    case.done = done.there


def undoing(case: Case) -> None:
    with open_journal(case.folder / "journal") as journal:
        done = undo_corrections(case.client, journal)
    for error in done.failed:
        raise error


def predicting(case: Case) -> None:
    push_predictions(case.client, case.audit, SOURCE)


def replacing_predictions(case: Case) -> None:
    again = case.audit.findings.assign(error_probability=0.5)
    push_predictions(case.client, replace(case.audit, findings=again), SOURCE)


Step = Callable[[Case], Any]
STEPS: tuple[tuple[Step, Step | None, tuple[str, ...]], ...] = (
    (connecting_anew, None, ("refresh", "whoami", "version")),
    (pulling, None, ("project", "users", "make snapshot", "snapshot", "download", "drop snapshot")),
    (pulling_by_page, None, ("tasks",)),
    (pulling_again, None, ("make view", "views", "drop view", "make snapshot", "download", "project")),
    (pushing, None, ("projects", "whoami", "make project", "project", "import", "act", "make snapshot", "download")),
    (pushing, None, ("snapshots",)),
    (retiring, Case.pushed, ("drop project",)),
    (deciding, Case.reviewed, ("projects", "users", "make snapshot", "snapshot", "download")),
    (applying, Case.reviewed, ("annotation", "make annotation", "make snapshot", "download", "project")),
    (finding_a_write_again, Case.reviewed, ("annotations", "annotation")),
    (undoing, Case.corrected, ("annotation", "drop annotation", "download", "make snapshot")),
    (predicting, None, ("import predictions", "views", "make view", "download")),
    (replacing_predictions, predicting, ("drop prediction", "import predictions", "download")),
)
"""What is done with a server, what has to be done before, and what is asked of the server meanwhile."""
TABLE = [
    pytest.param(step, before, endpoint, id=f"{step.__name__}-{endpoint}")
    for step, before, endpoints in STEPS
    for endpoint in endpoints
]


@pytest.fixture(autouse=True)
def in_haste(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NTK_LABELQA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(delivery, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(delivery, "SETTLE_MOST", 0.1)
    monkeypatch.setattr(pull, "LONGEST_WAIT", 0.2)
    monkeypatch.setattr(pull, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(connecting, "TRY_TIMEOUT", 2)


def a_refresh_token() -> str:
    return jwt.encode({"token_type": "refresh", "exp": int(time.time()) + 86_400}, "x" * 32)


def mutated(value: Any, chance: random.Random) -> Any:
    """*value* with something in it of another kind, missing, or one too many."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(list(value))
        if chance.random() < 0.3:
            return {name: one for name, one in value.items() if name != key}
        # What people import as task data may be anything: that is looked at elsewhere.
        return value | {key: chance.choice(VALUES) if key == "data" else mutated(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.9:
        at = chance.randrange(len(value))
        return [*value[:at], mutated(value[at], chance), *value[at + 1 :]]
    return chance.choice(VALUES)


def going_wrong(answers: Callable[[httpx.Response], httpx.Response], endpoint: str) -> Change:
    return lambda name, right: answers(right) if name == endpoint and right.is_success else right


def content_of(right: httpx.Response) -> Any:
    return right.json() if right.content else None


def ends_in_words(step: Callable[[Case], None], case: Case) -> str:
    """What the step said; empty where it went well. Anything but an error in words fails the test."""
    try:
        step(case)
    except (LabelStudioError, PartialDeliveryError, InvalidInputError) as error:
        return str(error)
    return ""


@pytest.fixture
def server() -> Iterator[Studio]:
    with served(labelled()) as one:
        yield one


def prepared(server: Studio, folder: Path, before: Callable[[Case], Any] | None, number: int) -> Case:
    """A server as at the beginning, on which *before* has been done."""
    vars(server).update(vars(labelled()))
    place = folder / str(number)
    place.mkdir()
    case = Case(server, place, key=a_refresh_token())
    if before is not None:
        before(case)
    server.asked.clear()
    return case


@pytest.mark.long
@pytest.mark.parametrize(("step", "before", "endpoint"), TABLE)
def test_every_odd_answer_ends_in_words(server, tmp_path, monkeypatch, step, before, endpoint) -> None:
    chance = random.Random(f"{step.__name__} {endpoint}")
    chosen = {*chance.sample(sorted(WHOLE), min(CASES, len(WHOLE))), SURELY[0]}
    odd = {name: (lambda _, whole=WHOLE[name]: whole) for name in sorted(chosen)}
    for number in range(CASES):
        odd[f"mutation {number}"] = lambda right: httpx.Response(200, json=mutated(content_of(right), chance))
    for number, (name, answers) in enumerate(odd.items()):
        monkeypatch.setenv("NTK_LABELQA_CACHE", str(tmp_path / f"cache-{number}"))
        case = prepared(server, tmp_path, before, number)
        server.change = going_wrong(answers, endpoint)
        said = ends_in_words(step, case)
        assert endpoint in server.asked
        if name in SURELY and ENDPOINTS[endpoint].method == "GET" and endpoint not in TIDYING:
            assert said, name


def test_all_that_is_asked_of_a_server_is_in_the_table() -> None:
    assert {param.values[2] for param in TABLE} == set(ENDPOINTS)


@pytest.mark.long
@pytest.mark.parametrize(("step", "before", "endpoint"), TABLE)
def test_right_answers_are_taken(server, tmp_path, step, before, endpoint) -> None:
    case = prepared(server, tmp_path, before, 0)
    assert ends_in_words(step, case) == ""
    assert case.done == 1


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (httpx.Response(401, json={"detail": "Token is blacklisted"}), "does not take the key (401)"),
        (httpx.Response(401, html="<html>Unauthorized</html>"), "does not take the key (401)"),
        (httpx.Response(502, html="<html>Bad gateway</html>"), "status 502"),
        (httpx.Response(200, html="<html>Log in</html>"), "no JSON"),
        (httpx.Response(200, json={"access": "two\nlines"}), "access"),
        (httpx.Response(200, json={"access": jwt.encode({"exp": 10**18}, "x" * 32)}), "cannot read the answer"),
        (httpx.Response(200, json={"refresh": "x"}), "access"),
        (httpx.Response(200, json=["x"]), "object"),
        (httpx.Response(200, content=b"x" * 100, extensions={"pause": 0.2}), "took too long"),
    ],
)
def test_an_access_token_that_is_not_renewed(server, monkeypatch, reply: httpx.Response, said: str) -> None:
    monkeypatch.setattr(connecting, "TRY_TIMEOUT", 0.15)
    server.change = going_wrong(lambda _: reply, "refresh")
    with pytest.raises(LabelStudioError) as raised:
        connect(server.web.url, a_refresh_token())
    assert said in str(raised.value)


@pytest.mark.parametrize("claims", [{}, {"exp": "soon"}, {"exp": 10**18}, {"exp": 1}, {"exp": [1]}])
def test_a_key_that_cannot_be_one(server, claims: dict[str, Any]) -> None:
    with pytest.raises(LabelStudioError):
        connect(server.web.url, jwt.encode(claims, "x" * 32))


DEEP = httpx.Response(404, content=b"[" * 100_000)
ELSEWHERE = httpx.Response(302, headers={"Location": "https://elsewhere.example.org/login?token=x"})


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (ELSEWHERE, "redirects"),
        (DEEP, "404"),
        (httpx.Response(200, json={"results": []}), "count: field required"),
        (httpx.Response(200, json={"count": 1, "results": [{"id": 1, "created_by": "x"}]}), "created_by"),
        (httpx.Response(200, json={"count": 1, "results": [{"id": "1"}]}), "results.0.id"),
    ],
)
def test_odd_lists_of_projects(server, reply: httpx.Response, said: str) -> None:
    client = connect(server.web.url, KEY)
    server.change = lambda name, right: reply if name == "projects" else right
    with pytest.raises(LabelStudioError, match=said):
        review_project.find(client, SOURCE)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (ELSEWHERE, "redirects"),
        (DEEP, "404"),
        (httpx.Response(200, json={"tasks": [], "total": "30"}), "total"),
        (httpx.Response(200, json={"tasks": ["x"], "total": 1}), "tasks.0"),
    ],
)
def test_odd_lists_of_stamps(server, reply: httpx.Response, said: str) -> None:
    client = connect(server.web.url, KEY)
    server.change = lambda name, right: reply if name == "tasks" else right
    with pytest.raises(LabelStudioError, match=said):
        stamps_of(client, SOURCE)


def test_a_delete_is_not_redirected(server) -> None:
    client = connect(server.web.url, KEY)
    server.change = lambda name, right: ELSEWHERE if name == "drop annotation" else right
    with pytest.raises(LabelStudioError, match="redirects"):
        delete(client, "api/annotations/101/", "Taking it back")


def test_snapshots_of_killed_runs_whose_times_lack_a_zone(server) -> None:
    client = connect(server.web.url, KEY)
    at = SAVED.removesuffix("Z")
    kept = {"id": 5, "project": SOURCE, "title": pull.SNAPSHOT_TITLE, "status": "completed", "content": []}
    server.snapshots[5] = kept | {"created_by": {"id": OWNER}, "created_at": at, "finished_at": at}
    server.now += timedelta(hours=1)
    pull.remove_leftovers(client, SOURCE)
    assert server.snapshots == {}


def test_a_server_that_gives_the_same_projects_for_ever(server) -> None:
    client = connect(server.web.url, KEY)
    same = httpx.Response(200, json={"count": 9, "results": [{"id": 7, "description": ""}]})
    server.change = lambda name, right: same if name == "projects" else right
    with pytest.raises(LabelStudioError, match="lists 1 of its 9 projects"):
        review_project.find(client, SOURCE)


def test_faults_of_our_own_are_not_put_down_to_the_server(server) -> None:
    with pytest.raises(ZeroDivisionError), connecting.translating_errors("Dividing"):
        1 / 0  # noqa: B018
