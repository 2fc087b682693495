"""Pulling from servers that fail on the way: nothing comes back short, and the snapshot is never left behind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest

from ntk_labelqa.errors import InvalidInputError, LabelStudioError
from ntk_labelqa.labelstudio import connect as connecting
from ntk_labelqa.labelstudio.connect import connect
from ntk_labelqa.labelstudio.reading import pull, task_pages
from ntk_labelqa.labelstudio.reading.pull import pull_project
from tests.labelstudio.samples import CONFIG, KEY, USER, annotation, choice, task
from tests.labelstudio.web import Reply, Request, Web, as_json, serving

TASKS = [task(i, annotation(i, choice(("space", "cars")[i % 2]))) for i in range(1, 11)]


class Studio:
    """A server with one project; a test replaces the answers that it wants to go wrong."""

    def __init__(self) -> None:
        project = {"id": 7, "title": "Topics", "label_config": CONFIG, "task_number": 10}
        project |= {"total_annotations_number": 10, "skipped_annotations_number": 0, "total_predictions_number": 0}
        self.project: dict[str, Any] = project
        self.status = "completed"
        self.download = as_json(TASKS)
        self.replies: dict[tuple[str, str], Callable[[], Reply]] = {}
        self.web: Web

    def __call__(self, request: Request) -> Reply:
        asked = (request.method, request.path.partition("?")[0].rstrip("/"))
        usual: dict[tuple[str, str], Callable[[], Reply]] = {
            ("GET", "/api/current-user/whoami"): lambda: as_json(USER),
            ("GET", "/api/users"): lambda: as_json([USER]),
            ("GET", "/api/projects/7"): lambda: as_json(self.project),
            ("POST", "/api/projects/7/exports"): lambda: as_json({"id": 3, "status": "created"}, 201),
            ("GET", "/api/projects/7/exports/3"): lambda: as_json({"id": 3, "status": self.status}),
            ("GET", "/api/projects/7/exports/3/download"): lambda: self.download,
            ("DELETE", "/api/projects/7/exports/3"): lambda: Reply(status=204),
        }
        answer = (usual | self.replies).get(asked)
        return answer() if answer else as_json({"detail": "Not found."}, 404)

    def count(self, method: str) -> int:
        """How many requests of *method* came."""
        return sum(request.method == method for request in self.web.requests)


@pytest.fixture
def studio() -> Iterator[Studio]:
    studio = Studio()
    with serving(studio) as studio.web:
        yield studio


def refused(studio: Studio, project: int = 7) -> str:
    """The text of the error of a pull that must fail."""
    with pytest.raises(LabelStudioError) as raised:
        pull_project(connect(studio.web.url, KEY), project)
    assert raised.value.remedy
    return str(raised.value)


def test_a_pull_writes_nothing_but_a_snapshot_and_deletes_it(studio: Studio) -> None:
    dataset = pull_project(connect(studio.web.url, KEY), 7)
    assert len(dataset) == 10
    assert set(dataset.annotations["annotator"]) == {"owner@example.org"}
    assert (dataset.provenance.project_id, dataset.provenance.project_title) == (7, "Topics")
    assert (studio.count("POST"), studio.count("DELETE"), studio.count("PATCH")) == (1, 1, 0)


def test_unknown_project(studio: Studio) -> None:
    assert "Pulling project 8 failed: the server does not know it (404)" in refused(studio, 8)


def test_a_snapshot_short_of_tasks_is_refused(studio: Studio) -> None:
    studio.download = as_json(TASKS[:9])
    assert "has 9 tasks, but the project has 10" in refused(studio)


def test_a_snapshot_short_of_annotations_is_refused(studio: Studio) -> None:
    studio.download = as_json([*TASKS[:9], task(10)])
    assert "has 9 annotations, but the project has 10" in refused(studio)


def test_tasks_imported_or_deleted_meanwhile_do_not_make_a_snapshot_short(studio: Studio) -> None:
    numbers = iter([10, 12])
    studio.replies["GET", "/api/projects/7"] = lambda: as_json(studio.project | {"task_number": next(numbers)})
    assert len(pull_project(connect(studio.web.url, KEY), 7)) == 10
    numbers = iter([10, 9])
    assert len(pull_project(connect(studio.web.url, KEY), 7)) == 10


def test_a_project_deleted_meanwhile(studio: Studio) -> None:
    first = iter([as_json(studio.project)])
    studio.replies["GET", "/api/projects/7"] = lambda: next(first, Reply(b"<html>Not found</html>", 404))
    assert "404" in refused(studio)


def test_a_snapshot_that_the_server_fails_to_make(studio: Studio) -> None:
    studio.status = "failed"
    assert "its status is 'failed'" in refused(studio)
    assert studio.count("DELETE") == 1


def test_a_snapshot_that_is_never_made(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull, "LONGEST_WAIT", 0.5)
    studio.status = "in_progress"
    assert "its status is 'in_progress'" in refused(studio)
    assert studio.count("DELETE") == 1


def test_a_download_that_breaks_off(studio: Studio) -> None:
    studio.download = Reply(json.dumps(TASKS).encode(), cut=True)
    assert "failed" in refused(studio)
    assert studio.count("DELETE") == 1


def test_a_snapshot_that_is_not_made_a_second_time_after_an_error(studio: Studio) -> None:
    studio.replies["POST", "/api/projects/7/exports"] = lambda: as_json({"detail": "database is locked"}, 500)
    assert "status 500: database is locked" in refused(studio)
    assert studio.count("POST") == 1


@pytest.fixture
def slow(studio: Studio) -> Studio:
    """A server that goes on with a snapshot whose sender nobody answers."""

    def kept() -> Reply:
        asked = next(json.loads(one.body) for one in studio.web.requests if one.method == "POST")
        others = [{"id": 4, "title": pull.SNAPSHOT_TITLE}, {"id": 5, "title": f"{pull.SNAPSHOT_TITLE} 00000000"}]
        return as_json([*others, {"id": 3, "title": asked["title"], "status": "in_progress"}])

    first = iter([as_json([])])
    studio.replies["GET", "/api/projects/7/exports"] = lambda: next(first, None) or kept()
    statuses = iter(["in_progress", "in_progress"])
    studio.replies["GET", "/api/projects/7/exports/3"] = lambda: as_json(
        {"id": 3, "status": next(statuses, "completed")}
    )
    return studio


@pytest.mark.parametrize("answer", [Reply(head_pause=0.05), Reply(b"Gateway Time-out", 504)])
def test_a_snapshot_that_takes_longer_than_an_answer_may_is_waited_for(
    slow: Studio, answer: Reply, monkeypatch
) -> None:
    monkeypatch.setattr(connecting, "TRY_TIMEOUT", 0.2)
    slow.replies["POST", "/api/projects/7/exports"] = lambda: answer
    assert len(pull_project(connect(slow.web.url, KEY, timeout=0.5), 7)) == 10
    assert (slow.count("POST"), slow.count("DELETE")) == (1, 1)


def test_a_snapshot_that_was_never_begun_is_no_reason_to_wait(studio: Studio) -> None:
    studio.replies["POST", "/api/projects/7/exports"] = lambda: Reply(b"Bad Gateway", 502)
    studio.replies["GET", "/api/projects/7/exports"] = lambda: as_json([{"id": 4, "title": pull.SNAPSHOT_TITLE}])
    assert "502" in refused(studio)
    assert studio.count("DELETE") == 0


def test_a_snapshot_that_cannot_be_deleted_does_not_spoil_the_pull(studio: Studio) -> None:
    studio.replies["DELETE", "/api/projects/7/exports/3"] = lambda: Reply(status=403)
    assert len(pull_project(connect(studio.web.url, KEY), 7)) == 10


def test_a_config_without_a_control_costs_no_snapshot(studio: Studio) -> None:
    studio.project["label_config"] = '<View><Text name="text" value="$text"/></View>'
    with pytest.raises(InvalidInputError, match="no control at all"):
        pull_project(connect(studio.web.url, KEY), 7)
    assert studio.count("POST") == 0


class Paged:
    """Answers for tasks by page, of which those numbered in *broken* cannot be sent."""

    def __init__(self, studio: Studio, broken: set[int]) -> None:
        self.studio, self.broken = studio, broken

    def __call__(self) -> Reply:
        query = parse_qs(self.studio.web.requests[-1].path.partition("?")[2])
        page, size = (int(query[key][0]) for key in ("page", "page_size"))
        mine = TASKS[(page - 1) * size : page * size]
        if not mine:
            return as_json({"detail": "Invalid page."}, 404)
        if self.broken & {one["id"] for one in mine}:
            return Reply(b"Server Error (500)", 500)
        return as_json({"tasks": mine, "total": len(TASKS), "total_annotations": 10})


@pytest.fixture
def stalled(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> Studio:
    monkeypatch.setattr(pull, "STALLED_AFTER", 0.3)
    monkeypatch.setattr(task_pages, "MOST_UNREADABLE", 0.3)
    studio.status = "in_progress"
    return studio


@pytest.mark.parametrize("broken", [set(), {4}, {1, 10}])
def test_where_a_snapshot_makes_no_progress_pages_are_read(stalled: Studio, broken: set[int]) -> None:
    stalled.replies["GET", "/api/tasks"] = Paged(stalled, broken)
    dataset = pull_project(connect(stalled.web.url, KEY), 7)
    assert set(dataset.items["task_id"]) == set(range(1, 11)) - broken
    [note] = dataset.provenance.notes
    assert "made no progress" in note
    assert ("the server cannot send" in note) == bool(broken)
    assert stalled.count("DELETE") == 1


def test_pages_that_do_not_add_up_are_refused(stalled: Studio) -> None:
    stalled.replies["GET", "/api/tasks"] = lambda: as_json({"tasks": TASKS[:9], "total": 10})
    assert "have 9 tasks, but the server counts 10" in refused(stalled)


def test_pages_that_the_server_does_not_give_at_all(stalled: Studio) -> None:
    stalled.replies["GET", "/api/tasks"] = lambda: Reply(status=500)
    assert "cannot send" in refused(stalled)
    stalled.replies["GET", "/api/tasks"] = lambda: as_json({"detail": "no"}, 403)
    assert "403" in refused(stalled)
