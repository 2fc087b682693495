"""A Label Studio that keeps state in memory and answers as version 1.23.2 does, as far as this package asks it.

It is asked without a network (:func:`connected`) or at an address (:func:`served`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, NamedTuple, NoReturn

import httpx
from label_studio_sdk.client import LabelStudio

from ntk_labelqa.labelstudio.answers import BoundedClient, refusing_redirects
from ntk_labelqa.labelstudio.shapes import checking_shapes
from tests.labelstudio.reviews import answer as said_in_review
from tests.labelstudio.samples import CONFIG, KEY, choice
from tests.labelstudio.web import Reply, Request, Web, serving

URL = "http://studio.test"
OWNER, COLLEAGUE, REVIEWER = 1, 2, 4
TOKENS = {KEY: OWNER, "2" * 40: COLLEAGUE, "4" * 40: REVIEWER}
LABELS = ("sport", "space")
Row = dict[str, Any]
Change = Callable[[str, httpx.Response], httpx.Response]
"""Called with an endpoint's name and its right answer."""


def token_of(user: int) -> str:
    """The key of a user."""
    return next(token for token, number in TOKENS.items() if number == user)


class Refused(Exception):
    """What is asked is not done: a status, and what Label Studio says of it."""


class Table(dict[int, Row]):
    """Rows by id, of what Label Studio calls *what*; an id that there is not is refused."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what

    def __missing__(self, number: int) -> NoReturn:
        raise missing(self.what)

    def remove(self, number: int) -> Row:
        """The row that was there."""
        row = self[number]
        del self[number]
        return row


@dataclass
class Sent:
    """Who asks an endpoint, and with what."""

    user: int
    body: Any
    query: dict[str, str]


class Studio:
    """Projects, tasks, annotations and the like by id; ids that a test sets are below 1000.

    Attributes:
        now: the server's clock; each write takes a second.
        access: the access token that any refresh token of the owner is exchanged for.
        asked: names of the endpoints that were asked, in turn.
        change: has answers go wrong.
        web: where it is, while it is :func:`served`.
    """

    web: Web

    def __init__(self, labels: int = 0) -> None:
        self.now = datetime(2025, 5, 1, 10, tzinfo=UTC)
        self.projects, self.tasks, self.annotations = Table("Project"), Table("Task"), Table("Annotation")
        self.predictions, self.snapshots, self.views = Table("Prediction"), Table("Export"), Table("View")
        self.access = "access-token"
        self.asked: list[str] = []
        self.change: Change = lambda _, given: given
        self._last = 1000
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

    def add_project(self, title: str, label_config: str, *, by: int = OWNER, **fields: Any) -> int:
        """A project; its id."""
        row: Row = {"id": self.next_id(), "title": title, "label_config": label_config, "description": ""}
        row |= {"created_by": {"id": by}} | fields
        self.projects[row["id"]] = row
        return row["id"]

    def add_task(self, project: int, data: Row, **fields: Any) -> int:
        """A task; its id."""
        row: Row = {"id": self.next_id(), "project": self.projects[project]["id"], "data": deepcopy(data), "drafts": []}
        row |= {"updated_at": self.stamp()} | fields
        self.tasks[row["id"]] = row
        return row["id"]

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

    def remove_task(self, number: int) -> None:
        """A task goes with its annotations."""
        del self.tasks[number]
        for row in self.annotations_of(number):
            del self.annotations[row["id"]]

    def annotations_of(self, task: int) -> list[Row]:
        """The annotations of a task."""
        return [row for row in self.annotations.values() if row["task"] == task]

    def tasks_of(self, project: int) -> list[Row]:
        """As a snapshot has them."""
        mine = [task for task in self.tasks.values() if task["project"] == project]
        return [deepcopy(task | self._on(task["id"])) for task in mine]

    def _on(self, task: int) -> Row:
        predictions = [row for row in self.predictions.values() if row["task"] == task]
        return {"annotations": self.annotations_of(task), "predictions": predictions}

    def described(self, number: int) -> Row:
        """A project with its counters."""
        tasks = self.tasks_of(number)
        annotations = [one for task in tasks for one in task["annotations"]]
        skipped = sum(one["was_cancelled"] for one in annotations)
        return self.projects[number] | {
            "task_number": len(tasks),
            "total_annotations_number": len(annotations) - skipped,
            "skipped_annotations_number": skipped,
            "total_predictions_number": sum(len(task["predictions"]) for task in tasks),
        }

    def __call__(self, request: httpx.Request) -> httpx.Response:
        for name, (method, path, *_) in ENDPOINTS.items():
            found = re.fullmatch(path, request.url.path.rstrip("/"))
            if found and request.method == method:
                self.asked.append(name)
                given = self._answer(name, request, *map(int, found.groups()))
                given.headers["Date"] = format_datetime(self.now, usegmt=True)
                return self.change(name, given)
        return httpx.Response(404, html="<!doctype html><html>Page not found</html>")

    def _answer(self, name: str, request: httpx.Request, *ids: int) -> httpx.Response:
        body = json.loads(request.content) if request.content else {}
        try:
            user = OWNER if name == "refresh" else self._user(request.headers.get("Authorization", ""))
            given = ENDPOINTS[name].respond(self, Sent(user, body, dict(request.url.params)), *ids)
        except Refused as refused:
            status, detail = refused.args
            said = {"id": "x", "status_code": status, "version": "1.23.2", "detail": detail}
            return httpx.Response(status, json=said)
        return httpx.Response(204) if given is None else httpx.Response(ENDPOINTS[name].status, json=given)

    def _user(self, key: str) -> int:
        user = OWNER if key == f"Bearer {self.access}" else TOKENS.get(key.removeprefix("Token "))
        if user is None:
            raise Refused(401, "Invalid token.")
        return user


def missing(what: str) -> Refused:
    """The error of an id that there is not."""
    return Refused(404, f"No {what} matches the given query.")


Respond = Callable[..., Any]


class Endpoint(NamedTuple):
    """What is asked by *method* at *path*, a pattern; *respond* gives the answer's content, None for none."""

    method: str
    path: str
    status: int
    respond: Respond


ENDPOINTS: dict[str, Endpoint] = {}


def endpoint(name: str, method: str, path: str, status: int = 200) -> Callable[[Respond], Respond]:
    """The function below responds at *path* below ``/api/``, called with the ids that stand there for each ``#``."""

    def register(respond: Respond) -> Respond:
        ENDPOINTS[name] = Endpoint(method, "/api/" + path.replace("#", r"(\d+)"), status, respond)
        return respond

    return register


@endpoint("refresh", "POST", "token/refresh")
def _refresh(studio: Studio, sent: Sent) -> Any:
    return {"access": studio.access}


@endpoint("version", "GET", "version")
def _version(studio: Studio, sent: Sent) -> Any:
    return {"release": "1.23.2"}


@endpoint("whoami", "GET", "current-user/whoami")
def _whoami(studio: Studio, sent: Sent) -> Any:
    return _person(sent.user)


@endpoint("users", "GET", "users")
def _users(studio: Studio, sent: Sent) -> Any:
    return [_person(user) for user in TOKENS.values()]


def _person(user: int) -> Row:
    return {"id": user, "email": f"user-{user}@example.org"}


@endpoint("projects", "GET", "projects")
def _projects(studio: Studio, sent: Sent) -> Any:
    page, size = int(sent.query.get("page", 1)), int(sent.query.get("page_size", 30))
    rows = [studio.described(number) for number in studio.projects][(page - 1) * size : page * size]
    return {"count": len(studio.projects), "results": rows}


@endpoint("make project", "POST", "projects", 201)
def _make_project(studio: Studio, sent: Sent) -> Any:
    return studio.described(studio.add_project(by=sent.user, **sent.body))


@endpoint("project", "GET", "projects/#")
def _project(studio: Studio, sent: Sent, number: int) -> Any:
    return studio.described(number)


@endpoint("drop project", "DELETE", "projects/#")
def _drop_project(studio: Studio, sent: Sent, number: int) -> None:
    studio.projects.remove(number)
    for task in studio.tasks_of(number):
        studio.remove_task(task["id"])


@endpoint("import", "POST", "projects/#/import", 201)
def _import(studio: Studio, sent: Sent, project: int) -> Any:
    for task in sent.body:
        studio.add_task(project, task["data"])
    return {"task_count": len(sent.body), "annotation_count": 0}


@endpoint("tasks", "GET", "tasks")
def _tasks(studio: Studio, sent: Sent) -> Any:
    page, size = int(sent.query["page"]), int(sent.query["page_size"])
    mine = studio.tasks_of(int(sent.query["project"]))
    rows = mine[(page - 1) * size : page * size]
    if not rows and page > 1:
        raise missing("page")
    wanted = sent.query["include"].split(",") if "include" in sent.query else None
    rows = [{key: row[key] for key in wanted or row} for row in rows]
    return {"tasks": rows, "total": len(mine), "total_annotations": len(studio.annotations)}


@endpoint("act", "POST", "dm/actions")
def _act(studio: Studio, sent: Sent) -> Any:
    assert sent.query["id"] == "delete_tasks"
    assert sent.body["filters"]["items"]  # that none with an answer goes
    chosen = [number for number in sent.body["selectedItems"]["included"] if number in studio.tasks]
    gone = [number for number in chosen if not studio.annotations_of(number)]
    for number in gone:
        studio.remove_task(number)
    return {"processed_items": len(gone)}


@endpoint("import predictions", "POST", "projects/#/import/predictions", 201)
def _import_predictions(studio: Studio, sent: Sent, project: int) -> Any:
    for one in sent.body:
        studio.add_prediction(**one)
    return {"created": len(sent.body)}


@endpoint("drop prediction", "DELETE", "predictions/#")
def _drop_prediction(studio: Studio, sent: Sent, number: int) -> None:
    studio.predictions.remove(number)


@endpoint("snapshots", "GET", "projects/#/exports")
def _snapshots(studio: Studio, sent: Sent, project: int) -> Any:
    return [_without(row, "content") for row in studio.snapshots.values() if row["project"] == project]


@endpoint("make snapshot", "POST", "projects/#/exports", 201)
def _make_snapshot(studio: Studio, sent: Sent, project: int) -> Any:
    at, tasks = studio.stamp(), studio.tasks_of(studio.projects[project]["id"])
    view = (sent.body.get("task_filter_options") or {}).get("view")
    if view is not None:
        since = moment(studio.views[view]["data"]["filters"]["items"][0]["value"])
        tasks = [task for task in tasks if moment(task["updated_at"]) > since]
    row = {"id": studio.next_id(), "project": project, "title": sent.body["title"], "status": "completed"}
    row |= {"created_at": at, "finished_at": at, "created_by": {"id": sent.user}, "content": tasks}
    studio.snapshots[row["id"]] = row
    return _without(row, "content")


def moment(at: str) -> datetime:
    """A stamp as a time."""
    return datetime.fromisoformat(at)


def _without(row: Row, name: str) -> Row:
    return {key: value for key, value in row.items() if key != name}


@endpoint("snapshot", "GET", "projects/#/exports/#")
def _snapshot(studio: Studio, sent: Sent, project: int, number: int) -> Any:
    return _without(studio.snapshots[number], "content")


@endpoint("download", "GET", "projects/#/exports/#/download")
def _download(studio: Studio, sent: Sent, project: int, number: int) -> Any:
    return studio.snapshots[number]["content"]


@endpoint("drop snapshot", "DELETE", "projects/#/exports/#")
def _drop_snapshot(studio: Studio, sent: Sent, project: int, number: int) -> None:
    studio.snapshots.remove(number)


@endpoint("views", "GET", "dm/views")
def _views(studio: Studio, sent: Sent) -> Any:
    return [view for view in studio.views.values() if str(view["project"]) == sent.query["project"]]


@endpoint("make view", "POST", "dm/views", 201)
def _make_view(studio: Studio, sent: Sent) -> Any:
    row = {"id": studio.next_id(), "data": sent.body["data"], "project": sent.body["project"]}
    studio.views[row["id"]] = row
    return row


@endpoint("drop view", "DELETE", "dm/views/#")
def _drop_view(studio: Studio, sent: Sent, number: int) -> None:
    studio.views.remove(number)


@endpoint("annotations", "GET", "tasks/#/annotations")
def _annotations(studio: Studio, sent: Sent, task: int) -> Any:
    return [_without(row, "unique_id") for row in studio.annotations_of(studio.tasks[task]["id"])]


@endpoint("make annotation", "POST", "tasks/#/annotations", 201)
def _make_annotation(studio: Studio, sent: Sent, task: int) -> Any:
    known = {row["unique_id"] for row in studio.annotations.values()} - {None}
    if sent.body.get("unique_id") in known:
        raise Refused(409, "Annotation with this unique id already exists")
    fields = {key: sent.body[key] for key in ("parent_annotation", "unique_id", "was_cancelled") if key in sent.body}
    row = studio.add_annotation(task, *sent.body["result"], by=sent.body.get("completed_by", sent.user), **fields)
    return _without(row, "unique_id")


@endpoint("annotation", "GET", "annotations/#")
def _annotation(studio: Studio, sent: Sent, number: int) -> Any:
    return _without(studio.annotations[number], "unique_id")


@endpoint("drop annotation", "DELETE", "annotations/#")
def _drop_annotation(studio: Studio, sent: Sent, number: int) -> None:
    row = studio.annotations.remove(number)
    studio.tasks[row["task"]]["updated_at"] = studio.stamp()


@contextmanager
def connected(server: Callable[[httpx.Request], httpx.Response], user: int = OWNER) -> Iterator[LabelStudio]:
    """A client of *server* with the key of *user*, without a network between them; it checks answers as ours do."""
    hooks = {"response": [refusing_redirects(URL), checking_shapes(URL)]}
    transport = httpx.MockTransport(server)
    with BoundedClient(head_seconds=60, body_seconds=60, transport=transport, event_hooks=hooks) as http:
        yield LabelStudio(base_url=URL + "/", api_key=token_of(user), httpx_client=http)


@contextmanager
def served(studio: Studio) -> Iterator[Studio]:
    """*studio* at an address of its own, ``studio.web.url``; an answer's extensions are fields of its Reply."""

    def reply(asked: Request) -> Reply:
        given = studio(httpx.Request(asked.method, URL + asked.path, headers=asked.headers, content=asked.body))
        headers = {name.title(): value for name, value in given.headers.items()}
        return Reply(given.content, given.status_code, headers, **given.extensions)

    with serving(reply) as studio.web:
        yield studio


def accept_all(studio: Studio, review: int, by: int = REVIEWER) -> list[Row]:
    """Every review task of a finding, accepted by *by*."""
    mine = (task for task in studio.tasks.values() if task["project"] == review)
    tasks = [task for task in mine if "suggested_label" in task["data"]]
    for task in tasks:
        studio.add_annotation(task["id"], *said_in_review("accept"), by=by)
    return tasks


def corrected(studio: Studio) -> list[int]:
    """Annotations of the source project that have a correction."""
    return [row["parent_annotation"] for row in studio.annotations.values() if row["parent_annotation"]]
