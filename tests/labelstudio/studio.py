"""A stand-in for a Label Studio server that holds projects in memory, as far as this package talks to it.

A test may put *change* between it and the network, to have answers go wrong.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs

from tests.labelstudio.samples import USER
from tests.labelstudio.web import Reply, Request, Web, as_json, serving

Change = Callable[[str, Reply], Reply]
"""Called with an endpoint's name and its right answer."""
SAVED = "2025-05-01T10:00:00Z"


class Studio:
    """Projects with their tasks, by id; tasks hold their annotations as a snapshot has them."""

    def __init__(self) -> None:
        self.projects: dict[int, dict[str, Any]] = {}
        self.views: dict[int, dict[str, Any]] = {}
        self.snapshots: dict[int, tuple[int, dict[str, Any]]] = {}
        self.change: Change = lambda _, reply: reply
        self.access = "access-token"
        self.asked: list[str] = []
        self._next = 1000
        self.web: Web

    def add_project(self, number: int, tasks: list[dict[str, Any]], **fields: Any) -> None:
        """A project, with what a task and an annotation have besides what *tasks* say."""
        self.projects[number] = {"id": number, "title": "", "description": "", "label_config": "", **fields}
        self.projects[number]["created_by"] = {"id": USER["id"]}
        self.projects[number]["tasks"] = []
        for task in tasks:
            self._add_task(number, task)

    def tasks(self, project: int) -> list[dict[str, Any]]:
        """The tasks of a project."""
        return self.projects[project]["tasks"]

    def annotate(self, task: dict[str, Any], result: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
        """A new annotation of *task*, by user 1 unless *fields* say otherwise."""
        made = {"id": self._number(), "task": task["id"], "completed_by": 1, "was_cancelled": False}
        made |= {"created_at": SAVED, "updated_at": SAVED, "parent_annotation": None, "result": result} | fields
        task["annotations"].append(made)
        task["updated_at"] = made["updated_at"]
        return made

    def __call__(self, request: Request) -> Reply:
        path, _, query = request.path.partition("?")
        for endpoint, (method, pattern, answer) in ENDPOINTS.items():
            found = re.fullmatch(pattern, path.rstrip("/"))
            if found and request.method == method:
                self.asked.append(endpoint)
                sent = json.loads(request.body) if request.body else None
                asked = {name: values[0] for name, values in parse_qs(query).items()}
                return self.change(endpoint, answer(self, sent, asked, *map(int, found.groups())))
        return Reply(b"<html>Page not found</html>", 404)

    def _number(self) -> int:
        self._next += 1
        return self._next

    def _add_task(self, project: int, task: dict[str, Any]) -> None:
        mine = copy.deepcopy(task)
        number = mine.setdefault("id", self._number())
        mine["annotations"] = [
            {"task": number, "created_at": SAVED, "parent_annotation": None, **one}
            for one in mine.get("annotations", ())
        ]
        self.projects[project]["tasks"].append({"updated_at": SAVED, "predictions": [], "drafts": [], **mine})

    def _task(self, number: int) -> dict[str, Any]:
        return next(task for one in self.projects.values() for task in one["tasks"] if task["id"] == number)

    def _described(self, project: int) -> dict[str, Any]:
        tasks = self.tasks(project)
        given = [one for task in tasks for one in task["annotations"]]
        skipped = sum(bool(one["was_cancelled"]) for one in given)
        return {key: value for key, value in self.projects[project].items() if key != "tasks"} | {
            "task_number": len(tasks),
            "total_annotations_number": len(given) - skipped,
            "skipped_annotations_number": skipped,
            "total_predictions_number": sum(len(task["predictions"]) for task in tasks),
        }

    def refresh(self, sent: Any, asked: Any) -> Reply:
        return as_json({"access": self.access})

    def whoami(self, sent: Any, asked: Any) -> Reply:
        return as_json(USER)

    def version(self, sent: Any, asked: Any) -> Reply:
        return as_json({"release": "1.23.2"})

    def users(self, sent: Any, asked: Any) -> Reply:
        return as_json([USER])

    def list_projects(self, sent: Any, asked: dict[str, str]) -> Reply:
        if asked.get("page", "1") != "1":
            return missing("page")
        found = [self._described(number) for number in self.projects]
        return as_json({"count": len(found), "next": None, "previous": None, "results": found})

    def make_project(self, sent: Any, asked: Any) -> Reply:
        number = self._number()
        self.add_project(number, [], **sent)
        return as_json(self._described(number), 201)

    def project(self, sent: Any, asked: Any, number: int) -> Reply:
        return as_json(self._described(number)) if number in self.projects else missing("Project")

    def drop_project(self, sent: Any, asked: Any, number: int) -> Reply:
        del self.projects[number]
        return Reply(status=204)

    def list_snapshots(self, sent: Any, asked: Any, project: int) -> Reply:
        mine = [(number, sent) for number, (of, sent) in self.snapshots.items() if of == project]
        state = {"status": "completed", "created_at": SAVED, "finished_at": SAVED, "created_by": {"id": USER["id"]}}
        return as_json([{"id": number, "title": sent["title"], **state} for number, sent in mine])

    def make_snapshot(self, sent: Any, asked: Any, project: int) -> Reply:
        number = self._number()
        self.snapshots[number] = (project, sent)
        return as_json({"id": number, "status": "created", "created_at": SAVED}, 201)

    def snapshot(self, sent: Any, asked: Any, project: int, number: int) -> Reply:
        return as_json({"id": number, "status": "completed", "created_at": SAVED})

    def download(self, sent: Any, asked: Any, project: int, number: int) -> Reply:
        return as_json(self.tasks(project))

    def drop_snapshot(self, sent: Any, asked: Any, project: int, number: int) -> Reply:
        del self.snapshots[number]
        return Reply(status=204)

    def pages(self, sent: Any, asked: dict[str, str]) -> Reply:
        tasks = self.tasks(int(asked["project"]))
        page, size = int(asked["page"]), int(asked["page_size"])
        mine = tasks[(page - 1) * size : page * size]
        return as_json({"tasks": mine, "total": len(tasks)}) if mine else missing("page")

    def import_tasks(self, sent: Any, asked: Any, project: int) -> Reply:
        for task in sent:
            self._add_task(project, task)
        return as_json({"task_count": len(sent)}, 201)

    def import_predictions(self, sent: Any, asked: Any, project: int) -> Reply:
        for one in sent:
            self._task(one["task"])["predictions"].append({"id": self._number(), **one})
        return as_json({"created": len(sent)}, 201)

    def drop_prediction(self, sent: Any, asked: Any, number: int) -> Reply:
        for task in (task for one in self.projects.values() for task in one["tasks"]):
            task["predictions"] = [one for one in task["predictions"] if one["id"] != number]
        return Reply(status=204)

    def list_views(self, sent: Any, asked: dict[str, str]) -> Reply:
        return as_json([view for view in self.views.values() if str(view["project"]) == asked["project"]])

    def make_view(self, sent: Any, asked: Any) -> Reply:
        number = self._number()
        self.views[number] = {"id": number, **sent}
        return as_json(self.views[number], 201)

    def drop_view(self, sent: Any, asked: Any, number: int) -> Reply:
        del self.views[number]
        return Reply(status=204)

    def act(self, sent: dict[str, Any], asked: dict[str, str]) -> Reply:
        gone = set(sent["selectedItems"]["included"])
        project = self.projects[int(asked["project"])]
        project["tasks"] = [task for task in project["tasks"] if task["id"] not in gone or task["annotations"]]
        return as_json({"processed_items": len(gone)})

    def annotation(self, sent: Any, asked: Any, number: int) -> Reply:
        every = (one for project in self.projects.values() for task in project["tasks"] for one in task["annotations"])
        found = next((one for one in every if one["id"] == number), None)
        return missing("Annotation") if found is None else as_json(found)

    def drop_annotation(self, sent: Any, asked: Any, number: int) -> Reply:
        for task in (task for one in self.projects.values() for task in one["tasks"]):
            task["annotations"] = [one for one in task["annotations"] if one["id"] != number]
        return Reply(status=204)

    def list_annotations(self, sent: Any, asked: Any, task: int) -> Reply:
        return as_json(self._task(task)["annotations"])

    def make_annotation(self, sent: dict[str, Any], asked: Any, number: int) -> Reply:
        task = self._task(number)
        if any(one.get("unique_id") == sent["unique_id"] for one in task["annotations"]):
            return as_json({"detail": "already exists"}, 409)
        return as_json(self.annotate(task, **sent), 201)


def missing(what: str) -> Reply:
    """What Label Studio says of an id that it does not have."""
    detail = f"No {what} matches the given query."
    return as_json({"id": "x", "status_code": 404, "version": "1.23.2", "detail": detail}, 404)


ENDPOINTS: dict[str, tuple[str, str, Callable[..., Reply]]] = {
    "refresh": ("POST", "/api/token/refresh", Studio.refresh),
    "whoami": ("GET", "/api/current-user/whoami", Studio.whoami),
    "version": ("GET", "/api/version", Studio.version),
    "users": ("GET", "/api/users", Studio.users),
    "projects": ("GET", "/api/projects", Studio.list_projects),
    "make project": ("POST", "/api/projects", Studio.make_project),
    "project": ("GET", r"/api/projects/(\d+)", Studio.project),
    "drop project": ("DELETE", r"/api/projects/(\d+)", Studio.drop_project),
    "snapshots": ("GET", r"/api/projects/(\d+)/exports", Studio.list_snapshots),
    "make snapshot": ("POST", r"/api/projects/(\d+)/exports", Studio.make_snapshot),
    "snapshot": ("GET", r"/api/projects/(\d+)/exports/(\d+)", Studio.snapshot),
    "download": ("GET", r"/api/projects/(\d+)/exports/(\d+)/download", Studio.download),
    "drop snapshot": ("DELETE", r"/api/projects/(\d+)/exports/(\d+)", Studio.drop_snapshot),
    "tasks": ("GET", "/api/tasks", Studio.pages),
    "import": ("POST", r"/api/projects/(\d+)/import", Studio.import_tasks),
    "import predictions": ("POST", r"/api/projects/(\d+)/import/predictions", Studio.import_predictions),
    "drop prediction": ("DELETE", r"/api/predictions/(\d+)", Studio.drop_prediction),
    "views": ("GET", "/api/dm/views", Studio.list_views),
    "make view": ("POST", "/api/dm/views", Studio.make_view),
    "drop view": ("DELETE", r"/api/dm/views/(\d+)", Studio.drop_view),
    "act": ("POST", "/api/dm/actions", Studio.act),
    "annotation": ("GET", r"/api/annotations/(\d+)", Studio.annotation),
    "drop annotation": ("DELETE", r"/api/annotations/(\d+)", Studio.drop_annotation),
    "annotations": ("GET", r"/api/tasks/(\d+)/annotations", Studio.list_annotations),
    "make annotation": ("POST", r"/api/tasks/(\d+)/annotations", Studio.make_annotation),
}


@contextmanager
def studio(one: Studio) -> Iterator[Studio]:
    """*one*, running."""
    with serving(one) as one.web:
        yield one
