"""Segments of time, of sounds and of time series."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ntk_labelqa.label_types.blocks import image_address, picture_block
from ntk_labelqa.label_types.item_type import RegionType, Shown
from ntk_labelqa.label_types.place import Place, overlap_of_ranges
from ntk_labelqa.label_types.plot import HEIGHT, WIDTH

SMALL = 0.6
"""Share of their size at which pictures are shown that the one asked about is compared with."""
_SEGMENT = re.compile(r"#t=([-\d.e+]+),([-\d.e+]+)$")


@dataclass(frozen=True)
class Segment(Place):
    """From *start* to *end*, in seconds, or in the unit of the series' time; both are one of an instant.

    *channel* is that of a sound whose channels are labelled one by one; -1 where it is not known.
    """

    start: float
    end: float
    channel: int = -1

    def overlap(self, other: Place) -> float:
        """Intersection over union, 0 to 1; 0 of different channels, 1 of the same instant."""
        if not isinstance(other, Segment) or self.channel != other.channel:
            return 0.0
        if (self.start, self.end) == (other.start, other.end):
            return 1.0
        return overlap_of_ranges(self.start, self.end, other.start, other.end)

    def row(self) -> dict[str, Any]:
        """Its shape: what segments can be, the rules do not know."""
        return {"shape": "segment"}

    def value(self, whole: str) -> str:
        """The item's value: the file's address, or the numbers themselves, with the segment as a media fragment."""
        return f"{whole}#t={self.start!r},{self.end!r}"


class Segments(RegionType):
    """Segments of a file; the picture of one has it marked in what comes before and after it."""

    has_pictures = True

    def page(self, item: Shown) -> dict[str, str]:
        """The segment, marked, and its times."""
        return {"item_html": block(item, times(item.value))}

    def small(self, items: Sequence[tuple[Shown, str]]) -> str:
        """The same of each."""
        return "".join(block(item, f"{words}, {times(item.value)}", SMALL) for item, words in items)


def split_segment(value: str) -> tuple[str, Segment | None]:
    """The whole and the segment of an item's value; None for a value that is no segment's."""
    found = _SEGMENT.search(value)
    try:
        return (value[: found.start()], Segment(float(found[1]), float(found[2]))) if found else (value, None)
    except ValueError:  # an address that only looks like it
        return value, None


def times(value: str) -> str:
    """From when to when, in words."""
    segment = split_segment(value)[1]
    if segment is None:
        return ""
    return f"at {segment.start:.6g}" if segment.start == segment.end else f"{segment.start:.6g} to {segment.end:.6g}"


def block(item: Shown, words: str, share: float = 1.0) -> str:
    """The item's picture at a *share* of its size, with *words* below."""
    address = image_address("", item.task_id, item.thumbnail, item.base_path)
    return picture_block(address, width=round(share * WIDTH), height=round(share * HEIGHT), caption=words)
