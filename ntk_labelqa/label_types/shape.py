"""Regions of images: what boxes, polygons, ellipses, masks and key points have in common.

Places are in per cent of the image's sides, as Label Studio has them.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from ntk_labelqa.label_types.place import Place, finite, numbers

if TYPE_CHECKING:
    from PIL import Image

Points = tuple[tuple[float, float], ...]
GRID = 128
"""Cells a side on which areas of shapes are compared that have no formula: an error of about a hundredth."""
MOST_SHARE = 1_000_000.0
"""Per cent of an image's side beyond which a number is no place."""
MOST_SIDE = 1_000_000
"""Pixels a side beyond which what is said of an image's size is no size."""


@dataclass(frozen=True)
class Window:
    """An upright part of an image, in per cent of its sides."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Window) -> bool:
        """Whether both share some area."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.bottom, other.bottom) - max(self.top, other.top)
        return wide > 0 and high > 0

    def around(self, other: Window) -> Window:
        """The smallest window with both in it."""
        return Window(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )


class Shape(Place):
    """A region of an image.

    *image_width* and *image_height* are the image's, in pixels; 0 where they are not known.
    """

    FIELDS: ClassVar[tuple[str, ...]]
    """Fields of a result's value that tell this shape from others."""
    NAME: ClassVar[str]
    """What its part of an item's value begins with; empty of boxes."""
    image_width: int
    image_height: int

    @classmethod
    @abstractmethod
    def read(cls, value: Mapping[str, Any], size: tuple[int, int]) -> Self | None:
        """The shape of a result's *value* in an image of *size* (width, height); None where it cannot be read."""

    @classmethod
    @abstractmethod
    def parse(cls, text: str, bounds: Window, size: tuple[int, int]) -> Self:
        """The inverse of :meth:`written`."""

    @abstractmethod
    def written(self) -> str:
        """All that *bounds* and the image's size do not tell, for an item's value; without ``&`` and ``#``."""

    @property
    @abstractmethod
    def bounds(self) -> Window:
        """The smallest upright window with all of the shape in it."""

    @abstractmethod
    def outline(self) -> Points:
        """The corners of a polygon that has the shape's form."""

    @property
    def frame(self) -> tuple[float, float, float, float, float]:
        """The box around it: x, y, width, height, and its rotation in degrees."""
        window = self.bounds
        return window.left, window.top, window.right - window.left, window.bottom - window.top, 0.0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the image, in pixels; 0 where they are not known."""
        return self.image_width, self.image_height

    @property
    def aspect(self) -> float:
        """Width over height of the image; 1 where it is not known."""
        return self.image_width / self.image_height if self.image_width and self.image_height else 1.0

    def overlap(self, other: Place) -> float:
        """Intersection over union, 0 to 1, counted on a grid."""
        if not isinstance(other, Shape) or not self.bounds.meets(other.bounds):
            return 0.0
        window = self.bounds.around(other.bounds)
        mine, others = self.filled(window, GRID, GRID), other.filled(window, GRID, GRID)
        union = np.count_nonzero(mine | others)
        return float(np.count_nonzero(mine & others) / union) if union else 0.0

    def filled(self, window: Window, width: int, height: int) -> np.ndarray:
        """Which of *width* by *height* cells of *window* lie in the shape, bool[height, width]."""
        from PIL import Image, ImageDraw

        across, down = window.right - window.left, window.bottom - window.top
        points = [
            ((x - window.left) / across * width - 0.5, (y - window.top) / down * height - 0.5)
            for x, y in self.outline()
        ]
        canvas = Image.new("1", (width, height))
        if len(points) > 1:
            ImageDraw.Draw(canvas).polygon(points, fill=1)
        return np.asarray(canvas)

    def value(self, whole: str) -> str:
        """The item's value: the image's address with the shape as a media fragment."""
        return fragment(whole, self) + (f"&{self.NAME}={self.written()}" if self.NAME else "")

    def row(self) -> dict[str, Any]:
        """The box around it, for the table of regions."""
        return {
            "shape": self.NAME or "box",
            **dict(zip(("x", "y", "width", "height", "rotation"), self.frame, strict=True)),
            "aspect": self.aspect,
        }

    def cut(self, image: Image.Image) -> Image.Image | None:
        """The part of *image* in its bounds, white outside the shape; None where less than 2 pixels a side are left."""
        from PIL import Image

        edges = pixels_inside(self.bounds, image.size)
        if edges is None:
            return None
        part = image.crop(edges)
        window = Window(*(100 * edge / side for edge, side in zip(edges, image.size * 2, strict=True)))
        inside = Image.fromarray(self.filled(window, *part.size))
        white = 1.0 if image.mode == "F" else (255 if image.mode == "L" else (255, 255, 255))
        canvas = Image.new(image.mode, part.size, white)
        canvas.paste(part, mask=inside)
        return canvas

    def mark(self) -> str:
        """Style of a block as large as the image that marks the shape in it."""
        corners = ", ".join(f"{x:.4g}% {y:.4g}%" for x, y in self.outline())
        return f"left:0; top:0; width:100%; height:100%; background:#e00; opacity:0.45; clip-path:polygon({corners})"


SMALLEST = 2
"""Pixels a side that a region has to have within its image."""


def pixels_inside(window: Window, size: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """Left, top, right and bottom of *window* within an image of *size*; None where too little is left."""
    width, height = size
    edges = (
        max(0, round(window.left / 100 * width)),
        max(0, round(window.top / 100 * height)),
        min(width, round(window.right / 100 * width)),
        min(height, round(window.bottom / 100 * height)),
    )
    return None if edges[2] - edges[0] < SMALLEST or edges[3] - edges[1] < SMALLEST else edges


def fragment(address: str, shape: Shape) -> str:
    """*address* with the box around *shape* as a media fragment, with its rotation and the image's size."""
    *sides, rotation = shape.frame
    place = ",".join(f"{side:.6g}" for side in sides)
    return f"{address}#xywh=percent:{place}&rotate={rotation:.6g}&size={shape.image_width}x{shape.image_height}"


def bounds_of(points: Points) -> Window:
    """The smallest window with all *points* in it."""
    across, down = [x for x, _ in points], [y for _, y in points]
    return Window(min(across), min(down), max(across), max(down))


def written_points(points: Points) -> str:
    """*points* as text: ``x,y;x,y``."""
    return ";".join(f"{x:.6g},{y:.6g}" for x, y in points)


def parsed_points(text: str) -> Points:
    """The inverse of :func:`written_points`."""
    return tuple((float(x), float(y)) for x, y in (pair.split(",") for pair in text.split(";")))


def shares(value: Mapping[str, Any], *names: str) -> list[float] | None:
    """Per cent of the image's sides that *value* has under *names*; None where one is no number, or beyond all use."""
    found = numbers(value, *names)
    return None if found is None or max(map(abs, found), default=0.0) > MOST_SHARE else found


def turned_sides(value: Mapping[str, Any], *names: str) -> tuple[float, float, float, float, float] | None:
    """A corner or centre, two sides and the rotation in degrees; None where a side is none, or no number is there."""
    found, turned = shares(value, *names), finite(value.get("rotation") or 0.0)
    if found is None or turned is None or found[2] <= 0 or found[3] <= 0:
        return None
    return found[0], found[1], found[2], found[3], math.fmod(turned, 360.0)


def size_said(result: Mapping[str, Any]) -> tuple[int, int]:
    """Width and height of the image that a result is of, in pixels; 0 where it does not say, or what cannot be."""
    sides = [finite(result.get(f"original_{side}")) or 0.0 for side in ("width", "height")]
    width, height = (int(side) if 0 < side <= MOST_SIDE else 0 for side in sides)
    return width, height
