"""The review project of a source project: found again by our mark, its tasks distinguished by their review keys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.dataset import Control
from ntk_labelqa.errors import LabelStudioError
from ntk_labelqa.label_types.registry import audited_type
from ntk_labelqa.labelstudio.connect import ONCE, translating_errors
from ntk_labelqa.labelstudio.reading.label_values import control_of, is_single_choice
from ntk_labelqa.labelstudio.reading.pull import take_snapshot
from ntk_labelqa.labelstudio.review.config import review_config
from ntk_labelqa.labelstudio.review.tasks import REVIEW_KEY

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio

INSTRUCTION = (
    "Each task asks about one label. Press A to accept the suggestion, K to keep the given label, O for another label, "
    "U if you are not sure, then Ctrl+Enter."
)

TITLE_LENGTH = 50
"""Characters that the server takes."""
DELETED_AT_ONCE = 2000
MOST_TWICE = 1000
"""Projects that may be listed twice, as those made meanwhile move the others on; a page has a hundred."""
_UNANSWERED: Any = {
    "conjunction": "and",
    "items": [
        {"filter": f"filter:tasks:{count}", "operator": "equal", "type": "Number", "value": 0}
        for count in ("total_annotations", "cancelled_annotations")
    ],
}


@dataclass(frozen=True)
class ReviewTask:
    """A task of the review project.

    Attributes:
        id: in the review project.
        key: its review key.
        touched: whether a person has worked on it.
        data: what :func:`~ntk_labelqa.labelstudio.review.tasks.review_tasks` wrote into it.
        annotations: what reviewers said of it, as Label Studio has it.
    """

    id: int
    key: str
    touched: bool
    data: Mapping[str, Any] = field(default_factory=dict)
    annotations: Sequence[Mapping[str, Any]] = ()


def mark(source_project: int, control: Control | None = None) -> str:
    """What the description of the review project of *source_project* holds, and no other's.

    Single choices of a project share one. Other labellings have one each, for each has classes and items of its own.
    """
    labelling = "" if control is None or is_single_choice(control) else f":{control.full_name}"
    return f"[ntk-labelqa:review-of-project-{source_project}{labelling}]"


def find(client: LabelStudio, source_project: int, control: Control | None = None) -> int | None:
    """The id of the review project of a labelling, the oldest, should there be several; None if there is none."""
    return find_marked(client, mark(source_project, control))


def find_marked(client: LabelStudio, own_mark: str) -> int | None:
    """The id of the project whose description holds *own_mark*, the oldest, should there be several; else None."""
    projects: dict[int, Any] = {}
    twice = 0
    with translating_errors("Looking for the review project"):
        listed: Iterable[Any] = client.projects.list()
        for project in listed:
            twice += project.id in projects
            if twice > MOST_TWICE:
                raise LabelStudioError(
                    "The server lists the same projects again and again.", remedy="Look into the server's log."
                )
            projects[project.id] = project
    return min((project.id for project in projects.values() if own_mark in (project.description or "")), default=None)


def find_or_create(client: LabelStudio, audit: Audit, source_project: int) -> int:
    """:func:`find`, and where there is none a new one."""
    control = control_of(audit.manifest)
    if (found := find(client, source_project, control)) is not None:
        return found
    data = audit.manifest["data"]
    return create(
        client,
        title=f"Label review: {title_of(audit, source_project)}",
        description=f"Labels of project {source_project} that are probably wrong. {mark(source_project, control)}",
        label_config=review_config(audited_type(data), data["class_names"]),
        instruction=INSTRUCTION,
    )


def title_of(audit: Audit, source_project: int) -> str:
    """What is reviewed: the source project's title, and the control where the project has several labellings."""
    control = control_of(audit.manifest)
    title = audit.manifest["data"].get("project_title") or f"project {source_project}"
    return title if is_single_choice(control) else f"{control.full_name}, {title}"


def create(client: LabelStudio, *, title: str, description: str, label_config: str, instruction: str) -> int:
    """A new project whose tasks are worked through in the order in which they were imported; its id."""
    with translating_errors("Making the review project"):
        made = client.projects.create(
            title=title[:TITLE_LENGTH],
            description=description,
            label_config=label_config,
            sampling="Sequential sampling",
            show_instruction=False,
            expert_instruction=instruction,
            request_options=ONCE,
        )
    assert made.id is not None  # the server's answer to a project made
    return made.id


def tasks_of(client: LabelStudio, review_project: int) -> list[ReviewTask]:
    """The review tasks that the project holds, oldest first; tasks without a review key are not ours."""
    tasks = take_snapshot(client, review_project, predictions=False) if task_count(client, review_project) else []
    return sorted(
        (
            ReviewTask(
                task["id"],
                task["data"][REVIEW_KEY],
                bool(task["annotations"] or task.get("drafts")),
                task["data"],
                task["annotations"],
            )
            for task in tasks
            if REVIEW_KEY in task["data"]
        ),
        key=lambda task: task.id,
    )


def task_count(client: LabelStudio, project: int) -> int:
    """How many tasks the server says the project has."""
    with translating_errors(f"Counting the tasks of project {project}"):
        return client.projects.get(id=project).task_number or 0


def spare_duplicates(tasks: Iterable[ReviewTask]) -> list[int]:
    """Ids of tasks that ask what another one asks already. Never one that a person has worked on."""
    by_key: dict[str, list[ReviewTask]] = defaultdict(list)
    for task in tasks:
        by_key[task.key].append(task)
    spare: list[int] = []
    for same in by_key.values():
        kept = next((task for task in same if task.touched), same[0])
        spare += [task.id for task in same if task is not kept and not task.touched]
    return spare


def delete_untouched(client: LabelStudio, review_project: int, ids: Sequence[int]) -> None:
    """Delete those of our review tasks *ids* that no person has answered.

    The server itself leaves out tasks with an annotation, skipped ones included: a reviewer may have submitted one
    since we looked.
    """
    for start in range(0, len(ids), DELETED_AT_ONCE):
        selected: Any = {"all": False, "included": list(ids[start : start + DELETED_AT_ONCE])}
        with translating_errors("Withdrawing review tasks"):
            client.actions.create(
                id="delete_tasks",
                project=review_project,
                filters=_UNANSWERED,
                selected_items=selected,
                request_options=ONCE,
            )
