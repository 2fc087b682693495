"""Tasks with odd annotations among good ones: whatever they hold, the good ones are read."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, NamedTuple

from ntk_labelqa.dataset import Provenance
from ntk_labelqa.diagnostics.region_faults import find_region_faults
from ntk_labelqa.label_types.item_type import Shown
from ntk_labelqa.label_types.registry import item_type_of
from ntk_labelqa.labelstudio.reading.label_config import LabelledControl, parse
from ntk_labelqa.labelstudio.reading.task_files import parse_tasks
from ntk_labelqa.labelstudio.reading.tasks import UNREADABLE, build_dataset
from tests.fuzz.odd import mutated, odd
from tests.fuzz.runs import Unexpected, seeded
from tests.fuzz.samples import Sample, samples, tasks_of

AT_ONCE = 50
"""Tasks of one control that are read together."""


class Tasks(NamedTuple):
    """An odd task and a good one, as an export's reader hands them on, and what is labelled in them."""

    labelled: LabelledControl
    odd: dict[str, Any]
    good: dict[str, Any]


class Results:
    """Annotations, as :func:`~ntk_labelqa.labelstudio.reading.tasks.build_dataset` takes them."""

    together = AT_ONCE

    def __init__(self, folder: Path) -> None:
        self.samples = [(sample, parse(sample.config, sample.control)) for sample in samples()]

    def make(self, seed: int) -> Tasks:
        rng = seeded("results", seed)
        sample, labelled = self.samples[seed // AT_ONCE % len(self.samples)]
        first, good = _numbered(tasks_of(sample), seed)
        for annotation in first["annotations"]:
            annotation["result"] = _result(sample, rng)
            fields = ["completed_by", "updated_at", "was_cancelled", "parent_annotation", "x"]
            annotation[rng.choice(fields)] = odd(rng)
        if rng.random() < 0.2:
            first["predictions"] = mutated(first["predictions"], rng)
        if rng.random() < 0.2:
            data = mutated(first["data"], rng)
            first["data"] = data if isinstance(data, dict) else {}
        return Tasks(labelled, first, good)

    def read(self, made: list[Tasks]) -> str:
        tasks = [task for one in made for task in (one.odd, one.good)]
        tasks, _ = parse_tasks([json.dumps(tasks).encode()], "fuzz")
        dataset = build_dataset(tasks, made[0].labelled, Provenance("fuzz"), annotators={1: "ada"})
        if lacking := {one.good["id"] for one in made} - set(dataset.items["task_id"]):
            raise Unexpected(f"good tasks are gone: {lacking}")
        if dataset.regions is not None:
            find_region_faults(dataset.regions)
        kind = item_type_of(dataset)
        for task, value in zip(dataset.items["task_id"], dataset.items["value"], strict=True):
            kind.page(Shown(int(task), value))
            kind.in_words(value, 80)
        dataset.fingerprint()
        left_out = any(gone.reason.startswith(UNREADABLE) for gone in dataset.left_out)
        return "caught by the guard" if left_out else "read"


def _numbered(tasks: list[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    """*tasks* with ids that no other input has."""
    for at, task in enumerate(tasks):
        task["id"] = 10 * seed + at
        for number, annotation in enumerate(task["annotations"]):
            annotation["id"] = 100 * seed + 10 * at + number
    return tasks


def _result(sample: Sample, rng: random.Random) -> Any:
    results = [dict(result) for result in sample.results]
    kind = rng.random()
    if kind < 0.6:  # odd values in the values alone
        return [{**result, "value": mutated(result["value"], rng, most=2)} for result in results]
    return mutated(results, rng, most=4)
