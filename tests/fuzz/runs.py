"""Runs inputs of a target one after the other, each made from its target's name and a number alone.

A finding is an input that ends in anything but a value or one of the package's own errors, that says not what to do,
that takes longer than :data:`SECONDS`, or with which the process grows beyond :data:`BYTES`.
"""

from __future__ import annotations

import faulthandler
import random
import resource
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from ntk_labelqa.errors import LabelQAError

SECONDS = 2.0
"""That an input may take: of the processor, or, tried several times, by the clock."""
TRIES = 4
"""More, of what took longer by the clock."""
STUCK_SECONDS = 120.0
"""By the clock, after which the process ends with a traceback: it waits for something that never comes."""
BYTES = 2**30
"""By which the process may grow over all inputs of a target."""
WARM = 20
"""Inputs after which a target has loaded what it needs: sizes and times count from there on."""


class Target(Protocol):
    """What is fuzzed.

    Attributes:
        together: how many inputs are read at once, where they are items beside each other.
    """

    together: int

    def make(self, seed: int) -> Any:
        """An input that nothing but *seed* decides on."""

    def read(self, made: list[Any]) -> str:
        """Read *together* inputs, or fewer; what came out, in a word or two."""


@dataclass
class Found:
    """What the inputs of a target came to."""

    target: str
    inputs: int = 0
    seconds: float = 0.0
    slowest: tuple[float, int] = (0.0, 0)
    """Seconds by the clock, and the number of the input."""
    grown: int = 0
    """Bytes by which the process's largest size has grown since it was warm."""
    outcomes: Counter[str] = field(default_factory=Counter)
    findings: dict[str, tuple[int, str]] = field(default_factory=dict)
    """By where it happened: the number of the first such input, and the traceback."""
    repeated: Counter[str] = field(default_factory=Counter)

    def add(self, place: str, seed: int, trace: str) -> None:
        """Note a finding of the input *seed*."""
        self.findings.setdefault(place, (seed, trace))
        self.repeated[place] += 1


class TooSlow(BaseException):
    """Nothing that the package catches."""


class Unexpected(Exception):
    """A value that cannot be right."""


def seeded(target: str, seed: int) -> random.Random:
    """The random generator of an input."""
    return random.Random(f"{target}:{seed}")


def run(name: str, target: Target, seeds: range, *, until: float = float("inf")) -> Found:
    """Try the inputs *seeds* of *target*, until the clock (time.monotonic) says *until*."""
    found, warm = Found(name), 0
    with _watched():
        for first in seeds[:: target.together]:
            if time.monotonic() > until:
                break
            some = range(first, min(first + target.together, seeds.stop))
            faulthandler.dump_traceback_later(STUCK_SECONDS, exit=True)
            took = _read(found, target, some)
            found.seconds += took
            found.inputs += len(some)
            size = _largest()
            if found.inputs <= WARM * target.together:
                warm = size
                continue
            found.slowest = max(found.slowest, (took / len(some), first))
            found.grown = max(found.grown, size - warm)
            if size - warm > BYTES:
                found.add("memory", first, f"{(size - warm) / 2**20:.0f} MiB more")
                warm = size
        faulthandler.cancel_dump_traceback_later()
    return found


def _read(found: Found, target: Target, some: range) -> float:
    """Read the inputs *some* at once, and those one by one where that is a finding; the seconds that it took."""
    said, finding, took = tried(target, some)
    for _ in range(TRIES):  # the machine may have been busy: what waits for something waits each time
        if finding or took <= SECONDS * len(some):
            break
        said, finding, took = tried(target, some)
    if took > SECONDS * len(some) and not finding:
        finding = ("slow", f"{took:.1f} s")
    if finding is None or len(some) == 1:
        found.outcomes[said] += len(some)
    if finding is None:
        return took
    alone = [(seed, tried(target, range(seed, seed + 1))) for seed in some] if len(some) > 1 else []
    for seed, (word, one, _) in alone:
        found.outcomes[word] += 1
        if one is not None:
            found.add(one[0], seed, one[1])
    if not any(one for _, (_, one, _) in alone):
        found.add(finding[0], some.start, finding[1])
    return took


def tried(target: Target, some: range) -> tuple[str, tuple[str, str] | None, float]:
    """What inputs read at once came to; where it should not have, where that was and its traceback; and the seconds."""
    began = time.monotonic()
    try:
        made = [target.make(seed) for seed in some]
        began = time.monotonic()
        signal.setitimer(signal.ITIMER_PROF, SECONDS * len(some))
        said, finding = target.read(made), None
    except LabelQAError as error:
        said, finding = type(error).__name__, None
        if not error.what or not error.remedy:
            finding = (f"no remedy: {_place(error)}", traceback.format_exc(limit=-8))
    except (Exception, TooSlow) as error:  # noqa: BLE001 that is what is looked for
        said, finding = "finding", (f"{type(error).__name__} in {_place(error)}", traceback.format_exc(limit=-12))
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
    return said, finding, time.monotonic() - began


@contextmanager
def _watched() -> Iterator[None]:
    """The processor's time is watched, and warnings are silent but for our own arithmetic's, which are findings."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGPROF, stop)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", category=RuntimeWarning, module="ntk_labelqa")
            yield
    finally:
        signal.signal(signal.SIGPROF, before)


def _largest() -> int:
    """Bytes that the process has held at most."""
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else 1024 * size


def _place(error: BaseException) -> str:
    """The last line of the package that *error* came through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "ntk_labelqa" in Path(frame.filename).parts] or frames[-1:]
    frame = ours[-1]
    return f"{'/'.join(Path(frame.filename).parts[-2:])}:{frame.lineno} {frame.name}"
