"""Standard streams that change no exit code: any encoding will do, and what goes wrong on them is distinguished.

Results matter: where standard output is closed or full, nobody can know them, and that is an error in words. Notes do
not: where standard error cannot be written, they are lost and the work goes on. No text on either steers a terminal.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

import click

from ntk_labelqa.errors import LabelQAError
from ntk_labelqa.shown import PrintableText, printable

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

OUTPUT, ERROR = 1, 2
REMEDY = "Send standard output to a file with room on its disk, or to a program that reads it."


class OutputLostError(LabelQAError):
    """The result could not be printed."""


class _Output(io.FileIO):
    """Standard output that says in words why it cannot be written. A pipe that was closed stays what it is."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputLostError(f"Standard output cannot be written: {error.strerror}.", remedy=REMEDY) from error


class _Notes(io.FileIO):
    """Standard error that loses what it cannot write."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def prepare() -> None:
    """Put streams that any text can be written to in the place of the process's own.

    Raises OutputLostError where standard output is closed: to hear of it after long work would be late.
    """
    closed = sys.stdout is None
    _fill_gaps()
    sys.stderr = _text(_Notes(ERROR, "w", closefd=False), sys.stderr, line_buffering=True)
    if closed:
        raise OutputLostError("Standard output is closed.", remedy=REMEDY)
    sys.stdout = _text(_Output(OUTPUT, "w", closefd=False), sys.stdout, line_buffering=sys.stdout.isatty())


def print_document(text: str) -> None:
    """Print what other programs read: UTF-8, whatever the encoding of the terminal."""
    click.echo(printable(text).encode("utf-8", "backslashreplace"))


def silence(descriptor: int) -> None:
    """Point *descriptor* at nothing, so that the interpreter's last flush does not complain of a closed pipe."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _fill_gaps() -> None:
    """Take the numbers of streams that are closed, so that no file that is opened later is written to as one."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= ERROR:
        pass
    os.close(number)


def _text(raw: io.FileIO, before: TextIO | None, *, line_buffering: bool) -> io.TextIOWrapper:
    """A text stream over *raw* in the encoding of *before*; letters that it lacks are written as their numbers.

    Click puts a stream of its own in the place of one in ASCII, in UTF-8 and unfiltered: hence UTF-8 here.
    """
    encoding = before.encoding if before is not None else "utf-8"
    encoding = "utf-8" if codecs.lookup(encoding).name == "ascii" else encoding
    return PrintableText(
        io.BufferedWriter(raw), encoding=encoding, errors="backslashreplace", line_buffering=line_buffering
    )
