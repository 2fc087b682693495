"""Tables and lines for people: no wider than their terminal, and nothing cut off."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Collection, Sequence

from ntk_labelqa.shown import printable

UNKNOWN = 80
"""Columns that are taken where no terminal says how many it has."""
NARROWEST = 40
WHOLE, LEAST = 16, 8
"""Letters of a word up to which a column of single words is not wrapped, and those left to each of the others."""
_BEGIN = "\N{ZERO WIDTH SPACE}"
"""Tells where a row begins, and takes no room."""


def width() -> int:
    """The terminal's columns."""
    return max(shutil.get_terminal_size((UNKNOWN, 24)).columns, NARROWEST)


def aligned(rows: Sequence[Sequence[str]], *, right: Collection[int] = ()) -> list[str]:
    """Each row of cells as text; where they are too wide together, the widest columns are wrapped into lines.

    Args:
        rows: of as many cells each.
        right: columns that are set to the right; not the first one.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    rows = [[printable(cell).replace(_BEGIN, "") for cell in row] for row in rows]
    whole = _kept_whole(list(zip(*rows, strict=True)))
    for column in range(len(rows[0])):
        table.add_column(justify="right" if column in right else "left", overflow="fold", no_wrap=column in whole)
    for row in rows:
        first, *others = row
        table.add_row(Text(_BEGIN + first), *map(Text, others))
    page = Console(file=io.StringIO(), width=width(), color_system=None)
    with page.capture() as drawn:
        page.print(table)
    _, *texts = drawn.get().split(_BEGIN)
    return ["\n".join(line.rstrip() for line in text.splitlines()) for text in texts]


def _kept_whole(columns: Sequence[Sequence[str]]) -> Collection[int]:
    """The columns of single short words, which read badly in pieces; none where they would leave no room."""
    from rich.cells import cell_len

    longest = {
        number: max(map(cell_len, cells))
        for number, cells in enumerate(columns)
        if not any(" " in cell for cell in cells)
    }
    whole = {number: letters for number, letters in longest.items() if letters <= WHOLE}
    needed = sum(whole.values()) + LEAST * (len(columns) - len(whole)) + 2 * (len(columns) - 1)
    return whole if needed <= width() else ()


def wrapped(text: str, indent: str = "") -> str:
    """*text* in lines, those after its first set in by *indent*. Words, such as addresses and paths, stay whole."""
    from rich.cells import cell_len

    lines: list[str] = []
    for paragraph in printable(text).split("\n"):
        line, *words = re.split(r"(?<=\S) +", paragraph)
        for word in words:
            if cell_len(f"{line} {word}") <= width():
                line = f"{line} {word}"
            else:
                lines.append(line)
                line = indent + word
        lines.append(line)
    return "\n".join(lines)
