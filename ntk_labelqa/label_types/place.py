"""Where a region is in its item, and which regions of several annotators are the same one.

Annotators draw their own regions, with ids of their own. Two that overlap by half are taken for the same item, labelled
twice: as items of their own, each would vouch for the other.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

SAME = 0.5
"""Intersection over union from which on two regions are the same item."""
DRAWN_TWICE = 0.9
"""Intersection over union from which on two regions of one person are one region with two labels."""


class Place(ABC):
    """Where in what a task shows a region is."""

    @abstractmethod
    def overlap(self, other: Place) -> float:
        """Intersection over union, 0 to 1; 0 of places of different kinds."""

    @abstractmethod
    def value(self, whole: str) -> str:
        """The value of an item that is this part of *whole*, an address or a text."""

    @abstractmethod
    def row(self) -> dict[str, Any]:
        """What :data:`ntk_labelqa.diagnostics.region_faults.COLUMNS` holds of it: its ``shape`` at least."""


class UnusableRegion(Exception):
    """Why a region cannot be cut out of its file, in words."""


def numbers(value: Mapping[str, Any], *names: str) -> list[float] | None:
    """The numbers that *value* has under *names*; None where one of them is missing, no number, or not finite."""
    found = [finite(value.get(name)) for name in names]
    return None if None in found else [number for number in found if number is not None]


def finite(value: object) -> float | None:
    """*value* as a float; None where it is no finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # an integer of more than 300 digits
        return None
    return number if math.isfinite(number) else None


def overlap_of_ranges(start: float, end: float, other_start: float, other_end: float) -> float:
    """Intersection over union of two stretches of a line, 0 to 1."""
    both = max(0.0, min(end, other_end) - max(start, other_start))
    union = max(end, other_end) - min(start, other_start)
    return both / union if union else 0.0


def same_regions(known: Sequence[Place], drawn: Sequence[Place]) -> list[int | None]:
    """For each region that one annotator has drawn the one of *known* that it is, None if it is a new one.

    Each known region is given once, the best overlaps first.
    """
    pairs = [
        (overlap, row, column)
        for row, place in enumerate(drawn)
        for column, other in enumerate(known)
        if (overlap := place.overlap(other)) >= SAME
    ]
    found: list[int | None] = [None] * len(drawn)
    taken: set[int] = set()
    for _overlap, row, column in sorted(pairs, key=lambda pair: -pair[0]):
        if found[row] is None and column not in taken:
            found[row] = column
            taken.add(column)
    return found
