"""Rectangles, upright or turned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from ntk_labelqa.label_types.place import Place
from ntk_labelqa.label_types.shape import SMALLEST, Points, Shape, Window, bounds_of, pixels_inside, turned_sides

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Box(Shape):
    """A rectangle in an image, in per cent of its sides, turned by *rotation* degrees about its upper left corner."""

    x: float
    y: float
    width: float
    height: float
    rotation: float = 0.0
    image_width: int = 0
    image_height: int = 0

    FIELDS = ("x", "y", "width", "height")
    NAME = ""

    @classmethod
    def read(cls, value: Mapping[str, Any], size: tuple[int, int]) -> Self | None:
        """See :class:`~ntk_labelqa.label_types.shape.Shape`."""
        sides = turned_sides(value, *cls.FIELDS)
        return None if sides is None else cls(*sides, image_width=size[0], image_height=size[1])

    @classmethod
    def parse(cls, text: str, bounds: Window, size: tuple[int, int]) -> Self:
        """See :class:`~ntk_labelqa.label_types.shape.Shape`; *text* is the rotation, *bounds* are before it."""
        return cls(bounds.left, bounds.top, bounds.right - bounds.left, bounds.bottom - bounds.top, float(text), *size)

    def written(self) -> str:
        """The rotation."""
        return f"{self.rotation:.6g}"

    @property
    def frame(self) -> tuple[float, float, float, float, float]:
        """See :class:`~ntk_labelqa.label_types.shape.Shape`."""
        return self.x, self.y, self.width, self.height, self.rotation

    @property
    def bounds(self) -> Window:
        """The upright window with all corners in it."""
        return bounds_of(self.outline())

    def outline(self) -> Points:
        """The four corners; turning is done in pixels."""
        cos, sin = math.cos(math.radians(self.rotation)), math.sin(math.radians(self.rotation))
        wide, high = self.width * self.aspect, self.height
        corners = ((0.0, 0.0), (wide, 0.0), (wide, high), (0.0, high))
        return tuple(
            (self.x + (right * cos - down * sin) / self.aspect, self.y + right * sin + down * cos)
            for right, down in corners
        )

    def overlap(self, other: Place) -> float:
        """Intersection over union, 0 to 1: exact between upright boxes, else on a grid."""
        if not isinstance(other, Box) or self.rotation or other.rotation:
            return super().overlap(other)
        wide = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        high = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        both = max(0.0, wide) * max(0.0, high)
        union = self.width * self.height + other.width * other.height - both
        return both / union if union else 0.0

    def cut(self, image: Image.Image) -> Image.Image | None:
        """The part of *image* in the box, turned upright; None where less than 2 pixels a side are left."""
        from PIL import Image

        if not self.rotation:
            edges = pixels_inside(self.bounds, image.size)
            return image.crop(edges) if edges else None
        width, height = self.width / 100 * image.width, self.height / 100 * image.height
        whole = Window(0.0, 0.0, 100.0, 100.0)
        if min(width, height) < SMALLEST or not self.bounds.meets(whole) or max(width, height) > sum(image.size):
            return None
        cos, sin = math.cos(math.radians(self.rotation)), math.sin(math.radians(self.rotation))
        left, top = self.x / 100 * image.width, self.y / 100 * image.height
        right, down = (width * cos, width * sin), (-height * sin, height * cos)
        corners = (
            *(left, top),
            *(left + down[0], top + down[1]),
            *(left + down[0] + right[0], top + down[1] + right[1]),
            *(left + right[0], top + right[1]),
        )
        return image.transform((round(width), round(height)), Image.Transform.QUAD, corners)

    def mark(self) -> str:
        """Style of a frame around the box."""
        return (
            f"left:{self.x:.6g}%; top:{self.y:.6g}%; width:{self.width:.6g}%; height:{self.height:.6g}%; "
            "box-sizing:border-box; border:2px solid #e00; box-shadow:0 0 0 1px #fff; transform-origin:0 0; "
            f"transform:rotate({self.rotation:.6g}deg)"
        )
