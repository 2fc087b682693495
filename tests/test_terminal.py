"""Tables fit the terminal, and lose nothing."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from ntk_labelqa.terminal import NARROWEST, UNKNOWN, aligned, width, wrapped

LONG = "a class with a long name " * 6 + "x" * 120
ROWS = [
    ("scheme", "items", "95 % interval", "what to do"),
    ("ann", "12", "1.0% to 2.0%", "→ nothing"),
    (LONG, "1,234,567", "10.0% to 20.0%", "ask [red]them[/] " * 9),
    ("猫" * 70, "1", "–", "\N{ZERO WIDTH SPACE}"),
]


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr("os.get_terminal_size", lambda *_: (_ for _ in ()).throw(OSError("no terminal")))


@pytest.mark.parametrize("columns", [None, "40", "80", "132"])
@pytest.mark.parametrize("rows", [ROWS, [("abcdefghijklmno",) * 9] * 2])
def test_a_table_fits_and_holds_every_letter(monkeypatch, columns: str | None, rows) -> None:
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    texts = aligned(rows, right={1})
    assert len(texts) == len(rows)
    assert max(cell_len(line) for text in texts for line in text.splitlines()) <= width()
    for row, text in zip(rows, texts, strict=True):
        wanted, shown = ("".join(sorted("".join(part).replace(" ", ""))) for part in (row, text.split()))
        assert shown == wanted.replace("\N{ZERO WIDTH SPACE}", "")


def test_what_fits_is_one_line_a_row() -> None:
    assert aligned(ROWS[:2], right={1}) == [
        "scheme  items  95 % interval  what to do",
        "ann        12  1.0% to 2.0%   → nothing",
    ]


def test_an_unknown_width_is_eighty(monkeypatch) -> None:
    assert width() == UNKNOWN == 80
    monkeypatch.setenv("COLUMNS", "3")
    assert width() == NARROWEST


def test_lines_are_wrapped_between_words_alone() -> None:
    address = "https://labels.example.org/" + "long/" * 30
    lines = wrapped(f"Review project: {address} has words " + "and more " * 20, "  ").splitlines()
    assert any(address in line for line in lines)
    assert all(len(line) <= 80 for line in lines if address not in line)
    assert all(line.startswith("  ") for line in lines[1:])
    assert wrapped("\nfirst\nsecond") == "\nfirst\nsecond"
