"""What a pull of the changes saves: tasks and seconds of both ways, after a share of a project's tasks changed.

Needs a server: LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY. Makes a project of text tasks and deletes it at the end::

    python benchmarks/incremental.py --tasks 20000 --changed 0.01
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import timedelta
from functools import partial
from os import environ
from random import Random

from label_studio_sdk.client import LabelStudio
from pull import TOPICS, seed

from ntk_labelqa.auditing import run_audit
from ntk_labelqa.cache import VARIABLE
from ntk_labelqa.dataset import LabeledDataset
from ntk_labelqa.labelstudio.connect import connect_from_environment
from ntk_labelqa.labelstudio.reading.incremental import since_last
from ntk_labelqa.labelstudio.reading.pull import pull_project
from ntk_labelqa.options import AuditOptions

OVERLAP = timedelta(seconds=5)
"""Shorter than usual, as the changes here come right after the first pull and not a day later."""


def main() -> None:
    """Print both ways' tasks and seconds, and whether the findings of both audits are equal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--changed", type=float, default=0.01)
    parser.add_argument("--no-audit", action="store_true", help="compare the pulled data alone")
    asked = parser.parse_args()
    client = connect_from_environment()
    project = seed(client, asked.tasks)
    try:
        with tempfile.TemporaryDirectory() as cache:
            environ[VARIABLE] = cache
            time.sleep(OVERLAP.total_seconds() + 1)
            first = pull(client, project, incremental=True)
            time.sleep(OVERLAP.total_seconds() + 1)
            changes = change(client, first[0], round(asked.tasks * asked.changed))
            ours, seconds = pull(client, project, incremental=True)
            whole, whole_seconds = pull(client, project, incremental=False)
            print(f"{asked.tasks} text tasks, one annotation each, {changes} annotations changed")
            print(f"  first pull:   {first[0].provenance.notes[0]} {first[1]:.1f} s")
            print(f"  --since last: {ours.provenance.notes[0]} {seconds:.1f} s")
            print(f"  whole pull:   {len(whole)} tasks, {whole_seconds:.1f} s ({whole_seconds / seconds:.1f} times)")
            print(f"  data identical: {ours.fingerprint() == whole.fingerprint()}")
            if not asked.no_audit:
                print(f"  findings identical: {findings_equal(ours, whole)}")
    finally:
        client.projects.delete(id=project)


def pull(client: LabelStudio, project: int, *, incremental: bool) -> tuple[LabeledDataset, float]:
    """The project's data and the seconds that it took."""
    start = time.perf_counter()
    how = {"take": partial(since_last, overlap=OVERLAP)} if incremental else {}
    return pull_project(client, project, **how), time.perf_counter() - start


def change(client: LabelStudio, dataset: LabeledDataset, count: int) -> int:
    """Give *count* annotations, chosen by chance, another label."""
    rows = dataset.annotations.iloc[Random(0).sample(range(len(dataset.annotations)), count)]
    for annotation, label in rows[["annotation_id", "label"]].itertuples(index=False):
        value = {"choices": [TOPICS[(label + 1) % len(TOPICS)]]}
        result = {"from_name": "topic", "to_name": "text", "type": "choices", "value": value}
        client.annotations.update(id=int(annotation), result=[result])
    return count


def findings_equal(one: LabeledDataset, other: LabeledDataset) -> bool:
    """Whether the audits of both say the same of every label."""
    options = AuditOptions(architecture="linear", landmarks=500)
    return run_audit(one, options).findings.equals(run_audit(other, options).findings)


if __name__ == "__main__":
    main()
