"""Masks that were painted with a brush, run-length encoded as Label Studio has them."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ntk_labelqa.label_types.place import UnusableRegion
from ntk_labelqa.label_types.shape import Points, Shape, Window

if TYPE_CHECKING:
    from PIL import Image

LONGEST = 64
"""Cells of the longer side of a mask's bounds that its form is kept in."""
MOST_PIXELS = 50_000_000
"""Of an image whose masks are decoded: each pixel takes four bytes."""
_HEAD = 8
"""Bytes: less holds no mask."""


@dataclass(frozen=True)
class Mask(Shape):
    """A mask within its bounds: *cells* are the rows of a bitmap, ``rows`` by ``columns``, packed to bits."""

    window: Window
    rows: int
    columns: int
    cells: bytes
    image_width: int = 0
    image_height: int = 0

    FIELDS = ("rle",)
    NAME = "mask"

    @classmethod
    def read(cls, value: Mapping[str, Any], size: tuple[int, int]) -> Self | None:
        """See :class:`~ntk_labelqa.label_types.shape.Shape`; None, too, of a mask of another size than its image."""
        painted = _decoded(value.get("rle"), *size)
        if painted is None:
            return None
        if not painted.any():
            return cls(Window(0.0, 0.0, 0.0, 0.0), 1, 1, b"\0", *size)
        down, across = np.flatnonzero(painted.any(axis=1)), np.flatnonzero(painted.any(axis=0))
        top, bottom, left, right = down[0], down[-1] + 1, across[0], across[-1] + 1
        cells = _coarse(painted[top:bottom, left:right])
        width, height = size
        window = Window(100 * left / width, 100 * top / height, 100 * right / width, 100 * bottom / height)
        return cls(window, cells.shape[0], cells.shape[1], np.packbits(cells).tobytes(), width, height)

    @classmethod
    def parse(cls, text: str, bounds: Window, size: tuple[int, int]) -> Self:
        """See :class:`~ntk_labelqa.label_types.shape.Shape`."""
        rows, columns, cells = text.split(",")
        return cls(bounds, int(rows), int(columns), base64.urlsafe_b64decode(cells), *size)

    def written(self) -> str:
        """The bitmap."""
        return f"{self.rows},{self.columns},{base64.urlsafe_b64encode(self.cells).decode()}"

    @property
    def bitmap(self) -> np.ndarray:
        """Which cells of the bounds are painted, bool[rows, columns]."""
        packed = np.frombuffer(self.cells, np.uint8)
        return np.unpackbits(packed, count=self.rows * self.columns).reshape(self.rows, self.columns).astype(bool)

    @property
    def bounds(self) -> Window:
        """See :class:`~ntk_labelqa.label_types.shape.Shape`."""
        return self.window

    def outline(self) -> Points:
        """The corners of its bounds: a mask may have any number of parts and holes."""
        window = self.window
        left, top, right, bottom = window.left, window.top, window.right, window.bottom
        return (left, top), (right, top), (right, bottom), (left, bottom)

    def filled(self, window: Window, width: int, height: int) -> np.ndarray:
        """See :class:`~ntk_labelqa.label_types.shape.Shape`."""
        if not any(self.cells):
            return np.zeros((height, width), bool)
        across = window.left + (np.arange(width) + 0.5) * (window.right - window.left) / width
        down = window.top + (np.arange(height) + 0.5) * (window.bottom - window.top) / height
        mine = self.window
        columns = np.floor((across - mine.left) / (mine.right - mine.left) * self.columns).astype(int)
        rows = np.floor((down - mine.top) / (mine.bottom - mine.top) * self.rows).astype(int)
        inside = ((rows >= 0) & (rows < self.rows))[:, None] & ((columns >= 0) & (columns < self.columns))
        found = self.bitmap[np.clip(rows, 0, self.rows - 1)][:, np.clip(columns, 0, self.columns - 1)]
        return np.asarray(found & inside)

    def cut(self, image: Image.Image) -> Image.Image | None:
        """See :class:`~ntk_labelqa.label_types.shape.Shape`; raises UnusableRegion where sizes differ."""
        if not any(self.cells):
            raise UnusableRegion("mask with nothing in it")
        if image.size != self.size:
            raise UnusableRegion("mask of another size than its image")
        return super().cut(image)

    def mark(self) -> str:
        """Style of a block over its bounds, painted where the mask is."""
        from PIL import Image

        window = self.window
        painted = np.zeros((self.rows, self.columns, 4), np.uint8)
        painted[self.bitmap] = (238, 0, 0, 115)
        buffer = io.BytesIO()
        Image.fromarray(painted, "RGBA").save(buffer, "PNG", optimize=True)
        address = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
        return (
            f"left:{window.left:.6g}%; top:{window.top:.6g}%; width:{window.right - window.left:.6g}%; "
            f"height:{window.bottom - window.top:.6g}%; background-image:url('{address}'); background-size:100% 100%"
        )


def _decoded(encoded: object, width: int, height: int) -> np.ndarray | None:
    """Which pixels are painted, bool[height, width]; None where the runs are damaged, or of another size."""
    if not isinstance(encoded, list) or len(encoded) < _HEAD or not 0 < width * height <= MOST_PIXELS:
        return None
    if not all(isinstance(byte, int) and 0 <= byte <= 255 for byte in encoded):
        return None
    if int.from_bytes(bytes(encoded[:4]), "big") != 4 * width * height:  # it says its length first
        return None
    from label_studio_sdk.converter.brush import decode_rle

    try:
        values = decode_rle(encoded)
    except (ValueError, IndexError, OverflowError):  # runs that end too early, or of other words
        return None
    return np.asarray(values.reshape(height, width, 4)[:, :, 3] > 0)


def _coarse(painted: np.ndarray) -> np.ndarray:
    """A bitmap of at most :data:`LONGEST` cells a side; a cell is painted where half of it is, or if none would be."""
    from PIL import Image

    height, width = painted.shape
    shrink = min(1.0, LONGEST / max(height, width))
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    share = np.asarray(Image.fromarray(painted.astype(np.uint8) * 255).resize(size, Image.Resampling.BOX))
    return np.asarray(share >= min(128, int(share.max())))
