"""``--log json``: what a run says on standard error and what it did, one JSON object a line, for machines.

Records go through Python's logging, under ``ntk_labelqa``; those of other packages, and Python's warnings, come along.
Whatever else is printed on standard error becomes a record a line. Without ``--log json`` nothing here changes a thing.
"""

from __future__ import annotations

import io
import json
import logging
import math
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, TextIO

import click

from ntk_labelqa.runtime import own_version
from ntk_labelqa.shown import printable, without_secrets

if TYPE_CHECKING:
    from ntk_labelqa.audit_folder import Audit

OPTION, VARIABLE = "--log", "LABELQA_LOG"
FORMS = ("text", "json")
log = logging.getLogger("ntk_labelqa")
_figures: dict[str, Any] = {}
"""What the command that runs has said about its work."""


@dataclass
class Outcome:
    """How a run ended.

    Attributes:
        exit_code: None as long as it runs.
    """

    exit_code: int | None = None


class Lines(logging.Formatter):
    """Makes a record one line: JSON in ASCII, which any encoding has, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": getattr(record, "event", "note"),
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(_clean(fields), allow_nan=False)


def _clean(value: Any) -> Any:
    match value:
        case dict():
            return {_clean(str(name)): _clean(one) for name, one in value.items()}
        case list() | tuple():
            return [_clean(one) for one in value]
        case bool() | None:
            return value
        case Integral():
            return int(value)
        case Real():
            return float(value) if math.isfinite(value) else None
    return printable(without_secrets(str(value)))


class _Handler(logging.StreamHandler[TextIO]):
    """Loses what cannot be written, as standard error does."""

    def handleError(self, record: logging.LogRecord) -> None:
        pass


class _Printed(io.TextIOBase):
    """Makes records of the lines that are printed on it."""

    encoding, errors = "utf-8", "backslashreplace"

    def __init__(self) -> None:
        self._rest, self._thread, self._ended = "", threading.local(), False

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        if not isinstance(text, str):
            raise TypeError("Text is written here.")  # by which click tells such streams from those of bytes
        if self._ended or getattr(self._thread, "writes", False):
            return len(text)  # a handler of another package prints our own record here
        *lines, self._rest = (self._rest + text).split("\n")
        self._thread.writes = True
        try:
            for line in filter(str.strip, lines):
                log.info("%s", line)
        finally:
            self._thread.writes = False
        return len(text)

    def end(self) -> None:
        """Make a record of the last line, if it had no end, and of no other."""
        if self._rest:
            self.write("\n")
        self._ended = True


def is_on() -> bool:
    """Whether standard error takes records."""
    return isinstance(sys.stderr, _Printed)


def did(**figures: Any) -> None:
    """Note *figures* of what the command has done, for the summary."""
    _figures.update(figures)


def did_audit(audit: Audit) -> None:
    """Note the figures of *audit*."""
    summary, left_out = audit.summary, audit.manifest["data"]["left_out"]
    did(
        items=summary["items"],
        annotations=summary["annotations"],
        left_out=sum(entry["count"] for entry in left_out),
        flagged=summary["issues"],
        error_rate=summary["error_rate"],
    )


def say_error(what: str, why: str = "", remedy: str = "", *, title: str = "Error: ") -> None:
    """Say on standard error what happened, why, and what to do: as a record, or in lines."""
    if is_on():
        log.error("%s", what, extra={"event": "error", "fields": {"why": why, "remedy": remedy}})
    else:
        lines = (f"{title}{what}", why, remedy)
        click.echo(without_secrets("\n".join(line for line in lines if line)), err=True)


def last_line(words: str, code: int) -> str:
    """What a process that ends at once, with *code*, has to write on standard error: *words*, as the log has them."""
    if not is_on():
        return words
    fields = {"event": "summary", "fields": {"exit_code": code}}
    return Lines().format(log.makeRecord(log.name, logging.ERROR, "", 0, words, (), None, extra=fields))


@contextmanager
def recording(arguments: Sequence[str]) -> Iterator[Outcome]:
    """Have standard error take records while the body runs, if *arguments* or the environment ask for it.

    The body sets the exit code of what it yields; the last record is the summary.
    """
    outcome = Outcome()
    form, command = _read_ahead(arguments)
    if form != "json":
        yield outcome
        return
    _figures.clear()
    named = command or "ntk-labelqa"
    began, run = time.perf_counter(), {"command": command, "version": own_version()}
    with _records() as printed:
        _event("started", f"{named} started", **run, pid=os.getpid())
        try:
            yield outcome
        except SystemExit as leave:
            outcome.exit_code = leave.code if isinstance(leave.code, int) else None
            raise
        finally:
            printed.end()
            seconds = round(time.perf_counter() - began, 3)
            ended = {"exit_code": outcome.exit_code, "seconds": seconds, "peak_memory_bytes": peak_memory()}
            _event("summary", f"{named} left with {outcome.exit_code}", **run, **ended, **_figures)


def _read_ahead(arguments: Sequence[str]) -> tuple[str | None, str | None]:
    """The form of the log and the command, known before click reads them: what click complains of is a record too."""
    form = os.environ.get(VARIABLE)
    words = iter(arguments)
    for word in words:
        if word == OPTION:
            form = next(words, None)
        elif word.startswith(f"{OPTION}="):
            form = word.partition("=")[2]
        elif not word.startswith("-"):
            return form, word
    return form, None


@contextmanager
def _records() -> Iterator[_Printed]:
    """Have logging, warnings and all that is printed on standard error become lines of it."""
    stream, printed, level = sys.stderr, _Printed(), log.level
    handler = _Handler(stream)
    handler.setFormatter(Lines())
    logging.root.addHandler(handler)
    logging.captureWarnings(True)
    log.setLevel(logging.INFO)
    sys.stderr = printed
    try:
        yield printed
    finally:
        sys.stderr = stream
        log.setLevel(level)
        logging.captureWarnings(False)
        logging.root.removeHandler(handler)


def _event(name: str, message: str, **fields: Any) -> None:
    log.info("%s", message, extra={"event": name, "fields": fields})


def peak_memory() -> int:
    """Bytes that this process has held at most."""
    import resource  # of POSIX systems, and others are to be told so

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024  # macOS counts bytes, Linux KiB


def log_option(command: click.Group) -> click.Group:
    """How the run is logged. Read ahead of click by :func:`recording`; here it is explained and checked."""
    return click.option(
        OPTION,
        type=click.Choice(FORMS),
        default="text",
        show_default=True,
        envvar=VARIABLE,
        show_envvar=True,
        expose_value=False,
        help="json: everything on standard error is one JSON object a line, and the last says what the run did. "
        "Before the command.",
    )(command)
