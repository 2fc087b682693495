"""A Label Studio that keeps state in memory and answers as version 1.23.2 does, as far as this package asks it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
from label_studio_sdk.client import LabelStudio

from ntk_labelqa.labelstudio.answers import BoundedClient, refusing_redirects
from ntk_labelqa.labelstudio.shapes import checking_shapes
from tests.labelstudio.reviews import answer as said_in_review
from tests.labelstudio.samples import CONFIG, choice

URL = "http://studio.test"
OWNER, COLLEAGUE, REVIEWER = 1, 2, 4
TOKENS = {f"{number}" * 40: number for number in (OWNER, COLLEAGUE, REVIEWER)}
LABELS = ("sport", "space")
Row = dict[str, Any]


def token_of(user: int) -> str:
    """The key of a user."""
    return next(token for token, number in TOKENS.items() if number == user)


class Studio:
    """Projects, tasks, annotations and snapshots by id.

    Attributes:
        now: the server's clock; each write takes a second.
    """

    def __init__(self, labels: int = 0) -> None:
        self.now = datetime(2025, 5, 1, 10, tzinfo=UTC)
        self.projects: dict[int, Row] = {}
        self.tasks: dict[int, Row] = {}
        self.annotations: dict[int, Row] = {}
        self.exports: dict[int, Row] = {}
        self.views: dict[int, Row] = {}
        self.predictions: dict[int, Row] = {}
        self._last = 0
        if labels:
            self.source = self.add_project("Topics", CONFIG)
            for number in range(labels):
                self.add_annotation(self.add_task(self.source, {"text": f"text {number}"}), choice(LABELS[number % 2]))

    def stamp(self) -> str:
        """The server's time, which then goes on."""
        self.now += timedelta(seconds=1)
        return self.now.isoformat().replace("+00:00", "Z")

    def next_id(self) -> int:
        """An id that nothing has yet."""
        self._last += 1
        return self._last

    def add_project(self, title: str, config: str, *, by: int = OWNER, description: str = "") -> int:
        """A project; its id."""
        row = {"id": self.next_id(), "title": title, "label_config": config, "description": description}
        self.projects[row["id"]] = row | {"created_by": {"id": by}}
        return int(row["id"])

    def add_task(self, project: int, data: Row) -> int:
        """A task; its id."""
        number = self.next_id()
        self.tasks[number] = {"id": number, "project": project, "data": deepcopy(data), "updated_at": self.stamp()}
        return number

    def add_annotation(self, task: int, *result: Row, by: int = OWNER, **fields: Any) -> Row:
        """An annotation, which stamps its task."""
        made = self.stamp()
        row = {"id": self.next_id(), "task": task, "project": self.tasks[task]["project"], "result": list(result)}
        row |= {"completed_by": by, "created_at": made, "updated_at": made, "was_cancelled": False}
        row |= {"parent_annotation": None, "unique_id": None} | fields
        self.annotations[row["id"]] = row
        self.tasks[task]["updated_at"] = made
        return row

    def save_annotation(self, number: int, *result: Row) -> None:
        """Another result of an annotation, which stamps its task."""
        row = self.annotations[number]
        row |= {"result": list(result), "updated_at": self.stamp()}
        self.tasks[row["task"]]["updated_at"] = row["updated_at"]

    def add_prediction(self, task: int, **fields: Any) -> None:
        """A prediction; it does not stamp its task."""
        number = self.next_id()
        self.predictions[number] = {"id": number, "task": task, "project": self.tasks[task]["project"]} | fields

    def tasks_of(self, project: int) -> list[Row]:
        """As a snapshot has them."""
        mine = [task for task in self.tasks.values() if task["project"] == project]
        return [deepcopy(task | self._on(task["id"])) for task in mine]

    def _on(self, task: int) -> Row:
        predictions = [row for row in self.predictions.values() if row["task"] == task]
        return {"annotations": self.annotations_of(task), "predictions": predictions}

    def annotations_of(self, task: int) -> list[Row]:
        """The annotations of a task."""
        return [row for row in self.annotations.values() if row["task"] == task]

    def described(self, number: int) -> Row:
        """A project with its counters."""
        tasks = self.tasks_of(number)
        annotations = [one for task in tasks for one in task["annotations"]]
        skipped = sum(one["was_cancelled"] for one in annotations)
        counters = {"task_number": len(tasks), "total_annotations_number": len(annotations) - skipped}
        predicted = sum(len(task["predictions"]) for task in tasks)
        counters |= {"skipped_annotations_number": skipped, "total_predictions_number": predicted}
        return self.projects[number] | counters

    def __call__(self, request: httpx.Request) -> httpx.Response:
        user = TOKENS.get(request.headers.get("Authorization", "").removeprefix("Token "))
        if user is None:
            return answer({"detail": "Invalid token."}, 401)
        asked = f"{request.method} {request.url.path.rstrip('/')}"
        for pattern, respond in ROUTES:
            if found := re.fullmatch(pattern, asked):
                body = json.loads(request.content) if request.content else {}
                given = respond(self, user, body, dict(request.url.params), *map(int, found.groups()))
                given.headers["Date"] = format_datetime(self.now, usegmt=True)
                return given
        return httpx.Response(404, text="<!doctype html><html>Page not found</html>")


def answer(body: Any, status: int = 200) -> httpx.Response:
    """A JSON answer."""
    return httpx.Response(status, json=body)


def missing(what: str) -> httpx.Response:
    """What Label Studio says of an id that it does not have."""
    detail = f"No {what} matches the given query."
    return answer({"id": "x", "status_code": 404, "version": "1.23.2", "detail": detail}, 404)


def _me(studio: Studio, user: int, *_: Any) -> httpx.Response:
    return answer({"id": user, "email": f"user-{user}@example.org"})


def _users(studio: Studio, *_: Any) -> httpx.Response:
    return answer([{"id": user, "email": f"user-{user}@example.org"} for user in TOKENS.values()])


def _projects(studio: Studio, user: int, body: Any, query: Row) -> httpx.Response:
    page, size = int(query.get("page", 1)), int(query.get("page_size", 30))
    rows = [studio.described(number) for number in studio.projects][(page - 1) * size : page * size]
    return answer({"count": len(studio.projects), "results": rows})


def _new_project(studio: Studio, user: int, body: Row, _: Row) -> httpx.Response:
    number = studio.add_project(body["title"], body["label_config"], by=user, description=body["description"])
    return answer(studio.described(number), 201)


def _project(studio: Studio, user: int, body: Any, query: Row, number: int) -> httpx.Response:
    return answer(studio.described(number)) if number in studio.projects else missing("Project")


def _delete_project(studio: Studio, user: int, body: Any, query: Row, number: int) -> httpx.Response:
    if studio.projects.pop(number, None) is None:
        return missing("Project")
    for task in [task["id"] for task in studio.tasks_of(number)]:
        _forget_task(studio, task)
    return httpx.Response(204)


def _forget_task(studio: Studio, task: int) -> None:
    del studio.tasks[task]
    for row in studio.annotations_of(task):
        del studio.annotations[row["id"]]


def _import(studio: Studio, user: int, body: Any, query: Row, project: int) -> httpx.Response:
    if project not in studio.projects:
        return missing("Project")
    for task in body:
        studio.add_task(project, task["data"])
    return answer({"task_count": len(body), "annotation_count": 0}, 201)


def _import_predictions(studio: Studio, user: int, body: Any, query: Row, project: int) -> httpx.Response:
    if project not in studio.projects:
        return missing("Project")
    for one in body:
        studio.add_prediction(**one)
    return answer({"created": len(body)}, 201)


def _delete_prediction(studio: Studio, user: int, body: Any, query: Row, number: int) -> httpx.Response:
    return httpx.Response(204) if studio.predictions.pop(number, None) else missing("Prediction")


def _exports(studio: Studio, user: int, body: Any, query: Row, project: int) -> httpx.Response:
    mine = [row for row in studio.exports.values() if row["project"] == project]
    return answer([{key: value for key, value in row.items() if key != "content"} for row in mine])


def _new_export(studio: Studio, user: int, body: Row, query: Row, project: int) -> httpx.Response:
    if project not in studio.projects:
        return missing("Project")
    at, tasks = studio.stamp(), studio.tasks_of(project)
    view = (body.get("task_filter_options") or {}).get("view")
    if view is not None and view not in studio.views:
        return missing("View")
    if view is not None:
        since = studio.views[view]["data"]["filters"]["items"][0]["value"]
        tasks = [task for task in tasks if moment(task["updated_at"]) > moment(since)]
    row = {"id": studio.next_id(), "project": project, "title": body["title"], "status": "completed"}
    row |= {"created_at": at, "finished_at": at, "created_by": {"id": user}, "content": tasks}
    studio.exports[row["id"]] = row
    return answer({key: value for key, value in row.items() if key != "content"}, 201)


def moment(at: str) -> datetime:
    """A stamp as a time."""
    return datetime.fromisoformat(at)


def _export(studio: Studio, user: int, body: Any, query: Row, project: int, number: int) -> httpx.Response:
    row = studio.exports.get(number)
    return answer({key: row[key] for key in ("id", "status", "title")}) if row else missing("Export")


def _download(studio: Studio, user: int, body: Any, query: Row, project: int, number: int) -> httpx.Response:
    row = studio.exports.get(number)
    return answer(row["content"]) if row else missing("Export")


def _delete_export(studio: Studio, user: int, body: Any, query: Row, project: int, number: int) -> httpx.Response:
    return httpx.Response(204) if studio.exports.pop(number, None) else missing("Export")


def _action(studio: Studio, user: int, body: Row, query: Row) -> httpx.Response:
    assert query["id"] == "delete_tasks"
    assert body["filters"]["items"]  # that none with an answer goes
    chosen = [number for number in body["selectedItems"]["included"] if number in studio.tasks]
    gone = [number for number in chosen if not studio.annotations_of(number)]
    for number in gone:
        _forget_task(studio, number)
    return answer({"processed_items": len(gone)})


def _annotation(studio: Studio, user: int, body: Any, query: Row, number: int) -> httpx.Response:
    row = studio.annotations.get(number)
    return answer({key: row[key] for key in row if key != "unique_id"}) if row else missing("Annotation")


def _delete_annotation(studio: Studio, user: int, body: Any, query: Row, number: int) -> httpx.Response:
    row = studio.annotations.pop(number, None)
    if row is None:
        return missing("Annotation")
    studio.tasks[row["task"]]["updated_at"] = studio.stamp()
    return httpx.Response(204)


def _annotations(studio: Studio, user: int, body: Any, query: Row, task: int) -> httpx.Response:
    if task not in studio.tasks:
        return missing("Task")
    return answer([{key: row[key] for key in row if key != "unique_id"} for row in studio.annotations_of(task)])


def _new_annotation(studio: Studio, user: int, body: Row, query: Row, task: int) -> httpx.Response:
    if task not in studio.tasks:
        return missing("Task")
    known = {row["unique_id"] for row in studio.annotations.values()}
    if body.get("unique_id") and body["unique_id"] in known:
        return answer({"detail": "Annotation with this unique id already exists"}, 409)
    fields = {key: body[key] for key in ("parent_annotation", "unique_id", "was_cancelled") if key in body}
    row = studio.add_annotation(task, *body["result"], by=body.get("completed_by", user), **fields)
    return answer({key: value for key, value in row.items() if key != "unique_id"}, 201)


def _tasks(studio: Studio, user: int, body: Any, query: Row) -> httpx.Response:
    page, size = int(query["page"]), int(query["page_size"])
    mine = studio.tasks_of(int(query["project"]))
    rows = mine[(page - 1) * size : page * size]
    if not rows and page > 1:
        return missing("page")
    wanted = query["include"].split(",") if "include" in query else None
    rows = [{key: row[key] for key in wanted or row} for row in rows]
    return answer({"tasks": rows, "total": len(mine), "total_annotations": len(studio.annotations)})


def _views(studio: Studio, *_: Any) -> httpx.Response:
    return answer(list(studio.views.values()))


def _new_view(studio: Studio, user: int, body: Row, query: Row) -> httpx.Response:
    row = {"id": studio.next_id(), "data": body["data"], "project": body["project"]}
    studio.views[row["id"]] = row
    return answer(row, 201)


def _delete_view(studio: Studio, user: int, body: Any, query: Row, number: int) -> httpx.Response:
    studio.views.pop(number, None)
    return httpx.Response(204)


ROUTES: tuple[tuple[str, Callable[..., httpx.Response]], ...] = (
    ("GET /api/current-user/whoami", _me),
    ("GET /api/users", _users),
    ("GET /api/projects", _projects),
    ("POST /api/projects", _new_project),
    (r"GET /api/projects/(\d+)", _project),
    (r"DELETE /api/projects/(\d+)", _delete_project),
    (r"POST /api/projects/(\d+)/import", _import),
    (r"POST /api/projects/(\d+)/import/predictions", _import_predictions),
    (r"DELETE /api/predictions/(\d+)", _delete_prediction),
    (r"GET /api/projects/(\d+)/exports", _exports),
    (r"POST /api/projects/(\d+)/exports", _new_export),
    (r"GET /api/projects/(\d+)/exports/(\d+)", _export),
    (r"DELETE /api/projects/(\d+)/exports/(\d+)", _delete_export),
    (r"GET /api/projects/(\d+)/exports/(\d+)/download", _download),
    ("POST /api/dm/actions", _action),
    ("GET /api/dm/views", _views),
    ("POST /api/dm/views", _new_view),
    (r"DELETE /api/dm/views/(\d+)", _delete_view),
    (r"GET /api/annotations/(\d+)", _annotation),
    (r"DELETE /api/annotations/(\d+)", _delete_annotation),
    (r"GET /api/tasks/(\d+)/annotations", _annotations),
    (r"POST /api/tasks/(\d+)/annotations", _new_annotation),
    ("GET /api/tasks", _tasks),
)


@contextmanager
def connected(server: Callable[[httpx.Request], httpx.Response], user: int = OWNER) -> Iterator[LabelStudio]:
    """A client of *server* with the key of *user*, without a network between them; it checks answers as ours do."""
    hooks = {"response": [refusing_redirects(URL), checking_shapes(URL)]}
    transport = httpx.MockTransport(server)
    with BoundedClient(head_seconds=60, body_seconds=60, transport=transport, event_hooks=hooks) as http:
        yield LabelStudio(base_url=URL + "/", api_key=token_of(user), httpx_client=http)


def accept_all(studio: Studio, review: int) -> list[dict[str, Any]]:
    """Every review task, accepted by the reviewer."""
    tasks = [task for task in studio.tasks.values() if task["project"] == review]
    for task in tasks:
        studio.add_annotation(task["id"], *said_in_review("accept"), by=REVIEWER)
    return tasks


def corrected(studio: Studio) -> list[int]:
    """Annotations of the source project that have a correction."""
    return [row["parent_annotation"] for row in studio.annotations.values() if row["parent_annotation"]]
