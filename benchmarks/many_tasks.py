"""The whole loop at many tasks: pull and audit, push, push again, decisions applied; seconds and memory of each step.

Needs a server: LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY. Makes a project of table rows of which one label in fifty is
wrong, and deletes it and its review project at the end::

    python benchmarks/many_tasks.py --tasks 100000

Beside it, the bare SDK: a snapshot of the same project that is made, downloaded and read by ``json.loads``, and pages
of tasks. Each step is a process of its own, whose peak is told. At the end everything is compared with what was
imported; a difference ends the script with an error.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from label_studio_sdk.client import LabelStudio

from ntk_labelqa.labelstudio.connect import ONCE, connect_from_environment

CONFIG = """<View><Table name="row" value="$row"/><Choices name="state" toName="row">
<Choice value="idle"/><Choice value="running"/><Choice value="worn"/></Choices></View>"""
STATES = ("idle", "running", "worn")
COLUMNS = 8
WRONG_EVERY = 50
BATCH = 2500
ANSWERS = 20
"""Findings that are answered through the API."""
PAGES, PAGE = 20, 100
"""Of the SDK's list of tasks: as many as that are timed, for all would take too long."""
SNAPSHOT = """
import json, sys, time
from label_studio_sdk.client import LabelStudio
# Without a queue of its own, the server answers once the snapshot is made: longer than the SDK waits by itself.
client, project = LabelStudio(base_url=sys.argv[1], api_key=sys.argv[2], timeout=3600), int(sys.argv[3])
exports = client.projects.exports
made = exports.create(project, title="bare")
while exports.get(project, made.id).status != "completed":
    time.sleep(0.2)
tasks = json.loads(b"".join(exports.download(project, made.id)))
exports.delete(project, made.id)
if len(sys.argv) > 4:
    with open(sys.argv[4], "w") as file:
        json.dump(tasks, file)
"""


@dataclass(frozen=True)
class Step:
    """What a step took, and what it printed."""

    name: str
    seconds: float
    peak: float
    """MiB."""
    printed: str

    def __str__(self) -> str:
        return f"{self.name:38} {self.seconds:8.1f} {self.peak:9.0f}"


@dataclass(frozen=True)
class Rows:
    """The made-up rows: their numbers, the label that each has, and which of the labels are wrong."""

    values: np.ndarray
    given: np.ndarray
    wrong: np.ndarray


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=100_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for step in run(connect_from_environment(), asked.tasks, Path(folder)):
            print(step, flush=True)


def run(client: LabelStudio, tasks: int, folder: Path) -> Any:
    """The steps one after the other, each when it is done. Raises AssertionError where something is not exact."""
    rows = made_rows(tasks)
    began = time.perf_counter()
    project = seed(client, rows)
    review = None
    try:
        yield Step(f"import of {tasks} tasks", time.perf_counter() - began, 0, "")
        began = time.perf_counter()
        pages = min(PAGES, tasks // PAGE)
        for page in range(1, pages + 1):
            client.tasks.list(project=project, page=page, page_size=PAGE, fields="all")
        seconds = (time.perf_counter() - began) * tasks / (pages * PAGE)
        yield Step(f"SDK: pages of tasks (from {pages * PAGE})", seconds, 0, "")
        yield bare_snapshot("SDK: snapshot, json.loads", client, project, folder / "before.json")
        audit, source = folder / "audit", ("--project", str(project))
        options = ("--encoder", "fields", "--arch", "2-L", "--landmarks", str(min(1000, tasks)), "--out", str(audit))
        yield ours("audit", *source, *options)
        findings = pd.read_parquet(audit / "findings.parquet")
        check_findings(findings, rows)
        yield ours("push", str(audit))
        issues = set(findings.loc[findings["is_label_issue"], "annotation_id"])
        review = review_of(client, project)
        yield bare_snapshot("SDK: snapshot of the review project", client, review, folder / "review.json")
        pushed = tasks_in(folder / "review.json")
        check_pushed(pushed, issues)
        yield ours("push again", str(audit))
        yield bare_snapshot("SDK: snapshot of the review project", client, review, folder / "review.json")
        assert [task["id"] for task in tasks_in(folder / "review.json")] == [task["id"] for task in pushed]
        answered = pushed[:ANSWERS]
        for task in answered:
            client.annotations.create(id=task["id"], result=[ACCEPTED], request_options=ONCE)
        yield ours("decisions", str(audit), "--apply")
        yield bare_snapshot("SDK: snapshot once more", client, project, folder / "after.json")
        yield ours("export", str(audit), "--out", str(folder / "clean.json"))
        # Last of all: the peak of a process is at least what the one that starts it holds at that moment.
        check_applied(tasks_in(folder / "before.json"), tasks_in(folder / "after.json"), answered)
        assert len(tasks_in(folder / "clean.json")) == tasks
    finally:
        for made in (review, project):
            if made is not None:
                client.projects.delete(id=made)


ACCEPTED = {"from_name": "decision", "to_name": "item", "type": "choices", "value": {"choices": ["accept"]}}


def made_rows(count: int) -> Rows:
    """Three clusters, and every fiftieth label that of another one."""
    random = np.random.default_rng(0)
    truth = random.integers(len(STATES), size=count)
    centres = 2.5 * random.standard_normal((len(STATES), COLUMNS))
    wrong = np.arange(count) % WRONG_EVERY == 7
    return Rows(centres[truth] + random.standard_normal((count, COLUMNS)), (truth + wrong) % len(STATES), wrong)


def seed(client: LabelStudio, rows: Rows) -> int:
    """A new project of *rows*, one annotation each; its id. Tasks get their ids in the order of the rows."""
    project = client.projects.create(title="many tasks", label_config=CONFIG)
    for first in range(0, len(rows.given), BATCH):
        batch: Any = [task(rows, row) for row in range(first, min(first + BATCH, len(rows.given)))]
        client.projects.import_tasks(id=project.id, request=batch, request_options=ONCE)
    return int(project.id)


def task(rows: Rows, row: int) -> dict[str, Any]:
    """One row as a task for import."""
    numbers = {f"sensor {column}": round(float(value), 4) for column, value in enumerate(rows.values[row])}
    choice = {"choices": [STATES[rows.given[row]]]}
    result = {"from_name": "state", "to_name": "row", "type": "choices", "value": choice}
    return {"data": {"row": numbers, "number": row}, "annotations": [{"result": [result]}]}


def ours(command: str, *arguments: str) -> Step:
    """A command of ntk-labelqa in a process of its own."""
    return timed(f"ntk-labelqa {command}", [sys.executable, "-m", "ntk_labelqa", command.split()[0], *arguments])


def bare_snapshot(name: str, client: LabelStudio, project: int, target: Path) -> Step:
    """The SDK's snapshot of a project in a process of its own, kept in *target*."""
    address, key = os.environ["LABEL_STUDIO_URL"], os.environ["LABEL_STUDIO_API_KEY"]
    return timed(name, [sys.executable, "-c", SNAPSHOT, address, key, str(project), str(target)])


def timed(name: str, command: list[str]) -> Step:
    """Run *command*, which has to succeed."""
    began = time.perf_counter()
    with (
        tempfile.TemporaryFile("w+") as out,
        subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT) as process,
    ):
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        printed = out.read()
    assert process.returncode == 0, printed[-3000:]
    return Step(name, time.perf_counter() - began, used.ru_maxrss / 1024, printed)


def tasks_in(path: Path) -> list[dict[str, Any]]:
    """The tasks of a snapshot, by id."""
    return sorted(json.loads(path.read_text()), key=lambda task: task["id"])


def review_of(client: LabelStudio, project: int) -> int:
    """The one review project of *project*."""
    from ntk_labelqa.labelstudio.review.project import mark, marked

    (review,) = marked(client, mark(project)).ours
    return review


def check_findings(findings: pd.DataFrame, rows: Rows) -> None:
    """Every task and annotation is there exactly once, with its label; most of the wrong labels are found."""
    by_task = findings.sort_values("task_id")
    assert len(by_task) == len(rows.given), f"{len(by_task)} findings of {len(rows.given)} tasks"
    assert by_task["task_id"].is_unique
    assert by_task["annotation_id"].is_unique
    assert by_task["given_label"].tolist() == [STATES[code] for code in rows.given]
    found = by_task["is_label_issue"].to_numpy()
    assert found[rows.wrong].mean() > 0.8, f"{found[rows.wrong].mean():.0%} of the wrong labels were found"


def check_pushed(pushed: list[dict[str, Any]], issues: set[int]) -> None:
    """Every finding has exactly one review task."""
    asked = Counter(task["data"]["source_annotation"] for task in pushed)
    assert set(asked) == issues
    assert set(asked.values()) == {1}


def check_applied(before: list[dict[str, Any]], after: list[dict[str, Any]], answered: list[dict[str, Any]]) -> None:
    """Nothing has changed but for one new annotation for each answer, with the label that was suggested."""
    wanted = {task["data"]["source_annotation"]: task["data"]["suggested_label"] for task in answered}
    assert [task["id"] for task in after] == [task["id"] for task in before]
    made = {}
    for old, new in zip(before, after, strict=True):
        first, *more = sorted(new["annotations"], key=lambda one: one["id"])
        assert (first["id"], first["result"]) == (old["annotations"][0]["id"], old["annotations"][0]["result"])
        made |= {one["parent_annotation"]: one["result"][0]["value"]["choices"][0] for one in more}
    assert made == wanted


if __name__ == "__main__":
    main()
