"""Where a region is in its item, and which regions of several annotators are the same one.

Annotators draw their own regions, with ids of their own. Two that overlap by half are taken for the same item, labelled
twice: as items of their own, each would vouch for the other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ntk_labelqa.dataset import SPAN_MARKS

SAME = 0.5
"""Intersection over union from which on two regions are the same item."""
CONTEXT = 80
"""Characters shown and read on each side of a span."""

_FRAGMENT = re.compile(r"#xywh=percent:([-\d.e]+),([-\d.e]+),([-\d.e]+),([-\d.e]+)&rotate=([-\d.e]+)&size=(\d+)x(\d+)$")


@dataclass(frozen=True)
class Box:
    """A rectangle in an image, in per cent of its sides, turned by *rotation* degrees about its upper left corner.

    *image_width* and *image_height* are the image's, in pixels; 0 where they are not known.
    """

    x: float
    y: float
    width: float
    height: float
    rotation: float = 0.0
    image_width: int = 0
    image_height: int = 0

    def overlap(self, other: Box) -> float:
        """Intersection over union, 0 to 1; rotation is left out of account unless it differs."""
        if abs(self.rotation - other.rotation) > 15:
            return 0.0
        wide = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        high = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        both = max(0.0, wide) * max(0.0, high)
        union = self.width * self.height + other.width * other.height - both
        return both / union if union else 0.0

    def value(self, address: str) -> str:
        """The item's value: the image's address with the box as a media fragment."""
        place = ",".join(f"{side:.6g}" for side in (self.x, self.y, self.width, self.height))
        return f"{address}#xywh=percent:{place}&rotate={self.rotation:.6g}&size={self.image_width}x{self.image_height}"


@dataclass(frozen=True)
class Span:
    """Characters *start* to *end* (excluded) of a text."""

    start: int
    end: int

    def overlap(self, other: Span) -> float:
        """Intersection over union, 0 to 1."""
        both = max(0, min(self.end, other.end) - max(self.start, other.start))
        union = max(self.end, other.end) - min(self.start, other.start)
        return both / union if union else 0.0

    def value(self, text: str) -> str:
        """The item's value: the span between :data:`~ntk_labelqa.dataset.SPAN_MARKS`, in its context."""
        for mark in SPAN_MARKS:  # a text's own marks would be taken for ours
            text = text.replace(mark, " ")
        start, end = max(0, self.start - CONTEXT), self.end + CONTEXT
        before = ("…" if start else "") + text[start : self.start]
        after = text[self.end : end] + ("…" if end < len(text) else "")
        return f"{before}{SPAN_MARKS[0]}{text[self.start : self.end]}{SPAN_MARKS[1]}{after}"


Place = Box | Span


def split_crop(value: str) -> tuple[str, Box | None]:
    """The image's address and the box of a crop's value; None for a value that is no crop's."""
    found = _FRAGMENT.search(value)
    if not found:
        return value, None
    x, y, width, height, rotation = map(float, found.groups()[:5])
    image_width, image_height = map(int, found.groups()[5:])
    return value[: found.start()], Box(x, y, width, height, rotation, image_width, image_height)


def same_regions(known: Sequence[Place], drawn: Sequence[Place]) -> list[int | None]:
    """For each region that one annotator has drawn the one of *known* that it is, None if it is a new one.

    Each known region is given once, the best overlaps first.
    """
    pairs = [
        (place.overlap(other), row, column)  # type: ignore[arg-type] # all of one task are of one kind
        for row, place in enumerate(drawn)
        for column, other in enumerate(known)
    ]
    found: list[int | None] = [None] * len(drawn)
    taken: set[int] = set()
    for overlap, row, column in sorted(pairs, key=lambda pair: -pair[0]):
        if overlap >= SAME and found[row] is None and column not in taken:
            found[row] = column
            taken.add(column)
    return found
