"""Progress of long work: on standard error, only when that is a terminal; and how long each stage took.

Stages are also records of Python's logging, for whoever listens: ``ntk_labelqa.progress``, of level INFO, with what a
machine reads in ``record.fields``.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from ntk_labelqa.shown import canvas, printable

Tick = Callable[[int, int], None]
"""Called with (done, total) as work proceeds."""
BETWEEN = 10.0
"""Seconds between the records of how far a stage is."""
log = logging.getLogger(__name__)


class Stages:
    """Shows one line a stage of the work, with a bar where the stage reports how far it is.

    Silent when *quiet*, and when standard error is no terminal: logs stay free of control characters. In place of
    a bar, logging then gets records of it.

    Attributes:
        seconds: wall time of each finished stage, by title.
        began: when the work began: before anything was read, where this was made first.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet, self.shown = quiet, sys.stderr.isatty() and not quiet
        self.seconds: dict[str, float] = {}
        self.began = datetime.now(UTC)

    def note(self, text: object) -> None:
        """Say *text* on standard error: a decision made on the user's behalf, or what the next stage will take."""
        if not self.quiet:
            print(printable(str(text)), file=sys.stderr, flush=True)

    @contextmanager
    def stage(self, title: str) -> Iterator[Tick]:
        """Show *title* while the body runs; the value is called with (done, total)."""
        start = time.perf_counter()
        with _unseen() if self.quiet else _bar(title) if self.shown else _logged(title) as tick:
            yield tick
        self.seconds[title] = round(self.seconds.get(title, 0.0) + time.perf_counter() - start, 3)


@contextmanager
def _logged(title: str) -> Iterator[Tick]:
    start = time.perf_counter()
    said = start

    def tell(state: str, **figures: float) -> None:
        fields = {"stage": title, "state": state, **figures}
        log.info("%s: %s", title, state, extra={"event": "stage", "fields": fields})

    def tick(done: int, total: int) -> None:
        nonlocal said
        if (now := time.perf_counter()) - said >= BETWEEN:
            said = now
            tell("running", done=done, total=total)

    state = "failed"
    tell("started")
    try:
        yield tick
        state = "finished"
    finally:
        tell(state, seconds=round(time.perf_counter() - start, 3))


@contextmanager
def _unseen() -> Iterator[Tick]:
    yield lambda _done, _total: None


@contextmanager
def _bar(title: str) -> Iterator[Tick]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
    from rich.progress import TimeRemainingColumn as Remaining

    title_column = TextColumn("{task.description:<32}")
    columns = (title_column, BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), Remaining())
    with Progress(*columns, console=Console(file=canvas(sys.stderr))) as bars:
        task = bars.add_task(title, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
        total = bars.tasks[0].total or 1
        bars.update(task, completed=total, total=total)
