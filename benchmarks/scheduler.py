"""What the scheduler costs: the same panels by plain calls in this process, and by one worker of one thread.

Both make the inverse, choose its ridge and ask for leave-one-out predictions and for what a third of the items say::

    python benchmarks/scheduler.py                                   # docs/explanation/benchmarks/gram.md
    python benchmarks/scheduler.py --items 50000 --landmarks 3000 --runs 1

Inputs are noise. Nothing has to be downloaded; the extra `distributed` is needed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as many as the worker has

import numpy as np

from ntk_labelqa.gram import cluster
from ntk_labelqa.gram.distributed import distributed_nystrom, panel_rows
from ntk_labelqa.gram.inverse import leave_one_out
from ntk_labelqa.gram.matrix import prepare
from ntk_labelqa.gram.ridge import with_best_ridge

WIDTH, CLASSES = 64, 10


class Called:
    """A client that calls each function at once, and adds up how long they take."""

    status = "running"
    scheduler = SimpleNamespace(address="this process")

    def __init__(self) -> None:
        self.seconds = 0.0

    def submit(self, function: Callable[..., Any], *given: Any, **_: Any) -> Any:
        """The result, as a future that is done."""
        began = time.perf_counter()
        value = function(*(one.result() if isinstance(one, SimpleNamespace) else one for one in given))
        self.seconds += time.perf_counter() - began
        return SimpleNamespace(status="finished", result=lambda: value)

    def map(self, function: Callable[..., Any], *each: Sequence[Any], **how: Any) -> list[Any]:
        """The same of several."""
        return [self.submit(function, *given, **how) for given in zip(*each, strict=False)]

    def gather(self, futures: Sequence[Any]) -> list[Any]:
        """Results, in order."""
        return [future.result() for future in futures]

    def scheduler_info(self, **_: Any) -> dict[str, Any]:
        """No workers, and so no limit of memory."""
        return {"workers": {}}


def main() -> None:
    """Print a line a run, and the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--landmarks", type=int, default=500)
    parser.add_argument("--length", type=int, help="items a panel; by default those of one thread")
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    length = asked.length or panel_rows(asked.landmarks, asked.items, 1)
    features = np.random.default_rng(0).normal(size=(asked.items, WIDTH)).astype(np.float32)
    labels = np.eye(CLASSES)[features[:, :CLASSES].argmax(axis=1)]
    ratios, idle = [], []
    with one_worker() as client:
        seconds(client, features[:5000], labels[:5000], 100, 5000)  # compiles
        for _ in range(asked.runs):
            here = Called()
            with mock.patch("distributed.as_completed", iter):
                alone = seconds(here, features, labels, asked.landmarks, length)
            with calculated(client) as found:
                shared = seconds(client, features, labels, asked.landmarks, length)
            between = shared - found["seconds"] - (alone - here.seconds)
            ratios.append(shared / alone)
            idle.append(between / shared)
            print(
                f"{alone:7.2f} s in this process, {shared:7.2f} s by one worker: {found['tasks']} tasks of "
                f"{found['seconds']:.2f} s, {between:.2f} s between them ({idle[-1]:.1%})",
                flush=True,
            )
    print(f"median: {statistics.median(ratios):.3f} times as long, {statistics.median(idle):.1%} between tasks")


@contextmanager
def one_worker() -> Iterator[Any]:
    """The client of one worker of one thread, which allocates memory as this process does."""
    import dask.config
    from distributed import Client, LocalCluster

    how = {f"distributed.nanny.pre-spawn-environ.{name}": value for name, value in cluster.ALLOCATION.items()}
    with (
        dask.config.set(how),
        LocalCluster(n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0") as local,
        Client(local) as client,
    ):
        yield client


@contextmanager
def calculated(client: Any) -> Iterator[dict[str, float]]:
    """How many tasks the body had run, and how long workers calculated them."""
    from distributed import get_task_stream

    found: dict[str, float] = {}
    with get_task_stream(client) as stream:
        yield found
    steps = [step for task in stream.data for step in task["startstops"] if step["action"] == "compute"]
    found.update(tasks=len(stream.data), seconds=sum(step["stop"] - step["start"] for step in steps))


def seconds(client: Any, features: np.ndarray, labels: np.ndarray, landmarks: int, length: int) -> float:
    """How long it takes to make the inverse and to ask it."""
    kernel, inputs = prepare(features, "2-L", "float32")
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        inverse = distributed_nystrom(
            kernel,
            inputs,
            landmarks=landmarks,
            ridge=0.05,
            scheduler=client,
            length=length,
            folder=Path(folder) / "panels" / "one",
        )
        chosen = with_best_ridge(inverse, labels)
        leave_one_out(chosen, labels)
        chosen.predicted_from(np.arange(0, len(labels), 3), labels)
        return time.perf_counter() - began


if __name__ == "__main__":
    main()
