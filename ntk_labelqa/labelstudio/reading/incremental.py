"""A project's annotations where most are here already: only tasks that changed are pulled, the others come from disk.

What was pulled last lies in the cache folder, a file a server and project. The server stamps a task when it, or an
annotation of it, is made, saved or deleted; the next pull asks for the tasks stamped since. Two things are not stamped:
a task that is deleted is simply gone, and predictions that are imported. And the server's clock may have been wrong, or
its database restored from a backup: then a stamp does not tell what came when. So the stamps of all tasks are compared
with those kept, and the numbers of tasks and annotations with the server's; where they differ, or where there are
predictions, all is pulled.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ntk_labelqa.cache import cache_root
from ntk_labelqa.errors import LabelStudioError
from ntk_labelqa.files import NotWrittenError, private_folder, whole_file
from ntk_labelqa.labelstudio.connect import ONCE, server_url, translating_errors
from ntk_labelqa.labelstudio.corrections.results import same_moment
from ntk_labelqa.labelstudio.plain_requests import json_of, unlike_label_studio
from ntk_labelqa.labelstudio.reading.pull import Pulled, counts, snapshot_of
from ntk_labelqa.labelstudio.reading.task_store import TaskStore

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio
    from label_studio_sdk.projects.client_ext import ProjectExt

FORMAT = 2
_LONGEST_HEAD = 1000
"""Bytes of the first line of what is kept."""
STAMPS_A_PAGE = 1000
VIEW_TITLE = "ntk-labelqa: changed since the last audit"
OVERLAP = timedelta(minutes=2)
"""Asked for once more: what had been stamped before the last snapshot, in a transaction that ended after it."""
EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
"""Before that nothing was pulled: a server that says so, or nothing, does not know the time."""
FULL_EVERY = 30
"""Pulls after which all is pulled again: bounds for how long anything that no rule here foresees could go unseen."""


@dataclass(frozen=True)
class LastPull:
    """What was pulled last.

    Attributes:
        begun: the server's time before its snapshot.
        tasks: every task of the project.
        since_full: how many pulls of changes came after the last whole one.
    """

    begun: datetime
    tasks: TaskStore
    since_full: int


def since_last(client: LabelStudio, project_id: int, project: ProjectExt, *, overlap: timedelta = OVERLAP) -> Pulled:
    """Every task of a project: those stamped since the last pull from the server, the others from the cache.

    The server filters by a view, titled as :data:`VIEW_TITLE`, which is deleted as soon as the snapshot is made.

    Args:
        client: see :func:`ntk_labelqa.labelstudio.connect.connect`.
        project_id: the project.
        project: as the server describes it now.
        overlap: how long before the last pull's snapshot to begin.

    Returns:
        the same tasks as a whole pull; the note says how many were pulled, and why if it was all of them.

    Raises:
        LabelStudioError: the server fails. A cache that cannot be read or written costs time and nothing else.
    """
    path = cache_file(server_url(client), project_id)
    last = read_last(path)
    why = _why_whole(project, last)
    if last is not None and not why:
        stamps = stamps_of(client, project_id)
        begun, changed = _changed(client, project_id, max(last.begun, EARLIEST) - overlap)
        fresh = {number: row for row, number in enumerate(changed.ids)}
        kept = (task for task in last.tasks if task["id"] not in fresh)
        tasks = TaskStore(chain(kept, changed))
        with translating_errors(f"Counting the tasks of project {project_id}"):
            after = client.projects.get(id=project_id)
        if not _as_stamped(tasks, fresh, stamps):
            why = "tasks were deleted, or changed without a later stamp"
        elif _adds_up(tasks, project, after):
            _write(path, LastPull(begun, tasks, last.since_full + 1))
            return Pulled(tasks, (f"Pulled the {len(changed)} of {len(tasks)} tasks that changed.",))
        else:
            why = "tasks or annotations were deleted since the last pull"
    predicted = bool(project.total_predictions_number)
    everything = snapshot_of(client, project_id, predictions=predicted, expected=project.task_number or 0)
    if not predicted:
        _write(path, LastPull(everything.begun, everything.tasks, 0))
    return Pulled(everything.tasks, (f"Pulled all {len(everything.tasks)} tasks: {why}.",))


def cache_file(url: str, project_id: int) -> Path:
    """Where the tasks of a project are kept."""
    return cache_root() / "pulls" / f"{hashlib.sha256(f'{url} {project_id}'.encode()).hexdigest()[:32]}.json.gz"


def read_last(path: Path) -> LastPull | None:
    """The last pull kept in *path*; None where there is none that this version can read."""
    try:
        with gzip.open(path) as lines:
            kept = json.loads(lines.readline(_LONGEST_HEAD))
            if kept["format"] != FORMAT:
                return None
            tasks = TaskStore(map(json.loads, lines))
        if len(tasks) != kept["tasks"]:
            return None
        return LastPull(datetime.fromisoformat(kept["begun"]), tasks, int(kept["since_full"]))
    except Exception:  # noqa: BLE001 - whatever a damaged file causes: all is then pulled again
        return None


def _why_whole(project: ProjectExt, last: LastPull | None) -> str:
    """Why changes alone will not do; empty if they may."""
    if project.total_predictions_number:
        return "the project has predictions, whose changes the server does not stamp"
    if last is None:
        return "none are kept from an earlier pull"
    if last.since_full >= FULL_EVERY:
        return f"as after every {FULL_EVERY} pulls of changes"
    return ""


def stamps_of(client: LabelStudio, project_id: int) -> dict[int, str]:
    """When each task of the project was last stamped, by id.

    Raises LabelStudioError where the server fails, or gives fewer than it counts.

    Cost: 1,000 tasks a second.
    """
    doing = f"Asking when the tasks of project {project_id} changed"
    asked: Any = {"project": project_id, "fields": "task_only", "include": "id,updated_at", "resolve_uri": "false"}
    asked["page_size"] = STAMPS_A_PAGE
    found: dict[int, str] = {}
    total, page = 1, 0
    while page * STAMPS_A_PAGE < total:
        page += 1
        answer = json_of(client, "api/tasks/", doing, **asked, page=page)
        if not isinstance(answer, dict) or not isinstance(answer.get("total"), int):
            raise unlike_label_studio(doing)
        total = answer["total"]
        found |= {int(task["id"]): str(task.get("updated_at")) for task in answer["tasks"]}
    if len(found) < total:
        raise LabelStudioError(
            f"The server gave {len(found)} of the {total} tasks of project {project_id}.",
            why="Some were deleted meanwhile, or it cut the list short.",
            remedy="Run it again.",
        )
    return found


def _as_stamped(tasks: TaskStore, fresh: Container[int], stamps: dict[int, str]) -> bool:
    """Whether *tasks* has all that were stamped, and those not *fresh* with the very stamps that the server has."""
    return stamps.keys() <= set(tasks.ids) and all(
        task["id"] in stamps and _is_stamped(task, stamps[task["id"]]) for task in tasks if task["id"] not in fresh
    )


def _is_stamped(task: dict[str, Any], stamp: str) -> bool:
    try:
        return same_moment(task["updated_at"], stamp)
    except (KeyError, ValueError, TypeError):
        return False


def _adds_up(tasks: TaskStore, before: ProjectExt, after: ProjectExt) -> bool:
    """Whether the server counts what we have; people may work on while we pull, hence a range."""
    got = {"tasks": len(tasks), "annotations": tasks.annotations}
    had, has = counts(before), counts(after)
    return all(min(had[what], has[what]) <= count <= max(had[what], has[what]) for what, count in got.items())


def _changed(client: LabelStudio, project_id: int, since: datetime) -> tuple[datetime, TaskStore]:
    with _view(client, project_id, since) as view:
        snapshot = snapshot_of(client, project_id, predictions=False, view=view)
    return snapshot.begun, snapshot.tasks


@contextmanager
def _view(client: LabelStudio, project_id: int, since: datetime) -> Iterator[int]:
    """A view of the tasks stamped after *since*, deleted at the end; also one that a killed run left."""
    stamped = {
        "filter": "filter:tasks:updated_at",
        "operator": "greater",
        "type": "Datetime",
        "value": since.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }
    data: Any = {
        "title": VIEW_TITLE,
        "type": "list",
        "target": "tasks",
        "filters": {"conjunction": "and", "items": [stamped]},
    }
    with translating_errors(f"Asking what changed in project {project_id}"):
        view = client.views.create(project=project_id, data=data, request_options=ONCE)
    try:
        yield int(view.id)
    finally:
        # They are ours, and of no use to anyone else. That one could not be deleted must not hide what went wrong.
        with suppress(LabelStudioError), translating_errors("Deleting the view"):
            for found in client.views.list(project=project_id):
                if found.id == view.id or (found.data or {}).get("title") == VIEW_TITLE:
                    client.views.delete(str(found.id))


def _write(path: Path, last: LastPull) -> None:
    """Keep *last*, readable by its owner alone, whole or not at all. Without it the next pull is a whole one."""
    head = {
        "format": FORMAT,
        "begun": last.begun.isoformat(),
        "since_full": last.since_full,
        "tasks": len(last.tasks),
    }
    # Older contents would be right too, as they have the time of their own snapshot.
    with suppress(OSError, NotWrittenError):
        private_folder(path.parent)
        with (
            whole_file(path, private=True) as stream,
            gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=1) as kept,
        ):
            for one in chain((head,), last.tasks):
                kept.write(json.dumps(one).encode() + b"\n")
