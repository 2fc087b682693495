"""The review project of a source project: found again by our mark, its tasks distinguished by their review keys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.dataset import Control
from ntk_labelqa.errors import LabelStudioError
from ntk_labelqa.label_types.registry import audited_type
from ntk_labelqa.labelstudio.connect import ONCE, translating_errors
from ntk_labelqa.labelstudio.corrections.authors import user_of
from ntk_labelqa.labelstudio.plain_requests import json_of, unlike_label_studio
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
MOST_PROJECTS = 1_000_000
"""That a server may say it has: a list without end would be read without end."""
PROJECTS_A_PAGE = 100
DELETED_AT_ONCE = 2000
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
        data: what :func:`~ntk_labelqa.labelstudio.review.tasks.review_tasks` wrote into it, but for the words and pages
            that are there to be looked at: they are most of it.
        annotations: what reviewers said of it, as Label Studio has it.
    """

    id: int
    key: str
    touched: bool
    data: Mapping[str, Any] = field(default_factory=dict)
    annotations: Sequence[Mapping[str, Any]] = ()

    def outline(self) -> ReviewTask:
        """The same without what it holds, and without what was said of it."""
        return ReviewTask(self.id, self.key, self.touched)


def mark(source_project: int, control: Control | None = None) -> str:
    """What the description of the review project of *source_project* holds, and no other's.

    Single choices of a project share one. Other labellings have one each, for each has classes and items of its own.
    """
    labelling = "" if control is None or is_single_choice(control) else f":{control.full_name}"
    return f"[ntk-labelqa:review-of-project-{source_project}{labelling}]"


@dataclass(frozen=True)
class Marked:
    """The projects whose description holds a mark of ours, which anybody can write into one.

    Attributes:
        ours: ids of those that the key's user made, or that a journal says we pushed to; oldest first.
        made: those of them that the key's user made.
        others: ids of the rest: nothing is written to them or read from them.
    """

    ours: tuple[int, ...] = ()
    made: tuple[int, ...] = ()
    others: tuple[int, ...] = ()

    def notes(self, what: str) -> tuple[str, ...]:
        """What is to be said of them; *what* they are, such as *review project*."""
        found = []
        if len(self.ours) > 1:
            found.append(
                f"There are {len(self.ours)} {what}s: {in_a_row(self.ours)}. The oldest is used. Answers in the others "
                "are not read: give them in that one as well, then delete the others."
            )
        if self.others:
            found.append(
                f"Left alone: project {in_a_row(self.others)} bears the mark of the {what}, but was not made with this "
                "key, and no journal beside the audit names it."
            )
        return tuple(found)


def in_a_row(numbers: Sequence[int]) -> str:
    """Numbers in words."""
    return ", ".join(map(str, numbers))


def find(
    client: LabelStudio, source_project: int, control: Control | None = None, known: Collection[int] = ()
) -> int | None:
    """The id of our review project of a labelling, the oldest, should there be several; None if there is none."""
    return next(iter(marked(client, mark(source_project, control), known).ours), None)


def marked(client: LabelStudio, own_mark: str, known: Collection[int] = ()) -> Marked:
    """The projects whose description holds *own_mark*.

    Args:
        client: see :func:`ntk_labelqa.labelstudio.connect.connect`.
        own_mark: see :func:`mark`.
        known: ids of projects that count as ours whoever made them: a journal of ours names them.
    """
    user = user_of(client)
    bearing = sorted((one for one in _all_projects(client) if own_mark in (one.get("description") or "")), key=_id)
    made = tuple(_id(one) for one in bearing if (one.get("created_by") or {}).get("id") == user)
    ours = tuple(number for number in map(_id, bearing) if number in made or number in known)
    return Marked(ours, made, tuple(number for number in map(_id, bearing) if number not in ours))


def check_author(client: LabelStudio, project: int, own_mark: str, known: Collection[int] = ()) -> None:
    """Raise LabelStudioError unless *project* is still there, bears *own_mark*, and is ours."""
    if project not in marked(client, own_mark, known).ours:
        raise LabelStudioError(
            f"Project {project} is not the review project any more.",
            why="Its mark was taken away, or it was deleted, a moment ago.",
            remedy="Look at the project in Label Studio, then run the same command again.",
        )


def _id(project: Mapping[str, Any]) -> int:
    return int(project["id"])


def _all_projects(client: LabelStudio) -> list[dict[str, Any]]:
    """Every project that the key may see; raises LabelStudioError where the server gives fewer than it counts.

    The SDK's own pages end without a word at a 404, and one that is not seen would be made a second time.
    """
    found: dict[int, dict[str, Any]] = {}
    doing, count, page = "Looking for the review project", 1, 0
    while len(found) < count:
        page += 1
        answer = json_of(client, "api/projects/", doing, page=page, page_size=PROJECTS_A_PAGE)
        listed, counted = (answer.get("results"), answer.get("count")) if isinstance(answer, dict) else (None, None)
        if not isinstance(listed, list) or not isinstance(counted, int):
            raise unlike_label_studio(doing)
        count, before = counted, len(found)
        if count > MOST_PROJECTS:
            raise unlike_label_studio(doing)
        found |= {_id(one): one for one in listed}
        if len(found) == before and len(found) < count:
            raise LabelStudioError(
                f"The server lists {len(found)} of its {count} projects.",
                why="Some were deleted meanwhile, or it cut the list short.",
                remedy="Run the same command again.",
            )
    return list(found.values())


def find_or_create(client: LabelStudio, audit: Audit, source_project: int, known: Collection[int] = ()) -> Found:
    """Our review project, and where there is none a new one."""
    control = control_of(audit.manifest)
    data = audit.manifest["data"]
    return ensure(
        client,
        mark(source_project, control),
        known,
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


class Found(NamedTuple):
    """A project of ours, and what is to be said of others that bear its mark."""

    id: int
    notes: tuple[str, ...] = ()


def ensure(
    client: LabelStudio, own_mark: str, known: Collection[int], what: str = "review project", **new: Any
) -> Found:
    """The oldest of our projects that bear *own_mark*; where there is none, one with the fields *new*.

    Another machine may make one in the same moment, so it is looked again after making one. Younger ones that hold
    nothing of anybody, and that the key's user made, are taken away; of others the notes tell.
    """
    found = marked(client, own_mark, known)
    if not found.ours:
        create(client, **new)
        found = marked(client, own_mark, known)
    if not found.ours:
        raise LabelStudioError(f"The server does not list the {what} that it has just made.", remedy="Push again.")

    def is_gone(number: int) -> bool:
        try:
            return retired(client, number)
        except LabelStudioError:
            if number in marked(client, own_mark, known).ours:
                raise
            return True  # another machine has taken it away in the same moment

    gone = {number for number in found.ours[1:] if number in found.made and is_gone(number)}
    left = replace(found, ours=tuple(number for number in found.ours if number not in gone))
    told = (f"Took away project {in_a_row(sorted(gone))}: a second {what} that held no answer.",) if gone else ()
    return Found(left.ours[0], (*told, *left.notes(what)))


def retired(client: LabelStudio, project: int) -> bool:
    """Delete *project* if it holds nothing but review tasks that nobody has worked on; whether that was so."""
    count = task_count(client, project)
    if count:
        tasks = take_snapshot(client, project, drafts=True)
        if not all(_is_idle(task) for task in tasks):
            return False
        delete_untouched(client, project, [int(task["id"]) for task in tasks])
        if task_count(client, project):  # somebody has just answered one
            return False
    with translating_errors(f"Deleting the empty project {project}"):
        client.projects.delete(id=project, request_options=ONCE)
    return True


def _is_idle(task: Mapping[str, Any]) -> bool:
    return is_review_task(task) and not any(task.get(what) for what in ("annotations", "drafts", "predictions"))


def is_review_task(task: Mapping[str, Any]) -> bool:
    """Whether it has a review key; that anybody can write, too."""
    data = task.get("data")
    return isinstance(data, Mapping) and isinstance(data.get(REVIEW_KEY), str)


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
    if not isinstance(made.id, int):
        raise unlike_label_studio("Making the review project")
    return made.id


def tasks_of(client: LabelStudio, review_project: int) -> list[ReviewTask]:
    """The review tasks that the project holds, oldest first; tasks without a review key are not ours."""
    return sorted(each_task(client, review_project), key=lambda task: task.id)


def each_task(client: LabelStudio, review_project: int) -> Iterator[ReviewTask]:
    """The same one by one, in whatever order; they are all of one moment."""
    tasks = take_snapshot(client, review_project, predictions=False) if task_count(client, review_project) else []
    for task in tasks:
        if is_review_task(task):
            yield ReviewTask(
                task["id"],
                task["data"][REVIEW_KEY],
                bool(task["annotations"] or task.get("drafts")),
                {name: value for name, value in task["data"].items() if not _is_for_the_eye(name)},
                task["annotations"],
            )


def _is_for_the_eye(name: str) -> bool:
    return name in ("question", "evidence") or name.endswith("_html")


def task_count(client: LabelStudio, project: int) -> int:
    """How many tasks the server says the project has; raises LabelStudioError where it does not say."""
    doing = f"Counting the tasks of project {project}"
    with translating_errors(doing):
        count = client.projects.get(id=project).task_number
    if not isinstance(count, int):
        raise unlike_label_studio(doing)
    return count


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
