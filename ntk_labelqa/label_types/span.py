"""Spans of texts: what those of a Text, a web page and a dialogue have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ntk_labelqa.dataset import SPAN_MARKS, Control, split_span
from ntk_labelqa.label_types.blocks import span_block
from ntk_labelqa.label_types.item_type import RegionType, Shown
from ntk_labelqa.label_types.place import Place, overlap_of_ranges
from ntk_labelqa.label_types.words import shorten
from ntk_labelqa.task_data import value_shown

CONTEXT = 80
"""Characters shown and read on each side of a span."""


@dataclass(frozen=True)
class Span(Place):
    """Characters *start* to *end* (excluded) of a text, those themselves, and those around them."""

    start: int
    end: int
    text: str = ""
    before: str = ""
    after: str = ""
    counted: bool = True
    """Whether the result counts its characters in the same way."""

    @classmethod
    def within(cls, document: str, start: int, end: int) -> Span:
        """The span of *document*, with its context."""
        for mark in SPAN_MARKS:  # a text's own marks would be taken for ours
            document = document.replace(mark, " ")
        first, last = max(0, start - CONTEXT), end + CONTEXT
        before = ("…" if first else "") + document[first:start]
        after = document[end:last] + ("…" if last < len(document) else "")
        return cls(start, end, document[start:end], before, after)

    def overlap(self, other: Place) -> float:
        """Intersection over union, 0 to 1."""
        if not isinstance(other, Span):
            return 0.0
        return overlap_of_ranges(self.start, self.end, other.start, other.end)

    def value(self, whole: str) -> str:
        """The item's value: the span between :data:`~ntk_labelqa.dataset.SPAN_MARKS`, in its context."""
        return f"{self.before}{SPAN_MARKS[0]}{self.text}{SPAN_MARKS[1]}{self.after}"

    def row(self) -> dict[str, Any]:
        """Characters, and what they are."""
        shape = "span" if self.counted else "span of a page"
        return {"shape": shape, "start": self.start, "end": self.end, "text": self.text}


class Spans(RegionType):
    """Spans of what a reader takes in."""

    kind = "span"
    is_textual = True

    @abstractmethod
    def document(self, shown: Any, control: Control) -> str | None:
        """The text that offsets count in, of the value that the object shows; None where it is none."""

    @abstractmethod
    def offsets(self, value: Mapping[str, Any], document: str, shown: Any, control: Control) -> tuple[int, int] | None:
        """Where in *document* the span of a result's *value* says it is."""

    def read(self, result: Mapping[str, Any], data: Mapping[str, Any], control: Control) -> Span | None:
        """The span, if its characters are those that the result says."""
        shown = value_shown(data, control)
        document, value = self.document(shown, control), result["value"]
        if document is None:
            return None
        place = self.offsets(value, document, shown, control)
        if place is None or not document[slice(*place)].strip():
            return None
        counted = (value.get("start"), value.get("end")) == place
        return replace(Span.within(document, *place), counted=counted)

    def in_words(self, value: str, length: int) -> str:
        """The span, set in brackets, with as much of its context as *length* leaves room for."""
        before, span, after = (" ".join(part.split()) for part in split_span(value))
        if not span:
            return shorten(value, length)
        span = shorten(span, length - 2)
        room = max(length - len(span) - 4, 0)
        left = before if len(before) <= room // 2 else "…" + before[len(before) - room // 2 :].lstrip()
        right = shorten(after, max(room - len(left), 1)) if after else ""
        return " ".join(part for part in (left, SPAN_MARKS[0] + span + SPAN_MARKS[1], right) if part)

    def page(self, item: Shown) -> dict[str, str]:
        """The span, highlighted in its context."""
        return {"item_html": span_block(item.value, size=18)}

    def small(self, items: Sequence[tuple[Shown, str]]) -> str:
        """The same, smaller."""
        return "".join(span_block(item.value, size=14, caption=words) for item, words in items)


def integer(value: object) -> int | None:
    """*value* as an offset; strings of digits are taken as Label Studio writes them. None where it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else None
    return value if isinstance(value, int) and value >= 0 else None


def nearest(document: str, said: object, start: int) -> tuple[int, int] | None:
    """Where *said* stands in *document*, nearest to *start*; white space may differ. None where it stands nowhere."""
    if not isinstance(said, str) or not said.strip() or len(said) > len(document) + CONTEXT:
        return None
    # Without white space, with where each character stood: plain searches take time in proportion to the text.
    kept = [at for at, letter in enumerate(document) if not letter.isspace()]
    letters, wanted = "".join(document[at] for at in kept), "".join(said.split())
    best: tuple[int, int] | None = None
    at = letters.find(wanted)
    while at >= 0:
        place = kept[at], kept[at + len(wanted) - 1] + 1
        if best is None or abs(place[0] - start) < abs(best[0] - start):
            best = place
        at = letters.find(wanted, at + 1)
    return best
