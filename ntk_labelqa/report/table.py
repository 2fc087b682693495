"""What a table of the page is made of; one template macro draws them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ntk_labelqa.report import formats
from ntk_labelqa.report.items import Picture


@dataclass(frozen=True)
class Cell:
    """One cell: its text, and what it is sorted by where that is not the text.

    ``href`` links the text; ``picture`` is shown before it; ``bar`` (0 to 1) draws the value;
    ``foreign`` marks a name of the project's own, and ``prose`` a text: both may run in either direction.
    """

    text: str
    sort: float | None = None
    href: str = ""
    picture: Picture | None = None
    bar: float | None = None
    foreign: bool = False
    prose: bool = False


@dataclass(frozen=True)
class Column:
    """A column heading, and whether figures stand below it."""

    title: str
    numeric: bool = False


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Attributes:
        key: its id on the page.
        caption: read by screen readers and shown above it.
        rows: at most as many as the page should carry.
        total: rows there are in all; the others are in ``file``.
        stored: how many of them are there, from the first, where that is not all of them either.
    """

    key: str
    caption: str
    columns: tuple[Column, ...]
    rows: Sequence[tuple[Cell, ...]]
    total: int
    file: str
    stored: int | None = None

    @property
    def cut(self) -> str:
        """Where the rest is, in words, and that a search does not reach it; empty where the table is complete."""
        if len(self.rows) == self.total:
            return ""
        shown = f"The first {formats.count(len(self.rows))} of {formats.count(self.total)}; only these can be searched."
        rest = "All" if self.stored is None else f"The first {formats.count(self.stored)}"
        return f"{shown} {rest} are in {self.file}."


def words(text: str) -> Cell:
    """A class, annotator or scheme of the project's own."""
    return Cell(text, foreign=True)


def isolated(name: str) -> str:
    """*name* for use within a sentence, whichever way it is written."""
    return f"\N{FIRST STRONG ISOLATE}{name}\N{POP DIRECTIONAL ISOLATE}"


def text(words: str) -> Cell:
    """What the project's own items say."""
    return Cell(words, prose=True)


def number(value: float) -> Cell:
    """A whole number."""
    return Cell(formats.count(value), sort=float(value))


def share(value: float | None, *, bar: bool = False) -> Cell:
    """A share of 1; missing ones sort last when the largest come first."""
    missing = value is None or value != value
    return Cell(formats.share(value), sort=-1.0 if missing else value, bar=value if bar and not missing else None)


def figure(value: float | None) -> Cell:
    """Any other figure."""
    missing = value is None or value != value
    return Cell(formats.figure(value), sort=float("-1e300") if missing else value)
