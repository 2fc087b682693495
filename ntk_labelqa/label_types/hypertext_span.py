"""Spans of web pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ntk_labelqa.dataset import Control
from ntk_labelqa.label_types.span import Spans, integer, nearest
from ntk_labelqa.readable import text_nodes


class HyperTextSpans(Spans):
    """Labels and HyperTextLabels over a HyperText."""

    tags = frozenset({"Labels", "HyperTextLabels"})
    over = frozenset({"HyperText"})

    def document(self, shown: Any, control: Control) -> str | None:
        """The characters of the page's text, mark-up left out."""
        return text_nodes(shown) if isinstance(shown, str) else None

    def offsets(self, value: Mapping[str, Any], document: str, shown: Any, control: Control) -> tuple[int, int] | None:
        """Where the span's characters stand, nearest to its global offsets: browsers count white space otherwise."""
        counted = value.get("globalOffsets")
        counted = counted if isinstance(counted, Mapping) else value
        start, end = integer(counted.get("start")), integer(counted.get("end"))
        if "text" in value:
            return nearest(document, value["text"], start or 0)
        return (start, end) if start is not None and end is not None and start < end <= len(document) else None
