"""Spans of a Text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ntk_labelqa.dataset import Control
from ntk_labelqa.label_types.span import Spans, integer


class TextSpans(Spans):
    """Labels over a Text."""

    tags = frozenset({"Labels"})
    over = frozenset({"Text"})

    def document(self, shown: Any, control: Control) -> str | None:
        """The text itself."""
        return shown if isinstance(shown, str) else None

    def offsets(self, value: Mapping[str, Any], document: str, shown: Any, control: Control) -> tuple[int, int] | None:
        """Offsets are counted in characters, or as browsers do, in units of UTF-16."""
        start, end, said = integer(value.get("start")), integer(value.get("end")), value.get("text")
        if start is None or end is None or isinstance(value.get("start"), str):
            return None
        units = document.encode("utf-16-le", "surrogatepass")
        before, inside = (units[2 * a : 2 * b].decode("utf-16-le", "replace") for a, b in ((0, start), (start, end)))
        for place in ((start, end), (len(before), len(before) + len(inside))):
            there = document[slice(*place)]
            if place[1] <= len(document) and there.strip() and (said is None or there == said):
                return place
        return None
