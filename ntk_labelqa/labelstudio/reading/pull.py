"""A project's annotations, by way of a snapshot: everything at one moment, and nothing silently short."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ntk_labelqa.dataset import LabeledDataset, Provenance
from ntk_labelqa.errors import InvalidInputError, LabelStudioError
from ntk_labelqa.labelstudio.connect import ONCE, server_url, translating_errors
from ntk_labelqa.labelstudio.corrections.authors import authors, user_of
from ntk_labelqa.labelstudio.plain_requests import unlike_label_studio
from ntk_labelqa.labelstudio.reading import label_config
from ntk_labelqa.labelstudio.reading.task_files import parse_tasks
from ntk_labelqa.labelstudio.reading.task_pages import tasks_by_page
from ntk_labelqa.labelstudio.reading.task_store import TaskStore
from ntk_labelqa.labelstudio.reading.tasks import build_dataset

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio
    from label_studio_sdk.projects.client_ext import ProjectExt

SNAPSHOT_TITLE = "ntk-labelqa audit"
"""Of our snapshots; a name of its own follows for each."""
GATEWAY = (502, 503, 504)
"""What answers instead of a server that takes its time, if something stands in front of it."""
ABANDONED_AFTER = 600.0
"""Seconds after which a snapshot that is made, and that no run has fetched and deleted, was left by a killed one."""
POLL_SECONDS = 0.2
LONGEST_WAIT = 3600.0
"""Seconds. A server with a queue of its own prepares snapshots when their turn comes, or never if the queue is down."""

STALLED_AFTER, SLOWEST = 30.0, 100.0
"""Seconds, and tasks a second (a sixth of what was measured), after which a snapshot will come to nothing."""

Tick = Callable[[int, int], None]


class Pulled(NamedTuple):
    """Every task of a project, as a snapshot has it, and what is to be said of how they came here."""

    tasks: TaskStore
    notes: tuple[str, ...] = ()
    unreadable: int = 0
    """Tasks that the server could not send."""


class StalledSnapshot(LabelStudioError):
    """The server began a snapshot, and does not get on with it."""


class Snapshot(NamedTuple):
    """Tasks with their annotations at one moment, and the server's time before that moment."""

    tasks: TaskStore
    begun: datetime
    notes: tuple[str, ...] = ()


def whole_project(client: LabelStudio, project_id: int, project: ProjectExt) -> Pulled:
    """All of *project*, by one snapshot; page by page where the server does not get on with that."""
    try:
        # The server looks up predictions task by task, a tenth more work: only where there are some.
        predicted = bool(project.total_predictions_number)
        snapshot = snapshot_of(client, project_id, predictions=predicted, expected=project.task_number or 0)
    except StalledSnapshot as stalled:
        return _by_page(client, project_id, stalled)
    return Pulled(snapshot.tasks, snapshot.notes)


def _by_page(client: LabelStudio, project_id: int, stalled: StalledSnapshot) -> Pulled:
    pages = tasks_by_page(client, project_id)
    tasks, notes = _parsed((json.dumps(task).encode() + b"\n" for task in pages.tasks), f"Project {project_id}")
    said = f"{stalled.what} The tasks were read page by page instead."
    if pages.unreadable:
        said += f" {pages.unreadable} of them the server cannot send: they are left out."
    return Pulled(tasks, (said, *notes), pages.unreadable)


def pull_project(
    client: LabelStudio,
    project_id: int,
    *,
    control: str | None = None,
    take: Callable[[LabelStudio, int, ProjectExt], Pulled] = whole_project,
    journals: Iterable[Path] = (),
    progress: Tick | None = None,
) -> LabeledDataset:
    """The annotations of a project.

    The server prepares a snapshot: everything at one moment, where pages of tasks would be slower and lose some without
    a word when others are deleted meanwhile. It is a file of its own beside the project, whose title begins with
    *ntk-labelqa audit*, and deleted as soon as it is here; tasks, annotations and predictions are not touched. Making
    one needs the right to export.

    Args:
        client: see :func:`ntk_labelqa.labelstudio.connect.connect`.
        project_id: the project.
        control: name of the control to audit, where there are several.
        take: gets the tasks; :func:`ntk_labelqa.labelstudio.reading.incremental.since_last` gets the changed
            ones alone.
        journals: what they list as written counts as a correction, and so does what the key's user wrote; see
            :mod:`ntk_labelqa.labelstudio.corrections.journal`.
        progress: called with (tasks here, tasks).

    Raises:
        LabelStudioError: unknown project, a snapshot that failed or that is short of tasks.
        InvalidInputError: nothing in the project can be audited.
    """
    doing = f"Pulling project {project_id}"
    with translating_errors(doing):
        before = client.projects.get(id=project_id)
        annotators = {user.id: user.email for user in client.users.list()}
    config = before.label_config or ""
    labelled = label_config.parse(config, control)
    tasks, notes, unreadable = take(client, project_id, before)
    with translating_errors(doing):
        after = client.projects.get(id=project_id)
    _refuse_short(tasks, before, after, unreadable)
    if progress:
        progress(len(tasks), len(tasks))
    provenance = Provenance(
        source=server_url(client),
        project_id=project_id,
        project_title=before.title or "",
        server_url=server_url(client),
        label_config_sha256=hashlib.sha256(config.encode()).hexdigest(),
        notes=notes,
    )
    return build_dataset(
        tasks, labelled, provenance, annotators=annotators, authors=authors(client, project_id, journals)
    )


def _refuse_short(tasks: TaskStore, before: ProjectExt, after: ProjectExt, unreadable: int = 0) -> None:
    """Raise LabelStudioError where *tasks*, and those that are *unreadable*, lack some of what the project had before
    and still has.

    People may label and import while the snapshot is made, hence no comparison for equality.
    """
    got = {"tasks": len(tasks) + unreadable, "annotations": tasks.annotations}
    if unreadable:  # nobody knows how many annotations they have
        del got["annotations"]
    for what, count in got.items():
        had, has = counts(before)[what], counts(after)[what]
        if count < min(had, has):
            raise LabelStudioError(
                f"The snapshot of project {before.id} has {count} {what}, but the project has {has}.",
                why="Some were deleted meanwhile, or the server cut the snapshot short.",
                remedy="Run it again.",
            )


def counts(project: ProjectExt) -> dict[str, int]:
    """How many tasks and annotations, skipped ones included, the server counts in *project*.

    Raises LabelStudioError where it does not say.
    """
    if not isinstance(project.task_number, int):
        raise unlike_label_studio("Counting the tasks of the project")
    annotations = (project.total_annotations_number or 0) + (project.skipped_annotations_number or 0)
    return {"tasks": project.task_number, "annotations": annotations}


def take_snapshot(client: LabelStudio, project_id: int, *, predictions: bool = True, drafts: bool = False) -> TaskStore:
    """All tasks of the project with their annotations, at one moment; predictions and drafts in full or as bare ids.

    Raises LabelStudioError where it has fewer tasks or annotations than the server counts before and after.
    """
    doing = f"Counting the tasks of project {project_id}"
    with translating_errors(doing):
        before = client.projects.get(id=project_id)
    tasks = snapshot_of(client, project_id, predictions=predictions, drafts=drafts).tasks
    with translating_errors(doing):
        after = client.projects.get(id=project_id)
    _refuse_short(tasks, before, after)
    return tasks


def snapshot_of(
    client: LabelStudio,
    project_id: int,
    *,
    predictions: bool = True,
    drafts: bool = False,
    view: int | None = None,
    expected: int | None = None,
) -> Snapshot:
    """:func:`take_snapshot`, of the tasks in *view* alone if one is named, with the server's time.

    Raises StalledSnapshot where it is not made in the time that *expected* tasks take at most; with None it
    is waited for.
    """
    remove_leftovers(client, project_id)
    options: dict[str, Any] = {} if view is None else {"task_filter_options": {"view": view}}
    in_full = {"predictions": {"only_id": not predictions}, "drafts": {"only_id": not drafts}}
    with translating_errors(f"Taking a snapshot of project {project_id}"):
        snapshot = _begun(client, project_id, {"serialization_options": in_full, **options})
        if snapshot.id is None:
            raise LabelStudioError(f"The server made no snapshot of project {project_id}.", remedy="Try again.")
        try:
            _wait_until_made(client, project_id, snapshot.id, expected)
            content = client.projects.exports.download(project_id, snapshot.id)
            tasks, notes = _parsed(content, f"The snapshot of project {project_id}")
        finally:
            # It is ours, and of no use to anyone else. That it could not be deleted must not hide what went wrong.
            with suppress(LabelStudioError), translating_errors("Deleting the snapshot"):
                client.projects.exports.delete(project_id, snapshot.id)
    # A server that does not say when is taken to have begun at the dawn of time: all is then pulled again.
    begun = _in_utc(snapshot.created_at or datetime.min)
    if drafts and not all(isinstance(draft, Mapping) for task in tasks for draft in task.get("drafts") or ()):
        raise LabelStudioError(
            f"The snapshot of project {project_id} names its drafts, and does not hold them.",
            why="The server is of a release that this version does not know.",
            remedy="Bring Label Studio up to date.",
        )
    return Snapshot(tasks, begun, notes)


def _begun(client: LabelStudio, project_id: int, options: Mapping[str, Any]) -> Any:
    """A new snapshot, made or being made.

    Without a queue of its own Label Studio answers once all is made. It goes on when nobody waits for that any more,
    be it we or what stands in front of it; then the snapshot is found by its title.
    """
    import httpx
    from label_studio_sdk.core.api_error import ApiError

    title = f"{SNAPSHOT_TITLE} {secrets.token_hex(4)}"
    try:
        return client.projects.exports.create(project_id, title=title, request_options=ONCE, **options)
    except (httpx.TimeoutException, ApiError) as error:
        if isinstance(error, ApiError) and error.status_code not in GATEWAY:
            raise
        found = next((one for one in client.projects.exports.list(project_id) if one.title == title), None)
        if found is None:
            raise
        return found


def _is_our_title(title: str | None) -> bool:
    return re.fullmatch(rf"{SNAPSHOT_TITLE}( [0-9a-f]{{8}})?", title or "") is not None


def _parsed(chunks: Iterable[bytes], name: str) -> tuple[TaskStore, tuple[str, ...]]:
    """:func:`parse_tasks` of what a server sent; raises LabelStudioError, as there is no file to be put right."""
    from ntk_labelqa.labelstudio.shapes import what_is_odd

    try:
        tasks, notes = parse_tasks(chunks, name)
        if odd := what_is_odd(tasks):
            raise InvalidInputError(f"{name} has what cannot be in it: {odd}.")
    except InvalidInputError as error:
        raise LabelStudioError(
            error.what,
            why="The server sent something else than a snapshot, or not all of it.",
            remedy="Run it again; if it stays so, look into the server's log.",
        ) from error
    return tasks, notes


def remove_leftovers(client: LabelStudio, project_id: int) -> None:
    """Delete the project's snapshots that killed runs of ours left: with our title, by the key's user, and too old for
    a run that is still at work. Ages go by the server's own clock. What cannot be deleted is left to the next run.
    """
    with suppress(LabelStudioError), translating_errors("Looking for snapshots of killed runs"):
        ours = [one for one in client.projects.exports.list(project_id) if _is_our_title(one.title)]
        if not ours:
            return
        user, now = user_of(client), _server_time(client)
        for one in ours:
            by = one.created_by.id if one.created_by else None
            # Once it is made, a run fetches it at once; until then it may wait for its turn.
            waits = ABANDONED_AFTER if one.status in ("completed", "failed") else LONGEST_WAIT
            begun = one.finished_at or one.created_at
            if now and begun and by == user and one.id is not None and (now - _in_utc(begun)).total_seconds() > waits:
                client.projects.exports.delete(project_id, one.id, request_options=ONCE)


def _server_time(client: LabelStudio) -> datetime | None:
    """What time the server says it is; None where it does not."""
    answer = client._client_wrapper.httpx_client.request("api/current-user/whoami", method="GET", request_options=ONCE)
    try:
        return _in_utc(parsedate_to_datetime(answer.headers.get("Date", "")))
    except (ValueError, TypeError):
        return None


def _in_utc(at: datetime) -> datetime:
    """*at*, taken to be in UTC where it does not say."""
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _wait_until_made(client: LabelStudio, project_id: int, snapshot_id: int, tasks: int | None) -> None:
    begun = time.monotonic()
    deadline = begun + LONGEST_WAIT
    while (status := client.projects.exports.get(project_id, snapshot_id).status) != "completed":
        in_vain = tasks is not None and time.monotonic() > begun + STALLED_AFTER + tasks / SLOWEST
        if status == "in_progress" and in_vain:
            raise StalledSnapshot(
                f"The server's snapshot of project {project_id} made no progress in {time.monotonic() - begun:.0f} s.",
                why="Half a character in a task, among others, makes it break off without a word.",
                remedy="Audit the project without --since: its tasks are then read page by page.",
            )
        if status == "failed" or time.monotonic() > deadline:
            raise LabelStudioError(
                f"The server made no snapshot of project {project_id}: its status is {status!r}.",
                why="The server may be out of disk space, or its queue of background work may be stuck.",
                remedy="Look into the server's log, or export the project to a file and audit that.",
            )
        time.sleep(POLL_SECONDS)
