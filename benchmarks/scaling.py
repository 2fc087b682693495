"""Whole audits of which one number grows at a time: items, landmarks, features, classes, workers.

    python -m benchmarks.scaling --svg scaling.svg

Needs no data (see :mod:`benchmarks.any_size`); workers need the extra `distributed`. Each audit runs in a process of
its own. Prints seconds, seconds of a processor (not of the workers) and the peak of memory of each, beside what
`audit --plan` says before: memory is counted, seconds are tried on 4,000 items. The picture shows the same.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.any_size import audited, made, make

BASE = {"items": 60_000, "landmarks": 1000, "width": 128, "classes": 20, "workers": 0}
VARIED = {
    "items": (30_000, 60_000, 120_000, 240_000),
    "landmarks": (500, 1000, 2000, 3000),
    "width": (32, 128, 512),
    "classes": (5, 20, 80, 320),
    "workers": (0, 1, 2),
}
NAMES = {"width": "features"}
GIB = 2**30


def main() -> None:
    """Print the table, and draw it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--svg", type=Path, help="the picture to write")
    parser.add_argument("--folder", type=Path, help="for the features; by default a temporary one")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(one(Path(asked.one[0]), json.loads(asked.one[1]))))
        return
    print("| items | landmarks | features | classes | workers | s | planned | s of a processor | peak | planned |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    found: dict[str, dict[str, Any]] = {}
    for name, values in VARIED.items():
        for value in values:
            size = BASE | {name: value}
            key = json.dumps(size)
            if key not in found:
                found[key] = measured(size, asked.folder)
                print(row(size, found[key]), flush=True)
    if asked.svg:
        drawn(found, asked.svg)


def measured(size: dict[str, int], within: Path | None) -> dict[str, Any]:
    """What :func:`one` says of an audit of that *size*, in a process of its own."""
    with tempfile.TemporaryDirectory(dir=within) as folder:
        make(Path(folder), size["items"], size["width"], size["classes"])
        command = [sys.executable, "-m", __spec__.name, "--one", folder, json.dumps(size)]
        environment = os.environ | {"NTK_LABELQA_CACHE": folder}
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
        return json.loads(done.stdout)


def one(folder: Path, size: dict[str, int]) -> dict[str, Any]:
    """Plan and audit what lies in *folder*."""
    from ntk_labelqa.dataset import from_arrays
    from ntk_labelqa.diagnostics.audit_plan import plan_audit, tried_plan
    from ntk_labelqa.label_model.annotations import Annotations
    from ntk_labelqa.options import AuditOptions
    from ntk_labelqa.progress import Stages

    features, given, _ = made(folder)
    plan = plan_audit(features, size["classes"], len(given), landmarks=size["landmarks"])
    with workers(size["workers"]) as client:
        options = AuditOptions(architecture="2-L", preparation="none", landmarks=size["landmarks"], scheduler=client)
        if client is None:
            annotations = Annotations.of_dataset(from_arrays(given))
            plan = tried_plan(plan, features, annotations, options.architecture)
        start, spent = time.perf_counter(), time.process_time()
        audited(features, given, options, Stages(quiet=True))
        seconds, spent = time.perf_counter() - start, time.process_time() - spent
    return {
        "seconds": seconds,
        "planned_seconds": plan.seconds,
        "processor": spent,
        "peak": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "planned_peak": plan.memory,
    }


@contextmanager
def workers(count: int) -> Iterator[Any]:
    """A client of *count* workers of one thread; None where there are none."""
    if not count:
        yield None
        return
    from distributed import Client, LocalCluster

    how = {"threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(n_workers=count, **how) as cluster, Client(cluster) as client:
        yield client


def row(size: dict[str, int], found: dict[str, Any]) -> str:
    """Of the table."""
    planned = found["planned_seconds"]
    figures = (
        *(f"{value:,}" for value in size.values()),
        f"{found['seconds']:.0f}",
        f"{planned:.0f}" if planned else "",
        f"{found['processor']:.0f}",
        f"{found['peak'] / GIB:.2f} GiB",
        f"{found['planned_peak'] / GIB:.2f} GiB",
    )
    return f"| {' | '.join(figures)} |"


def drawn(found: dict[str, dict[str, Any]], path: Path) -> None:
    """Seconds and memory over each of the numbers, logarithmic but for workers."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, len(VARIED), figsize=(13, 5.2), sharey="row", layout="constrained")
    kinds = (
        ("seconds", "planned_seconds", 1, "s", (10, 20, 50, 100, 200)),
        ("peak", "planned_peak", GIB, "GiB at the peak", (0.5, 1, 2)),
    )
    for column, (name, values) in enumerate(VARIED.items()):
        points = [found[json.dumps(BASE | {name: value})] for value in values]
        for (took, planned, unit, label, ticks), ax in zip(kinds, axes[:, column], strict=True):
            ax.plot(values, [point[took] / unit for point in points], "o-", color="#1f5fa8", label="taken")
            if name != "workers":
                said = [point[planned] / unit for point in points]
                ax.plot(values, said, "s--", color="#c2571a", label="planned", fillstyle="none")
                ax.set_xscale("log")
            ax.set_yscale("log")
            ax.set_xticks(values, [f"{value // 1000}k" if value >= 10_000 else f"{value:,}" for value in values])
            ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
            ax.minorticks_off()
            ax.grid(alpha=0.3)
            if not column:
                ax.set_ylabel(label)
        axes[1, column].set_xlabel(NAMES.get(name, name))
    axes[0, 0].legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
