"""The tutorial on a gate every night, on a real Label Studio with the demonstration's project."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ntk_labelqa.cache import VARIABLE as CACHE_VARIABLE
from ntk_labelqa.demo.run import run_demo
from ntk_labelqa.demo.seed import CONFIG
from ntk_labelqa.labelstudio.reading.pull import take_snapshot
from ntk_labelqa.progress import Stages
from tests.docs import transcript
from tests.live.topics import answer

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.timeout(1200)]
PAGE = transcript.ROOT / "docs" / "tutorials" / "nightly-gate.md"
MISLABELLED = 90


@pytest.fixture(scope="module")
def projects(client: LabelStudio, server, tmp_path_factory) -> Iterator[tuple[int, int]]:
    """The ids of the source and of the review project that the demonstration leaves.

    As on the page, it runs on the reader's machine: what it fetched is in the reader's cache.
    """
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(folder / "cache"))
        done = run_demo(server, folder / "audit", stages=Stages(quiet=True))
        review = int(done.review_url.split("/projects/")[1].split("/")[0])
        yield review - 1, review


def test_three_nights(client: LabelStudio, server, projects: tuple[int, int], tmp_path: Path) -> None:
    source, review = projects
    assert client.projects.get(source).label_config == CONFIG
    by_hand: dict[str, Callable[[], None]] = {
        "accept-all-suggestions": lambda: accept_all(client, review),
        "mislabel": lambda: mislabel(client, source),
    }
    replaced = {
        "http://127.0.0.1:8080": server.url,
        "YOUR-KEY": server.token,
        "--project 1 ": f"--project {source} ",
    }
    folder = tmp_path / "reader"
    folder.mkdir()
    transcript.run(PAGE, folder, replaced=replaced, by_hand=by_hand)


def accept_all(client: LabelStudio, review: int) -> None:
    """What a reviewer does who presses A at every finding."""
    for task in take_snapshot(client, review):
        client.annotations.create(id=task["id"], result=answer("accept"))


def mislabel(client: LabelStudio, source: int) -> None:
    """What an annotator does who gives digits all over the project the name of the next one."""
    tasks = [task for task in take_snapshot(client, source) if len(task["annotations"]) == 1]
    tasks.sort(key=lambda task: task["id"])  # a server may give them in any order
    for task in tasks[:: len(tasks) // MISLABELLED][:MISLABELLED]:
        result = task["annotations"][0]["result"]
        digit = int(result[0]["value"]["choices"][0])
        result[0]["value"]["choices"] = [str((digit + 1) % 10)]
        client.annotations.update(id=task["annotations"][0]["id"], result=result)
