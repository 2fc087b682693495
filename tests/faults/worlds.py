"""Label Studio in memory, and what is asked of any Label Studio to see what a command left in it."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Self

import httpx

from ntk_labelqa.labelstudio.review.project import mark
from tests.labelstudio.samples import choice
from tests.labelstudio.studio import OWNER, REVIEWER, URL, Studio, token_of

Row = dict[str, Any]
LABELS = 6
ANOTHERS = "somebody's model"
"""The model of a prediction that is not ours."""
PAGE = 1000
OF_AN_ANNOTATION = ("id", "task", "completed_by", "result", "updated_at", "was_cancelled", "parent_annotation")


@dataclass
class State:
    """What a server has.

    Attributes:
        annotations: of the source project, by id.
        predictions: on its tasks.
        tabs: titles of its views.
        asked: the data of each review task.
        projects: how many review projects there are.
    """

    annotations: dict[int, Row]
    predictions: list[Row]
    tabs: list[str]
    asked: list[Row]
    projects: int


class World(ABC):
    """A Label Studio whose owner runs commands on the project *source*."""

    token: str
    source: int
    http: httpx.Client
    """Asks it directly, whatever happens to commands."""

    @abstractmethod
    def __call__(self, request: httpx.Request) -> httpx.Response:
        """What it answers; raises httpx.TransportError where it does not."""

    @abstractmethod
    def label(self, annotation: int, label: str) -> None:
        """Somebody saves an annotation with another label."""

    @abstractmethod
    def review(self, task: int, result: list[Row]) -> None:
        """A reviewer answers a review task."""

    @abstractmethod
    def predict(self, task: int) -> None:
        """Somebody's model predicts, as :data:`ANOTHERS`."""

    def state(self) -> State:
        """What is there now, asked for without any of this package's code."""
        tasks = self._tasks(self.source)
        marked = [one["id"] for one in self._projects() if mark(self.source) in (one.get("description") or "")]
        views = self._get("/api/dm/views/", project=self.source)
        return State(
            annotations={
                one["id"]: {name: one.get(name) for name in OF_AN_ANNOTATION}
                for task in tasks
                for one in task["annotations"]
            },
            predictions=[one for task in tasks for one in task["predictions"]],
            tabs=[view["data"].get("title", "") for view in views if view["project"] == self.source],
            asked=[task["data"] for number in marked for task in self._tasks(number)],
            projects=len(marked),
        )

    def review_tasks(self) -> list[Row]:
        """Every review task with its id, oldest first."""
        marked = [one["id"] for one in self._projects() if mark(self.source) in (one.get("description") or "")]
        return sorted((task for number in marked for task in self._tasks(number)), key=lambda task: task["id"])

    def _projects(self) -> list[Row]:
        return self._get("/api/projects/", page=1, page_size=PAGE)["results"]

    def _tasks(self, project: int) -> list[Row]:
        return self._get("/api/tasks/", project=project, page=1, page_size=PAGE, fields="all")["tasks"]

    def _get(self, path: str, **query: Any) -> Any:
        given = self.http.get(path, params=query, headers={"Authorization": f"Token {self.token}"})
        given.raise_for_status()
        return given.json()


class Memory(World):
    """One in memory, with :data:`LABELS` labelled texts."""

    def __init__(self) -> None:
        self.studio = Studio(labels=LABELS)
        self.source, self.token = self.studio.source, token_of(OWNER)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        return self.studio(request)

    @property
    def http(self) -> httpx.Client:  # type: ignore[override]
        return httpx.Client(transport=httpx.MockTransport(self.studio), base_url=URL)

    def copied(self) -> Self:
        """The same, to be disturbed."""
        other = copy.copy(self)
        other.studio = copy.deepcopy(self.studio)
        return other

    def label(self, annotation: int, label: str) -> None:
        self.studio.save_annotation(annotation, choice(label))

    def predict(self, task: int) -> None:
        self.studio.add_prediction(task, model_version=ANOTHERS, score=0.5, result=[choice("sport")])

    def review(self, task: int, result: list[Row]) -> None:
        self.studio.add_annotation(task, *result, by=REVIEWER)
