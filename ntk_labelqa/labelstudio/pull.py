"""A project's annotations, by way of a snapshot: everything at one moment, and nothing silently short."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ntk_labelqa.dataset import LabeledDataset, Provenance
from ntk_labelqa.errors import LabelStudioError
from ntk_labelqa.labelstudio import label_config
from ntk_labelqa.labelstudio.connect import ONCE, server_url, translating_errors
from ntk_labelqa.labelstudio.export_file import parse_tasks
from ntk_labelqa.labelstudio.tasks import build_dataset

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio

SNAPSHOT_TITLE = "ntk-labelqa audit"
POLL_SECONDS = 0.2

Tick = Callable[[int, int], None]


def pull_project(
    client: LabelStudio, project_id: int, *, control: str | None = None, progress: Tick | None = None
) -> LabeledDataset:
    """The annotations of a project.

    The server prepares a snapshot, which is deleted there once it is here: tasks, annotations and predictions are not
    touched. Pages of tasks would be slower, and lose tasks without a word when others are deleted meanwhile.

    Args:
        client: see :func:`ntk_labelqa.labelstudio.connect.connect`.
        project_id: the project.
        control: name of the control to audit, where there are several.
        progress: called with (tasks here, tasks).

    Raises:
        LabelStudioError: unknown project, a snapshot that failed or that is short of tasks.
        InvalidInputError: nothing in the project can be audited.
    """
    doing = f"Pulling project {project_id}"
    with translating_errors(doing):
        project = client.projects.get(id=project_id)
        annotators = {user.id: user.email for user in client.users.list()}
    config = project.label_config or ""
    labelled = label_config.parse(config, control)
    tasks = take_snapshot(client, project_id)
    with translating_errors(doing):
        expected = client.projects.get(id=project_id).task_number or 0
    # Tasks may be imported while the snapshot is made, hence not ≠; fewer than before and after means it is short.
    if len(tasks) < min(expected, project.task_number or 0):
        raise LabelStudioError(
            f"The snapshot of project {project_id} has {len(tasks)} tasks, but the project has {expected}.",
            why="Tasks were deleted meanwhile, or the server cut the snapshot short.",
            remedy="Run it again.",
        )
    if progress:
        progress(len(tasks), len(tasks))
    provenance = Provenance(
        source=server_url(client),
        project_id=project_id,
        project_title=project.title or "",
        server_url=server_url(client),
        label_config_sha256=hashlib.sha256(config.encode()).hexdigest(),
    )
    return build_dataset(tasks, labelled, provenance, annotators=annotators)


def take_snapshot(client: LabelStudio, project_id: int) -> list[dict[str, Any]]:
    """All tasks of the project with their annotations and predictions, at one moment."""
    with translating_errors(f"Taking a snapshot of project {project_id}"):
        snapshot = client.projects.exports.create(
            project_id,
            title=SNAPSHOT_TITLE,
            serialization_options={"predictions": {"only_id": False}},  # type: ignore[arg-type]  # dicts are accepted
            request_options=ONCE,  # type: ignore[arg-type]
        )
        if snapshot.id is None:
            raise LabelStudioError(f"The server made no snapshot of project {project_id}.", remedy="Try again.")
        try:
            _wait_until_made(client, project_id, snapshot.id)
            content = b"".join(client.projects.exports.download(project_id, snapshot.id))
        finally:
            # It is ours, and of no use to anyone else. That it could not be deleted must not hide what went wrong.
            with suppress(LabelStudioError), translating_errors("Deleting the snapshot"):
                client.projects.exports.delete(project_id, snapshot.id)
    return parse_tasks(content, f"The snapshot of project {project_id}")


def _wait_until_made(client: LabelStudio, project_id: int, snapshot_id: int) -> None:
    while (status := client.projects.exports.get(project_id, snapshot_id).status) != "completed":
        if status == "failed":
            raise LabelStudioError(
                f"The server failed to make a snapshot of project {project_id}.",
                why="It may be out of disk space.",
                remedy="Look into the server's log, or export the project to a file and audit that.",
            )
        time.sleep(POLL_SECONDS)
