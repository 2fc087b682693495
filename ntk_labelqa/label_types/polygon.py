"""Polygons: a row of corners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeGuard

from ntk_labelqa.label_types.shape import Points, Shape, Window, bounds_of, parsed_points, shares, written_points

FEWEST = 3
"""Corners of a polygon that has an area."""
MOST = 20_000
"""Corners that are read; nobody clicks more."""


@dataclass(frozen=True)
class Polygon(Shape):
    """A polygon in an image; its last corner is joined to its first."""

    points: Points
    image_width: int = 0
    image_height: int = 0

    FIELDS = ("points",)
    NAME = "polygon"

    @classmethod
    def read(cls, value: Mapping[str, Any], size: tuple[int, int]) -> Self | None:
        """See :class:`~ntk_labelqa.label_types.shape.Shape`."""
        said = value.get("points")
        if not isinstance(said, list) or not FEWEST <= len(said) <= MOST:
            return None
        points = []
        for corner in said:
            pair = shares(dict(zip("xy", corner, strict=True)), *"xy") if _is_pair(corner) else None
            if pair is None:
                return None
            points.append((pair[0], pair[1]))
        found = cls(tuple(points), *size)
        window = found.bounds
        return found if window.right > window.left and window.bottom > window.top else None

    @classmethod
    def parse(cls, text: str, bounds: Window, size: tuple[int, int]) -> Self:
        """See :class:`~ntk_labelqa.label_types.shape.Shape`."""
        return cls(parsed_points(text), *size)

    def written(self) -> str:
        """The corners."""
        return written_points(self.points)

    @property
    def bounds(self) -> Window:
        """See :class:`~ntk_labelqa.label_types.shape.Shape`."""
        return bounds_of(self.points)

    def outline(self) -> Points:
        """The corners."""
        return self.points

    def row(self) -> dict[str, Any]:
        """Its bounds, and its corners."""
        return {**super().row(), "points": self.written()}


def _is_pair(corner: object) -> TypeGuard[list[Any]]:
    return isinstance(corner, list) and len(corner) == 2
