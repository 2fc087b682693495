"""Ellipses, upright or turned about their centre."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from ntk_labelqa.label_types.shape import Points, Shape, Window, bounds_of, turned_sides

CORNERS = 48
"""Of the polygon that stands for an ellipse: its area is right to three thousandths."""


@dataclass(frozen=True)
class Ellipse(Shape):
    """An ellipse about *x*, *y*, in per cent of the image's sides, turned by *rotation* degrees about its centre."""

    x: float
    y: float
    radius_x: float
    radius_y: float
    rotation: float = 0.0
    image_width: int = 0
    image_height: int = 0

    FIELDS = ("x", "y", "radiusX", "radiusY")
    NAME = "ellipse"

    @classmethod
    def read(cls, value: Mapping[str, Any], size: tuple[int, int]) -> Self | None:
        """See :class:`~ntk_labelqa.label_types.shape.Shape`."""
        sides = turned_sides(value, *cls.FIELDS)
        return None if sides is None else cls(*sides, image_width=size[0], image_height=size[1])

    @classmethod
    def parse(cls, text: str, bounds: Window, size: tuple[int, int]) -> Self:
        """See :class:`~ntk_labelqa.label_types.shape.Shape`."""
        x, y, radius_x, radius_y, rotation = map(float, text.split(","))
        return cls(x, y, radius_x, radius_y, rotation, size[0], size[1])

    def written(self) -> str:
        """Centre, radii and rotation."""
        return ",".join(f"{part:.6g}" for part in (self.x, self.y, self.radius_x, self.radius_y, self.rotation))

    @property
    def bounds(self) -> Window:
        """See :class:`~ntk_labelqa.label_types.shape.Shape`."""
        return bounds_of(self.outline())

    def outline(self) -> Points:
        """Points on the rim; turning is done in pixels."""
        cos, sin = math.cos(math.radians(self.rotation)), math.sin(math.radians(self.rotation))
        wide, high = self.radius_x * self.aspect, self.radius_y
        rim = [2 * math.pi * step / CORNERS for step in range(CORNERS)]
        return tuple(
            (
                self.x + (wide * math.cos(at) * cos - high * math.sin(at) * sin) / self.aspect,
                self.y + wide * math.cos(at) * sin + high * math.sin(at) * cos,
            )
            for at in rim
        )
