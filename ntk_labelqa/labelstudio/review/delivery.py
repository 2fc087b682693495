"""Tasks into a project of ours, each exactly once, however often and however rudely that is cut off.

Label Studio has no unique key on tasks, so ``data.review_key`` is ours. What the server says it took, and how many
tasks it has then, are compared with what was sent; where they differ, the keys are listed again.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ntk_labelqa import files
from ntk_labelqa.cache import cache_root
from ntk_labelqa.errors import LabelStudioError, PartialDeliveryError
from ntk_labelqa.files import append, in_words, open_locked, private_folder
from ntk_labelqa.labelstudio.connect import ONCE, server_url, translating_errors
from ntk_labelqa.labelstudio.review import project as review_project
from ntk_labelqa.labelstudio.review.project import ReviewTask
from ntk_labelqa.labelstudio.review.tasks import REVIEW_KEY
from ntk_labelqa.labelstudio.review.wanted import Wanted

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio

BATCH = 500
ATTEMPTS = 3
UNDER_WAY = b"under way"
"""What the file of a push holds until its end."""
SETTLE_SECONDS, SETTLE_MOST = 3.0, 120.0
"""After a push that was cut off: for how long the number of tasks has to stand still, and how long to wait for that."""

Tick = Callable[[int, int], None]
Say = Callable[[str], None]

Ours = Callable[[ReviewTask], bool]
"""Whether a task is what it says it is; others are neither counted nor touched."""


def deliver(
    client: LabelStudio,
    review: int,
    wanted: Sequence[dict[str, Any]],
    before: set[str],
    progress: Tick | None,
    *,
    ours: Ours,
) -> int:
    """Import what is missing until every key is there exactly once; return how many were added to those *before*.

    Args:
        client: see :func:`ntk_labelqa.labelstudio.connect.connect`.
        review: the project that takes the tasks.
        wanted: tasks as Label Studio imports them, each with its review key.
        before: review keys that are there already.
        progress: called with (tasks there, tasks wanted).
        ours: which tasks count.

    After each import the keys are listed again: another machine may have imported the same in the same moment.

    Raises PartialDeliveryError where the server keeps failing.
    """
    wanted = Wanted.of(wanted)
    names = [data[REVIEW_KEY] for data in wanted.outlines()]
    keys, there = set(names), before
    for _ in range(ATTEMPTS):
        missing = [row for row, name in enumerate(names) if name not in there]
        if not missing:
            break
        if not _imported(client, review, wanted.chosen(missing), len(wanted), progress):
            # Refused or broken off: what the server took of it shows when the keys are listed again.
            settle(client, review)
        there = {task.key for task in without_duplicates(client, review, ours, in_full=False)}
    lost = keys - there
    if lost:
        raise PartialDeliveryError(
            f"{len(lost)} of {len(wanted)} review tasks could not be delivered.",
            why="The server kept failing while it took them.",
            remedy="Push again: it adds only what is missing.",
        )
    return len(keys - before)


def _imported(client: LabelStudio, review: int, missing: Wanted, wanted: int, progress: Tick | None) -> bool:
    """Import the tasks; whether the project then has as many more as were sent."""
    count = review_project.task_count(client, review)
    try:
        _import(client, review, missing, wanted, progress)
    except LabelStudioError:
        return False
    return review_project.task_count(client, review) == count + len(missing)


def _import(client: LabelStudio, review: int, missing: Wanted, wanted: int, progress: Tick | None) -> None:
    for start in range(0, len(missing), BATCH):
        batch: Any = missing[start : start + BATCH]
        with translating_errors("Importing review tasks"):
            taken = client.projects.import_tasks(id=review, request=batch, request_options=ONCE)
        if taken.task_count != len(batch):
            raise LabelStudioError(f"The server took {taken.task_count} of {len(batch)} review tasks.")
        if progress:
            progress(wanted - len(missing) + start + len(batch), wanted)


def without_duplicates(client: LabelStudio, review: int, ours: Ours, *, in_full: bool = True) -> list[ReviewTask]:
    """The review tasks of *ours* that are there, once duplicates of a broken-off import are gone.

    Without what they hold and what was said of them, unless they are asked for *in_full*.
    """
    mine = (task for task in review_project.each_task(client, review) if ours(task))
    tasks = sorted(mine if in_full else map(ReviewTask.outline, mine), key=lambda task: task.id)
    spare = set(review_project.spare_duplicates(tasks))
    withdraw(client, review, sorted(spare))
    return [task for task in tasks if task.id not in spare]


def withdraw(client: LabelStudio, review: int, ids: Sequence[int]) -> None:
    """Delete those of our review tasks *ids* that no person has answered; raises LabelStudioError if any stays."""
    if not ids:
        return
    review_project.delete_untouched(client, review, ids)
    gone = set(ids)
    left = (task for task in review_project.each_task(client, review) if not task.annotations)
    stay = {task.id for task in left if task.id in gone}
    if stay:
        raise LabelStudioError(
            f"The server did not withdraw {len(stay)} of {len(ids)} review tasks.",
            remedy="Push again: it goes on from here.",
        )


def settle(client: LabelStudio, review: int) -> None:
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
def only_push(client: LabelStudio, source: int, say: Say = lambda _: None) -> Iterator[bool]:
    """Hold off other pushes of the same project from this machine; true if the last one did not come to its end.

    One that is under way is waited for, which *say* is told. Raises LabelStudioError where it does not end.
    """
    name = hashlib.sha256(f"{server_url(client)} {source}".encode()).hexdigest()[:16]
    path = Path(cache_root() / "push" / name)
    with in_words(path):
        private_folder(path.parent)
        try:
            lock = open_locked(
                path,
                wait=files.OTHERS_SECONDS,
                waiting=lambda: say(f"Waiting for another push of project {source} to end."),
            )
        except BlockingIOError:
            raise LabelStudioError(
                f"Another push of project {source} is under way, and has been for {files.OTHERS_SECONDS:.0f} s.",
                remedy="Wait until it is done, or end it, and push again.",
            ) from None
    with lock:
        lock.seek(0)
        interrupted = lock.read() == UNDER_WAY
        if not interrupted:  # else it says so already, which a full disk must not undo
            with in_words(path):
                lock.truncate(0)
                append(lock, UNDER_WAY)
        yield interrupted
        lock.truncate(0)
