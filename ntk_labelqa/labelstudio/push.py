"""Findings to review tasks: each exactly once, however often and however rudely a push is cut off.

Label Studio has no unique key on tasks, so ``data.review_key`` is ours. A push lists the tasks that are there, removes
unanswered ones that no longer hold (:mod:`ntk_labelqa.labelstudio.review_queue`), and imports what is missing. What the
server says it took, and how many tasks it has then, are compared with what was sent; where they differ, the keys are
listed again.
"""

from __future__ import annotations

import fcntl
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.cache import cache_root
from ntk_labelqa.dataset import Control
from ntk_labelqa.errors import LabelStudioError, PartialDeliveryError
from ntk_labelqa.labelstudio import review_project
from ntk_labelqa.labelstudio.connect import ONCE, server_url, translating_errors
from ntk_labelqa.labelstudio.label_values import Said, control_of, labels_given
from ntk_labelqa.labelstudio.pull import take_snapshot
from ntk_labelqa.labelstudio.review_project import ReviewTask
from ntk_labelqa.labelstudio.review_queue import plan_queue
from ntk_labelqa.labelstudio.review_tasks import REVIEW_KEY, review_tasks

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio

BATCH = 500
ATTEMPTS = 3
SETTLE_SECONDS, SETTLE_MOST = 3.0, 120.0
"""After a push that was cut off: for how long the number of tasks has to stand still, and how long to wait for that."""

Tick = Callable[[int, int], None]


@dataclass(frozen=True)
class PushResult:
    """What a push did.

    Attributes:
        project_id: the review project.
        url: its address, opened where labelling begins.
        created: review tasks added.
        already_there: findings that had their task before.
        outdated: findings left out because their annotation is gone or has another label by now.
        withdrawn: review tasks removed, unanswered, because their finding no longer holds.
        renewed: unanswered review tasks made anew, because their evidence or their place in the queue has changed.
        raised_again: findings raised another time, because their evidence changed after reviewers had kept the label.
        behind: unanswered review tasks that now stand before more probable ones, too many to be made anew.
    """

    project_id: int
    url: str
    created: int
    already_there: int
    outdated: int
    withdrawn: int = 0
    renewed: int = 0
    raised_again: int = 0
    behind: int = 0


def push_findings(
    client: LabelStudio,
    audit: Audit,
    *,
    project_id: int | None = None,
    predictions: bool = False,
    progress: Tick | None = None,
) -> PushResult:
    """Make or bring up to date the review project of an audit. Run again, it changes nothing.

    What people have answered stays as it is; see :mod:`ntk_labelqa.labelstudio.review_queue` for the rest.

    Args:
        client: see :func:`ntk_labelqa.labelstudio.connect.connect`.
        audit: whose flagged annotations become tasks, worst first.
        project_id: the source project, where the audit is of an export file.
        predictions: also write predictions onto the source tasks.
        progress: called with (tasks there, tasks wanted).

    Raises:
        InvalidInputError: the audit names no source project.
        LabelStudioError: the server refuses, or another push is under way.
        PartialDeliveryError: some findings could not be delivered.
    """
    source = project_id if project_id is not None else audit.manifest["data"]["project_id"]
    wanted = review_tasks(audit, project_id=source)
    current = labels_in(take_snapshot(client, source, predictions=False), control_of(audit.manifest))
    standing = [task for task in wanted if current.get(_where(task["data"])) == task["data"]["given_label"]]
    with _only_push(client, source) as interrupted:
        review = review_project.find_or_create(client, audit, source)
        if interrupted:
            _settle(client, review)
        there = _without_duplicates(client, review)
        queue = plan_queue(
            there,
            standing,
            audited_at=audit.manifest["created_at"],
            control=control_of(audit.manifest).full_name,
        )
        review_project.delete_untouched(client, review, queue.removed)
        left = {task.key for task in there if task.id not in set(queue.removed)}
        created = _deliver(client, review, queue.wanted, left, progress) - queue.renewed
    if predictions:
        from ntk_labelqa.labelstudio.predictions import push_predictions

        push_predictions(client, audit, source)
    return PushResult(
        review,
        f"{server_url(client)}/projects/{review}/data?labeling=1",
        created,
        len(standing) - created,
        len(wanted) - len(standing),
        queue.withdrawn,
        queue.renewed,
        queue.raised_again,
        queue.behind,
    )


def labels_in(tasks: list[dict[str, Any]], control: Control) -> dict[tuple[int, str], str]:
    """What each annotation says with *control*, by annotation id and region id (empty for whole items)."""
    return {
        (int(annotation["id"]), said.region_id): said.label
        for task in tasks
        for annotation in task["annotations"]
        for said in labels_given(annotation, control, task["data"])
        if isinstance(said, Said)
    }


def _where(data: dict[str, Any]) -> tuple[int, str]:
    return data["source_annotation"], data.get("source_region", "")


def _deliver(
    client: LabelStudio, review: int, wanted: list[dict[str, Any]], before: set[str], progress: Tick | None
) -> int:
    """Import what is missing until every key is there exactly once; return how many were added to those *before*."""
    keys = {task["data"][REVIEW_KEY] for task in wanted}
    there = before
    for _ in range(ATTEMPTS):
        missing = [task for task in wanted if task["data"][REVIEW_KEY] not in there]
        if not missing or _imported(client, review, missing, len(wanted), progress):
            return len(keys - before)
        # Refused or broken off: what the server took of it shows when the keys are listed again.
        _settle(client, review)
        there = {task.key for task in _without_duplicates(client, review)}
    lost = keys - there
    if lost:
        raise PartialDeliveryError(
            f"{len(lost)} of {len(wanted)} review tasks could not be delivered.",
            why="The server kept failing while it took them.",
            remedy="Push again: it adds only what is missing.",
        )
    return len(keys - before)


def _imported(
    client: LabelStudio, review: int, missing: list[dict[str, Any]], wanted: int, progress: Tick | None
) -> bool:
    """Import the tasks; whether the project then has as many more as were sent."""
    count = review_project.task_count(client, review)
    try:
        _import(client, review, missing, wanted, progress)
    except LabelStudioError:
        return False
    return review_project.task_count(client, review) == count + len(missing)


def _import(
    client: LabelStudio, review: int, missing: list[dict[str, Any]], wanted: int, progress: Tick | None
) -> None:
    for start in range(0, len(missing), BATCH):
        batch: Any = missing[start : start + BATCH]
        with translating_errors("Importing review tasks"):
            taken = client.projects.import_tasks(id=review, request=batch, request_options=ONCE)
        if taken.task_count != len(batch):
            raise LabelStudioError(f"The server took {taken.task_count} of {len(batch)} review tasks.")
        if progress:
            progress(wanted - len(missing) + start + len(batch), wanted)


def _without_duplicates(client: LabelStudio, review: int) -> list[ReviewTask]:
    """The review tasks that are there, once duplicates of a broken-off import are gone."""
    tasks = review_project.tasks_of(client, review)
    spare = set(review_project.spare_duplicates(tasks))
    review_project.delete_untouched(client, review, sorted(spare))
    return [task for task in tasks if task.id not in spare]


def _settle(client: LabelStudio, review: int) -> None:
    """Wait until the server has done with imports whose sender is gone."""
    deadline = time.monotonic() + SETTLE_MOST
    count, since = -1, time.monotonic()
    while time.monotonic() < deadline:
        now = review_project.task_count(client, review)
        if now != count:
            count, since = now, time.monotonic()
        elif time.monotonic() - since >= SETTLE_SECONDS:
            return
        time.sleep(0.3)


@contextmanager
def _only_push(client: LabelStudio, source: int) -> Iterator[bool]:
    """Hold off other pushes of the same project from this machine; true if the last one did not come to its end."""
    name = hashlib.sha256(f"{server_url(client)} {source}".encode()).hexdigest()[:16]
    path = Path(cache_root() / "push" / name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LabelStudioError(
                f"Another push of project {source} is under way.", remedy="Wait until it is done, and push again."
            ) from None
        lock.seek(0)
        interrupted = lock.read() == "under way"
        _write(lock, "under way")
        yield interrupted
        _write(lock, "")


def _write(file: Any, text: str) -> None:
    file.truncate(0)
    file.write(text)
    file.flush()
