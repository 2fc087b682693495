"""How fast a project is pulled, beside the SDK's bare snapshot download of the same project in the same run.

Needs a server: LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY. Makes a project of text tasks and deletes it at the end::

    python benchmarks/pull.py --tasks 10000
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

from label_studio_sdk.client import LabelStudio

from ntk_labelqa.labelstudio.connect import ONCE, connect_from_environment
from ntk_labelqa.labelstudio.reading.pull import pull_project

CONFIG = """<View><Text name="text" value="$text"/><Choices name="topic" toName="text">
<Choice value="sport"/><Choice value="space"/><Choice value="cars"/></Choices></View>"""
TOPICS = ("sport", "space", "cars")
WORDS = "The orbit of the second stage decayed faster than anybody on the ground had expected that night. " * 5


def main() -> None:
    """Print tasks a second of both ways, the median over rounds that take turns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    client = connect_from_environment()
    project = seed(client, asked.tasks)
    try:
        bare, ours = [], []
        for _ in range(asked.rounds):
            bare.append(seconds(lambda: bare_snapshot(client, project)))
            ours.append(seconds(lambda: pull_project(client, project)))
    finally:
        client.projects.delete(id=project)
    rates = [asked.tasks / statistics.median(times) for times in (bare, ours)]
    print(f"{asked.tasks} text tasks, one annotation each, median of {asked.rounds} rounds in turn")
    print(f"  SDK, snapshot created and downloaded: {rates[0]:6.0f} tasks/s")
    print(f"  ntk_labelqa, pulled into a data set:  {rates[1]:6.0f} tasks/s  ({rates[1] / rates[0] - 1:+.1%})")


def seed(client: LabelStudio, tasks: int) -> int:
    """A new project of *tasks* annotated texts; its id."""
    project = client.projects.create(title="pull benchmark", label_config=CONFIG)
    for first in range(0, tasks, 2500):
        batch = [task(row) for row in range(first, min(first + 2500, tasks))]
        client.projects.import_tasks(id=project.id, request=batch, request_options=ONCE)
    return project.id


def task(row: int) -> dict:
    """One text of 500 characters with one label."""
    choice = {"choices": [TOPICS[row % len(TOPICS)]]}
    result = {"from_name": "topic", "to_name": "text", "type": "choices", "value": choice}
    return {"data": {"text": f"{row}: {WORDS}"}, "annotations": [{"result": [result]}]}


def bare_snapshot(client: LabelStudio, project: int) -> bytes:
    """What the SDK offers: create a snapshot, wait for it, download its bytes."""
    exports = client.projects.exports
    snapshot = exports.create(project, title="bare")
    while exports.get(project, snapshot.id).status != "completed":
        time.sleep(0.2)
    return b"".join(exports.download(project, snapshot.id))


def seconds(work: Callable[[], object]) -> float:
    """How long *work* takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
