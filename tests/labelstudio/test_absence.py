"""That something is not seen does not prove that it is not there: short snapshots, odd answers, late writes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from label_studio_sdk.client import LabelStudio

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.cache import VARIABLE
from ntk_labelqa.errors import LabelStudioError
from ntk_labelqa.labelstudio.corrections import undo as undo_module
from ntk_labelqa.labelstudio.corrections.journal import journal_path, read_journal
from ntk_labelqa.labelstudio.plain_requests import says_not_there
from ntk_labelqa.labelstudio.reading import pull
from ntk_labelqa.labelstudio.reading.incremental import since_last
from ntk_labelqa.labelstudio.reading.pull import pull_project, take_snapshot
from ntk_labelqa.labelstudio.review import project as review_project
from ntk_labelqa.labelstudio.review.project import mark, tasks_of
from ntk_labelqa.labelstudio.review.push import push_findings
from tests.labelstudio.reviews import answer
from tests.labelstudio.samples import choice
from tests.labelstudio.studio import COLLEAGUE, REVIEWER, Studio, accept_all, connected, corrected

pytestmark = pytest.mark.usefixtures("own_cache")
Command = Callable[..., tuple[int, str, str]]
Server = Callable[[httpx.Request], httpx.Response]


def answering(client: LabelStudio, server: Server) -> None:
    """Let *server* answer from now on."""
    client._client_wrapper.httpx_client.httpx_client._transport.handler = server


@pytest.fixture
def applied(studio: Studio, client: LabelStudio, audit: Audit, folder: Path, command: Command) -> Studio:
    """All four labels corrected."""
    accept_all(studio, push_findings(client, audit).project_id)
    assert command("decisions", folder, "--apply")[0] == 0
    return studio


def test_a_snapshot_short_of_anything_is_refused_everywhere(studio, client, audit, folder, command) -> None:
    accept_all(studio, push_findings(client, audit).project_id)
    studio.change = lambda name, right: httpx.Response(200, json=right.json()[1:]) if name == "download" else right
    for words in (["push", folder], ["decisions", folder], ["decisions", folder, "--apply"]):
        code, _, complaint = command(*words)
        assert (code, "has 3 tasks, but the project has 4" in complaint) == (3, True)
    assert corrected(studio) == []


def test_undo_takes_no_short_snapshot_for_an_empty_one(applied, client, folder, command) -> None:
    applied.change = lambda name, right: httpx.Response(200, json=[]) if name == "download" else right
    assert command("decisions", folder, "--undo")[0] == 3
    assert {entry["event"] for entry in read_journal(journal_path(folder)).values()} >= {"written"}
    applied.change = lambda _, right: right
    assert command("decisions", folder, "--undo")[0] == 0
    assert corrected(applied) == []


def test_a_correction_that_the_snapshot_has_without_its_name_is_not_gone(applied, client, folder, command) -> None:
    for row in applied.annotations.values():
        row["unique_id"] = None
    code, told, complaint = command("decisions", folder, "--undo")
    assert (code, "0 corrections taken back, 0 were gone" in told) == (4, True)
    assert "is there, but the project's snapshot has no correction of that name" in complaint
    assert len(corrected(applied)) == 4


@pytest.mark.long
@pytest.mark.parametrize(
    "said",
    [
        httpx.Response(200, text="<html>Log in</html>"),
        httpx.Response(200, json={}),
        httpx.Response(202, json={"detail": "queued"}),
        httpx.Response(404, text="<html>Not found</html>"),
        httpx.Response(404, json={"detail": "Not Found"}),
        httpx.Response(404, json={"status_code": 404, "version": "1.23.2", "detail": "No Project matches."}),
    ],
    ids=lambda one: f"{one.status_code} {one.text[:20]}",
)
@pytest.mark.parametrize("method", ["DELETE", "GET"])
def test_undo_believes_label_studios_own_answer_alone(applied, client, folder, command, said, method) -> None:
    def server(request: httpx.Request) -> httpx.Response:
        of_annotation = request.url.path.startswith("/api/annotations/")
        return said if of_annotation and request.method == method else applied(request)

    answering(client, server)
    assert command("decisions", folder, "--undo")[0] == 4
    assert len(corrected(applied)) == 4
    answering(client, applied)
    assert command("decisions", folder, "--undo")[0] == 0
    assert corrected(applied) == []


def test_a_deletion_whose_answer_was_lost_is_looked_for(applied, client, folder, command) -> None:
    def server(request: httpx.Request) -> httpx.Response:
        given = applied(request)
        if request.method == "DELETE" and request.url.path.startswith("/api/annotations/"):
            raise httpx.RemoteProtocolError("dropped")
        return given

    answering(client, server)
    code, told, _ = command("decisions", folder, "--undo")
    assert (code, "4 corrections taken back" in told) == (0, True)


def test_what_says_not_there() -> None:
    own = {"status_code": 404, "version": "1.23.2", "detail": "No Annotation matches the given query."}
    assert says_not_there(404, own, "Annotation")
    assert not says_not_there(200, own, "Annotation")
    assert not says_not_there(404, own, "Task")
    assert not says_not_there(404, "No Annotation matches the given query.", "Annotation")


class Late:
    """Holds the first correction back; :meth:`arrive` lets it through."""

    def __init__(self, studio: Studio) -> None:
        self.studio, self.held = studio, []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and request.url.path.endswith("/annotations/") and not self.held:
            self.held.append(request)
            raise httpx.ReadTimeout("late")
        return self.studio(request)

    def arrive(self) -> None:
        """The write that was given up is done after all."""
        assert self.studio(self.held[0]).status_code == 201


@pytest.fixture
def late(studio: Studio, client: LabelStudio, audit: Audit, folder: Path, command: Command) -> Late:
    """One of four corrections is on its way still, and the apply has said so."""
    accept_all(studio, push_findings(client, audit).project_id)
    late = Late(studio)
    answering(client, late)
    assert command("decisions", folder, "--apply")[0] == 4
    return late


def test_a_write_that_comes_after_the_undo_is_taken_back_by_the_next(
    late, studio, folder, command, monkeypatch
) -> None:
    code, told, complaint = command("decisions", folder, "--undo")
    assert (code, "may still be on their way" in complaint) == (4, True)
    assert "3 corrections taken back" in told
    late.arrive()
    assert len(corrected(studio)) == 1
    code, told, _ = command("decisions", folder, "--undo")
    assert (code, "1 correction taken back" in told) == (0, True)
    assert corrected(studio) == []
    monkeypatch.setattr(undo_module, "LATE", timedelta(0))
    assert command("decisions", folder, "--undo")[0] == 0


def test_what_was_begun_long_ago_is_kept_in_mind_without_a_failure(late, folder, command, monkeypatch) -> None:
    monkeypatch.setattr(undo_module, "LATE", timedelta(0))
    code, told, _ = command("decisions", folder, "--undo")
    assert (code, "1 correction that an earlier run had begun cannot be seen" in told) == (0, True)
    assert [entry["event"] for entry in read_journal(journal_path(folder)).values()].count("intended") == 1


@pytest.mark.parametrize("flags", [(), ("--apply",)])
def test_a_late_write_is_noted_by_the_next_run(late, studio, folder, command, flags) -> None:
    late.arrive()
    code, told, _ = command("decisions", folder, *flags)
    assert (code, "1 correction of earlier runs found" in told) == (0, True)
    assert {entry["event"] for entry in read_journal(journal_path(folder)).values()} == {"written"}
    assert sorted(corrected(studio)) == sorted(set(corrected(studio)))
    assert command("decisions", folder, "--undo")[0] == 0
    assert corrected(studio) == []


def test_a_second_write_that_comes_after_all_was_taken_back(late, studio, folder, command, monkeypatch) -> None:
    monkeypatch.setattr(studio, "now", datetime.now(studio.now.tzinfo))
    assert command("decisions", folder, "--apply")[0] == 0  # writes the one that is held back once more
    assert command("decisions", folder, "--undo")[0] == 0
    late.arrive()
    code, told, _ = command("decisions", folder, "--undo")
    assert (code, "1 correction taken back" in told) == (0, True)
    assert corrected(studio) == []


def test_an_answer_that_is_no_annotation_is_no_write(studio, client, audit, folder, command) -> None:
    def server(request: httpx.Request) -> httpx.Response:
        made = request.method == "POST" and request.url.path.endswith("/annotations/")
        return httpx.Response(200, json={}) if made else studio(request)

    accept_all(studio, push_findings(client, audit).project_id)
    answering(client, server)
    assert command("decisions", folder, "--apply")[0] == 3
    answering(client, studio)
    assert command("decisions", folder, "--apply")[0] == 0
    assert len(corrected(studio)) == 4


def test_two_machines_at_once_fill_one_project(studio, audit, monkeypatch) -> None:
    monkeypatch.setattr(review_project, "ensure", together(review_project.ensure))
    monkeypatch.setattr("ntk_labelqa.labelstudio.review.push.only_push", lambda *_: Free())
    results, lock, looked = [], threading.RLock(), threading.Barrier(2)
    creating = review_project.create

    def create(*arguments: Any, **fields: Any) -> int:
        looked.wait(10)  # both have seen that there is none
        return creating(*arguments, **fields)

    monkeypatch.setattr(review_project, "create", create)

    def server(request: httpx.Request) -> httpx.Response:
        with lock:
            return studio(request)

    def push() -> None:
        with connected(server) as client:
            results.append(push_findings(client, audit))

    threads = [threading.Thread(target=push) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with connected(studio) as client:
        last = push_findings(client, audit)
        marked = review_project.marked(client, mark(studio.source)).ours
        assert len(results) == 2
        assert marked == (last.project_id,)
        assert len(tasks_of(client, last.project_id)) == len({task.key for task in tasks_of(client, marked[0])}) == 4


def together(ensure: Callable[..., Any]) -> Callable[..., Any]:
    """*ensure*, called by two at once, which both end it before either goes on."""
    done = threading.Barrier(2)
    calls = iter(range(2))

    def ensuring(*arguments: Any, **fields: Any) -> Any:
        found = ensure(*arguments, **fields)
        if next(calls, None) is not None:
            done.wait(10)
        return found

    return ensuring


class Free:
    """A lock that nobody holds: the two machines have one each."""

    def __enter__(self) -> bool:
        return False

    def __exit__(self, *_: object) -> None:
        pass


def second_project(studio: Studio, **fields: Any) -> int:
    return studio.add_project("Label review", "<View/>", description=mark(studio.source), **fields)


def test_an_empty_second_project_is_taken_away(studio, client, audit) -> None:
    first = push_findings(client, audit).project_id
    second = second_project(studio)
    for task in studio.tasks_of(first):
        studio.add_task(second, task["data"])
    pushed = push_findings(client, audit)
    assert (pushed.project_id, second in studio.projects) == (first, False)
    assert f"Took away project {second}" in pushed.notes[0]
    assert len(studio.tasks_of(first)) == 4


def test_a_second_project_that_another_machine_takes_away_meanwhile_is_no_error(studio, audit) -> None:
    with connected(studio) as client:
        first = push_findings(client, audit).project_id
    second = second_project(studio)

    def server(request: httpx.Request) -> httpx.Response:
        if request.url.path.rstrip("/") == f"/api/projects/{second}":
            studio.projects.pop(second, None)
        return studio(request)

    with connected(server) as client:
        assert push_findings(client, audit).project_id == first
    assert second not in studio.projects


@pytest.mark.parametrize("content", ["an answer", "somebody's task", "by somebody else"])
def test_a_second_project_that_holds_anything_stays_and_is_told_of(studio, client, audit, content) -> None:
    first = push_findings(client, audit)
    second = second_project(studio, **({"by": COLLEAGUE} if content == "by somebody else" else {}))
    if content == "an answer":
        studio.add_annotation(
            studio.add_task(second, studio.tasks_of(first.project_id)[0]["data"]), *answer("keep"), by=REVIEWER
        )
    if content == "somebody's task":
        studio.add_task(second, {"text": "mine"})
    pushed = push_findings(client, audit, known=[second])
    assert pushed.project_id == first.project_id
    assert second in studio.projects
    assert f"There are 2 review projects: {first.project_id}, {second}" in pushed.notes[0]


def test_a_list_of_projects_without_end_is_not_read(studio, client, audit) -> None:
    def change(name: str, right: httpx.Response) -> httpx.Response:
        pages = studio.asked.count("projects")
        endless = [{"id": number} for number in range(100 * pages, 100 * pages + 100)]
        return httpx.Response(200, json={"count": 10**9, "results": endless}) if name == "projects" else right

    studio.change = change
    with pytest.raises(LabelStudioError, match="not Label Studio"):
        push_findings(client, audit)
    assert studio.asked.count("projects") == 1


def test_a_list_of_projects_that_ends_early_makes_no_second_project(studio, client, audit) -> None:
    push_findings(client, audit)
    ended = httpx.Response(404, json={"detail": "Invalid page."})
    studio.change = lambda name, right: ended if name == "projects" else right
    with pytest.raises(LabelStudioError, match="404"):
        push_findings(client, audit)
    assert len(studio.projects) == 2


def test_tasks_that_are_not_withdrawn_are_noticed(studio, client, audit) -> None:
    push_findings(client, audit)

    def server(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={}) if request.url.path == "/api/dm/actions/" else studio(request)

    answering(client, server)
    fewer = replace(audit, findings=audit.findings.assign(is_label_issue=[False, True, True, True]))
    with pytest.raises(LabelStudioError, match="did not withdraw 1 of 1"):
        push_findings(client, fewer)


@pytest.fixture
def kept(studio: Studio, client: LabelStudio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Studio:
    """A project that was pulled once, an hour ago."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    studio.now += timedelta(hours=1)
    pull_project(client, studio.source, take=since_last)
    studio.now += timedelta(hours=1)
    return studio


def relabel(studio: Studio) -> dict[str, Any]:
    row = next(iter(studio.annotations.values()))
    row["result"], row["updated_at"] = [choice("cars")], studio.stamp()
    studio.tasks[row["task"]]["updated_at"] = row["updated_at"]
    return row


def labels_now(client: LabelStudio, studio: Studio) -> tuple[list[str], str]:
    """The labels of a pull since the last one, and what was said of it."""
    pulled = pull_project(client, studio.source, take=since_last)
    return [pulled.class_names[code] for code in pulled.label_codes], pulled.provenance.notes[0]


def test_only_changes_are_pulled_where_stamps_say_what_changed(kept, client) -> None:
    relabel(kept)
    labels, said = labels_now(client, kept)
    assert (labels[0], said) == ("cars", "Pulled the 1 of 4 tasks that changed.")


def test_labels_given_while_the_servers_clock_was_behind_are_pulled(kept, client) -> None:
    kept.now -= timedelta(hours=3)
    relabel(kept)
    kept.now += timedelta(hours=3)
    labels, said = labels_now(client, kept)
    assert labels[0] == "cars"
    assert "Pulled all 4 tasks" in said


def test_labels_of_a_restored_backup_are_pulled(kept, client) -> None:
    row = next(iter(kept.annotations.values()))
    before = (row["result"], row["updated_at"])
    relabel(kept)
    assert labels_now(client, kept)[0][0] == "cars"
    row["result"], row["updated_at"] = before
    kept.tasks[row["task"]]["updated_at"] = before[1]
    labels, said = labels_now(client, kept)
    assert labels[0] == "sport"
    assert "Pulled all 4 tasks" in said


def leave_snapshot(studio: Studio, hours: float, **fields: Any) -> int:
    number, at = studio.next_id(), (studio.now - timedelta(hours=hours)).isoformat()
    row = {"id": number, "project": studio.source, "title": pull.SNAPSHOT_TITLE, "status": "completed", "content": []}
    studio.snapshots[number] = row | {"created_at": at, "finished_at": at, "created_by": {"id": 1}} | fields
    return number


def test_snapshots_of_killed_runs_go_with_the_next_run(studio, client) -> None:
    title = f"{pull.SNAPSHOT_TITLE} 0123abcd"
    killed, waiting = (
        leave_snapshot(studio, 0.3, title=title),
        leave_snapshot(studio, 2, status="created", finished_at=None),
    )
    stay = [
        leave_snapshot(studio, 0.1),  # of a run that is at work
        leave_snapshot(studio, 0.3, status="in_progress", finished_at=None),
        leave_snapshot(studio, 9, title="Release 1"),
        leave_snapshot(studio, 9, created_by={"id": COLLEAGUE}),
    ]
    assert len(take_snapshot(client, studio.source)) == 4
    assert {killed, waiting} & set(studio.snapshots) == set()
    assert sorted(studio.snapshots) == stay
