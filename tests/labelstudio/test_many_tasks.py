"""What is held of a project while it is pushed and corrected does not grow with what its tasks hold."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ntk_labelqa.dataset import Control
from ntk_labelqa.labelstudio.corrections.clean_export import clean_export, write_export
from ntk_labelqa.labelstudio.corrections.plan import plan_corrections
from ntk_labelqa.labelstudio.reading.task_store import TaskStore
from ntk_labelqa.labelstudio.review.push import still_standing
from tests.labelstudio.reviews import OURS, PROJECT, SAVED, answer, review_task, said, table_of
from tests.labelstudio.samples import CONFIG, annotation, choice, task

MIB = 2**20
CONTROL = Control("topic", "text", "Choices", "text")
COUNT = 4_000


@pytest.fixture(scope="module")
def tasks() -> TaskStore:
    """4,000 tasks with 10,000 characters each: 40 MB."""
    labelled = ((number, annotation(number + 100, choice("sport"), updated_at=SAVED)) for number in range(1, COUNT + 1))
    words = "x" * 10_000
    return TaskStore(task(number, one, data={"text": f"{number} {words}"}, project=PROJECT) for number, one in labelled)


@pytest.fixture
def peak() -> Iterator[Callable[[], int]]:
    """Bytes that were held at most since the test began."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


def test_a_plan_holds_the_tasks_that_are_corrected(tasks: TaskStore, peak: Callable[[], int]) -> None:
    table = table_of([review_task(103, said(1, 4, answer("accept")))])
    plan = plan_corrections(table, tasks, CONFIG, project=PROJECT, control=CONTROL, journal={}, authors=OURS)
    assert [ready.correction.annotation for ready in plan.ready] == [103]
    clean = clean_export(tasks, plan)
    assert len(clean.tasks) == COUNT
    assert peak() < 16 * MIB


def test_what_still_stands_is_looked_up_without_the_tasks(tasks: TaskStore, peak: Callable[[], int]) -> None:
    asked = [
        {"data": {"source_annotation": number, "source_region": "", "given_label": label, "kind": "label"}}
        for number, label in ((101, "sport"), (102, "cars"), (9_999, "sport"))
    ]
    assert list(still_standing(asked, tasks, CONTROL)) == asked[:1]
    assert peak() < 8 * MIB


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("name", ["clean.json", "clean.json.gz"])
def test_an_export_is_a_list_as_json_writes_it(tmp_path: Path, count: int, name: str) -> None:
    written: list[dict[str, Any]] = [task(number, annotation(number, choice("é\n"))) for number in range(count)]
    write_export(iter(written), tmp_path / name)
    content = (tmp_path / name).read_bytes()
    content = gzip.decompress(content) if name.endswith(".gz") else content
    assert content.decode() == json.dumps(written, ensure_ascii=False, indent=1)
