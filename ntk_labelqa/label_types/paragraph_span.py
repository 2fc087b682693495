"""Spans of what somebody says in a dialogue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ntk_labelqa.dataset import Control
from ntk_labelqa.label_types.span import Spans, integer, nearest
from ntk_labelqa.readable import TURN_KEYS, turns


class ParagraphSpans(Spans):
    """Labels and ParagraphLabels over Paragraphs."""

    tags = frozenset({"Labels", "ParagraphLabels"})
    over = frozenset({"Paragraphs"})

    def document(self, shown: Any, control: Control) -> str | None:
        """A line a turn, ``who: what``."""
        if not isinstance(shown, list):
            return None
        return "\n".join(who + said for who, said in turns(shown, control.turn_keys or TURN_KEYS))

    def offsets(self, value: Mapping[str, Any], document: str, shown: Any, control: Control) -> tuple[int, int] | None:
        """Offsets count in what is said in the turns that the span begins and ends in."""
        said = turns(shown, control.turn_keys or TURN_KEYS)
        start = _position(said, integer(value.get("start")), integer(value.get("startOffset")))
        end = _position(said, integer(value.get("end")), integer(value.get("endOffset")))
        if start is None or end is None or start >= end:
            return None
        if "text" in value and document[start:end] != value["text"]:
            return nearest(document, value["text"], start)
        return start, end


def _position(said: list[tuple[str, str]], turn: int | None, offset: int | None) -> int | None:
    """Where in the document the character *offset* of what is said in a turn stands; None where there is none."""
    if turn is None or offset is None or turn >= len(said) or offset > len(said[turn][1]):
        return None
    return sum(len(who) + len(what) + 1 for who, what in said[:turn]) + len(said[turn][0]) + offset
