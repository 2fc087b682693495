"""A project's tasks page by page, for where the server makes no snapshot: slower, and checked to be complete.

A server may be unable to send a single task, for half a character in its text for example; then the pages get smaller
until it stands alone, and is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from ntk_labelqa.errors import LabelStudioError
from ntk_labelqa.labelstudio.connect import ONCE, translating_errors
from ntk_labelqa.labelstudio.reading.task_store import TaskStore

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio

SIZES = (100, 10, 1)
"""Tasks a page, each a divisor of the one before."""
MOST_UNREADABLE = 0.05
"""Share of the tasks that the server may be unable to send."""
NOT_FOUND, FAILED = 404, 500


class Pages(NamedTuple):
    """Tasks with their annotations, and how many the server could not send."""

    tasks: TaskStore
    unreadable: int


def tasks_by_page(client: LabelStudio, project_id: int) -> Pages:
    """All tasks of a project, predictions included.

    Raises LabelStudioError where they do not add up to what the server counts, or too many cannot be sent.

    Cost: about 200 tasks a second, and up to 28 requests for each task that the server cannot send.
    """
    tasks, seen = TaskStore(), set()
    total, unreadable, start = 1, 0, 0
    while start < total:
        got = len(tasks) + unreadable
        for page in _pages(client, project_id, start, SIZES):
            if page is None:
                unreadable += 1
                continue
            for task in page["tasks"]:
                if int(task["id"]) not in seen:
                    seen.add(int(task["id"]))
                    tasks.append(task)
            total = int(page["total"])
        start += SIZES[0]
        if len(tasks) + unreadable == got:  # whatever the server counts, it has no more
            break
        if unreadable > max(1.0, MOST_UNREADABLE * total):
            raise LabelStudioError(
                f"The server cannot send {unreadable} of the first {start} tasks of project {project_id}.",
                remedy="Look into the server's log.",
            )
    if len(tasks) + unreadable != total:
        raise LabelStudioError(
            f"The pages of project {project_id} have {len(tasks)} tasks, but the server counts {total}.",
            why="Tasks were imported or deleted meanwhile.",
            remedy="Run it again.",
        )
    return Pages(tasks, unreadable)


def _pages(client: LabelStudio, project_id: int, start: int, sizes: tuple[int, ...]) -> Iterator[dict[str, Any] | None]:
    """What lies from *start* to one page on, in one piece or, where the server fails, in smaller ones."""
    from label_studio_sdk.core.api_error import ApiError

    size = sizes[0]
    asked = {"project": project_id, "page": start // size + 1, "page_size": size, "fields": "all"}
    with translating_errors(f"Reading the tasks of project {project_id}"):
        http = client._client_wrapper.httpx_client
        answer = http.request("api/tasks/", method="GET", params=asked, request_options=ONCE)
        if answer.status_code == NOT_FOUND:  # beyond the last page
            return
        if 400 <= answer.status_code < FAILED:
            raise ApiError(status_code=answer.status_code, body=answer.text)
    if answer.status_code < FAILED:
        yield answer.json()
    elif len(sizes) == 1:
        yield None
    else:
        for further in range(start, start + size, sizes[1]):
            yield from _pages(client, project_id, further, sizes[1:])
