"""Tasks lie on disk while they are read: memory does not grow with their number."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ntk_labelqa.errors import LabelQAError
from ntk_labelqa.labelstudio.reading.json_values import JSONValues
from ntk_labelqa.labelstudio.reading.task_files import parse_tasks
from ntk_labelqa.labelstudio.reading.task_store import TaskStore
from tests.labelstudio.samples import annotation, choice, task

MIB = 2**20
TASKS = [task(number, annotation(10 + number, choice("cars")), data={"text": "é" * 2000}) for number in range(1, 9_001)]
MEASURED = """
import sys
from pathlib import Path
from ntk_labelqa.labelstudio.reading.export_file import read_export
from ntk_labelqa.labelstudio.reading.task_files import parse_tasks
from ntk_labelqa.unpacking import chunks_of
from tests.peak_memory import peak_memory
small, large, config = map(Path, sys.argv[1:])
read_export(small, label_config=config)
before = peak_memory()
with large.open("rb") as file:
    tasks, _ = parse_tasks(chunks_of(file), "it")
    assert len(tasks) == 60_000 and sum(1 for _ in tasks) == 60_000
parsed = peak_memory()
read_export(large, label_config=config)
print(parsed - before, peak_memory() - before)
"""


def test_what_comes_back_is_what_was_put_in_wherever_it_lies() -> None:
    tasks = TaskStore(TASKS)
    assert tasks._file._rolled, "else this test says nothing of files"
    assert list(tasks) == TASKS
    assert (tasks[0], tasks[-1], tasks[5:7]) == (TASKS[0], TASKS[-1], TASKS[5:7])
    assert (tasks.ids, tasks.annotations) == (list(range(1, 9_001)), 9_000)
    tasks.replace(3, {**TASKS[3], "annotations": []})
    tasks.append(TASKS[0])
    assert (tasks[3]["annotations"], tasks[4], tasks[-1]) == ([], TASKS[4], TASKS[0])
    assert (tasks.annotations, len(tasks)) == (9_000, 9_001)
    with pytest.raises(IndexError):
        tasks[9_001]


def test_two_who_read_at_once_do_not_disturb_each_other() -> None:
    tasks = TaskStore(TASKS)
    assert all(one == other for one, other in zip(tasks, tasks, strict=True))


def test_what_is_nested_deeper_than_the_file_takes_comes_back_too() -> None:
    deep: list = []
    for _ in range(5_000):
        deep = [deep]
    tasks = TaskStore([{"id": 1, "data": {"text": deep}, "annotations": []}, TASKS[0]])
    assert tasks[0]["data"]["text"] is deep
    assert tasks[1] == TASKS[0]


def test_half_a_character_and_numbers_of_any_size_come_back() -> None:
    odd = {"id": 1, "data": {"text": "\ud83d", "n": 2**200, "x": float("inf")}, "annotations": []}
    assert TaskStore([odd])[0] == odd


def test_a_full_disk_is_told_in_words(monkeypatch) -> None:
    tasks = TaskStore()

    def full(_content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tasks._file, "write", full)
    with pytest.raises(LabelQAError, match=r"No space left on device.*TMPDIR"):
        tasks.append(TASKS[0])


@pytest.mark.long
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    result = {**choice("cars"), "meta": {"words": "x" * 1000}}
    content = [task(number, annotation(number, result), data={"text": f"text {number}"}) for number in range(1, 60_001)]
    (tmp_path / "small.json").write_text(json.dumps(content[:100]))
    (tmp_path / "large.json").write_text(json.dumps(content))
    size = (tmp_path / "large.json").stat().st_size
    assert size > 60 * MIB
    (tmp_path / "config.xml").write_text(
        '<View><Text name="text" value="$text"/><Choices name="topic" toName="text"><Choice value="cars"/>'
        '<Choice value="space"/></Choices></View>'
    )
    command = [
        sys.executable,
        "-c",
        MEASURED,
        *(str(tmp_path / name) for name in ("small.json", "large.json", "config.xml")),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    parsed, read = map(int, done.stdout.split())
    assert parsed < 40 * MIB
    assert read < 1.5 * size, "the tables of the data set are less than the file"


def test_one_long_task_is_read_in_time_that_grows_with_its_length() -> None:
    content = json.dumps([{"id": 1, "data": {"text": "x" * 4 * MIB}}]).encode()
    [one] = JSONValues(content[start : start + 1000] for start in range(0, len(content), 1000))
    assert len(one.value["data"]["text"]) == 4 * MIB


def test_tasks_out_of_order_and_with_ids_as_strings() -> None:
    tasks, notes = parse_tasks([json.dumps([{**TASKS[4], "id": "5"}, TASKS[0]]).encode()], "it")
    assert (tasks.ids, [one["id"] for one in tasks], notes) == ([5, 1], [5, 1], ())
