"""Texts cut to what a line has room for."""

from __future__ import annotations


def shorten(text: str, length: int) -> str:
    """*text* on one line, with an ellipsis where it was longer than *length* characters."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"
