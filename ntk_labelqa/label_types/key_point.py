"""Key points: single places, of which what is around them is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from ntk_labelqa.label_types.shape import Points, Shape, Window, pixels_inside, shares

if TYPE_CHECKING:
    from PIL import Image

RADIUS = 10.0
"""Per cent of the image's shorter side: half the side of the square around a point that is looked at. Two points are
the same if these squares overlap by half, which they do up to a third of their side apart."""


@dataclass(frozen=True)
class KeyPoint(Shape):
    """A point of an image, in per cent of its sides."""

    x: float
    y: float
    image_width: int = 0
    image_height: int = 0

    FIELDS = ("x", "y", "width")
    NAME = "point"

    @classmethod
    def read(cls, value: Mapping[str, Any], size: tuple[int, int]) -> Self | None:
        """See :class:`~ntk_labelqa.label_types.shape.Shape`; how large the point was drawn says nothing."""
        place = shares(value, "x", "y")
        return None if place is None else cls(place[0], place[1], size[0], size[1])

    @classmethod
    def parse(cls, text: str, bounds: Window, size: tuple[int, int]) -> Self:
        """See :class:`~ntk_labelqa.label_types.shape.Shape`."""
        x, y = map(float, text.split(","))
        return cls(x, y, size[0], size[1])

    def written(self) -> str:
        """The point."""
        return f"{self.x:.6g},{self.y:.6g}"

    @property
    def bounds(self) -> Window:
        """The square around the point."""
        across, down = RADIUS / max(self.aspect, 1.0), RADIUS * min(self.aspect, 1.0)
        return Window(self.x - across, self.y - down, self.x + across, self.y + down)

    def outline(self) -> Points:
        """The corners of the square around it."""
        window = self.bounds
        left, top, right, bottom = window.left, window.top, window.right, window.bottom
        return (left, top), (right, top), (right, bottom), (left, bottom)

    def row(self) -> dict[str, Any]:
        """Neither size nor form."""
        return {"shape": self.NAME}

    def cut(self, image: Image.Image) -> Image.Image | None:
        """The square around the point, as far as it is in *image*; None where the point lies outside."""
        edges = pixels_inside(self.bounds, image.size)
        inside = 0 <= self.x <= 100 and 0 <= self.y <= 100
        return image.crop(edges) if edges and inside else None

    def mark(self) -> str:
        """Style of a ring around the point."""
        return (
            f"left:{self.x:.6g}%; top:{self.y:.6g}%; width:14px; height:14px; margin:-7px 0 0 -7px; "
            "box-sizing:border-box; border:3px solid #e00; border-radius:50%; box-shadow:0 0 0 1px #fff"
        )
