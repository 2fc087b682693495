"""What the sections of the page share."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

WARM = 0.3
"""Seconds for which a call is repeated, so that a queue of calls hides what starting one costs."""


def options(doc: str, *more: str) -> argparse.Namespace:
    """What a section was asked for; *more* are switches of its own."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    for switch in ("--small", *more):
        parser.add_argument(switch, action="store_true")
    return parser.parse_args()


def as_an_accelerator(small: bool) -> None:
    """With *small*, a processor is taken for an accelerator: its programs are run, at whatever speed."""
    from ntk_labelqa.gram import arrays

    if small and not arrays.on_accelerator():
        arrays.on_accelerator = lambda: True


def row(*cells: object) -> None:
    """Print a row of a table at once, so that it stands on the page whatever happens next."""
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def head(*names: str) -> None:
    """Print the head of a table."""
    row(*names)
    row(*["---"] * len(names))


def said(text: str) -> None:
    """Print a paragraph."""
    print(f"\n{text}\n", flush=True)


def seconds(call: Callable[[], Any]) -> float:
    """How long *call* takes once it is compiled, its result there."""
    import jax

    jax.block_until_ready(call())
    start = time.perf_counter()
    jax.block_until_ready(call())
    return time.perf_counter() - start


def seconds_each(call: Callable[[], Any]) -> float:
    """How long one of many calls takes, of which the next is started before the last has ended."""
    import jax

    repeats = int(np.clip(WARM / max(seconds(call), 1e-6), 1, 1000))
    start = time.perf_counter()
    for _ in range(repeats):
        result = call()
    jax.block_until_ready(result)
    return (time.perf_counter() - start) / repeats


def asked_of_child(module: str, *words: object, **environment: str) -> Any:
    """What a process of its own prints as JSON in its last line. Raises ``subprocess.CalledProcessError``."""
    child = subprocess.run(
        [sys.executable, "-m", f"benchmarks.gpu.{module}", *map(str, words)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )
    return json.loads(child.stdout.splitlines()[-1])


def judged(value: float, target: float) -> str:
    """Whether *value* is at most *target*, in a word."""
    return "yes" if value <= target else "**no**"
