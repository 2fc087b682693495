"""Small PNG images that a page can carry by the hundred."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

LONGEST_SIDE = 96
"""Pixels; smaller images keep their size."""
COLOURS = 64
"""Of an image larger than an icon: a third of the bytes of full colour, and enough to recognise an item by."""
ICON_SIDE = 32


def thumbnail(path: str | os.PathLike[str]) -> bytes | None:
    """The image at *path* as a PNG of at most 96 pixels a side; None where the file holds no image Pillow can show.

    The first frame of an animation, upright as its EXIF orientation says; transparency becomes white; values beyond
    8 bits are stretched to the image's own range.

    Cost: one decoding; about 1 to 7 kB out.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path) as opened:
            opened.draft("RGB", (2 * LONGEST_SIDE, 2 * LONGEST_SIDE))  # JPEGs decode at a fraction of their size
            upright = ImageOps.exif_transpose(opened)
            small = _eight_bit(upright)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None  # each of these is Pillow's way to say that the file is damaged, or no image
    small.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    if max(small.size) > ICON_SIDE and small.mode == "RGB":
        small = small.quantize(COLOURS)
    buffer = io.BytesIO()
    small.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _eight_bit(image: Image.Image) -> Image.Image:
    """*image* in mode L or RGB."""
    from PIL import Image

    if image.mode.startswith(("I", "F")):
        values = np.nan_to_num(np.asarray(image, np.float64))
        span = np.ptp(values) or 1.0
        return Image.fromarray(((values - values.min()) * (255.0 / span)).astype(np.uint8))
    if image.mode in ("1", "L"):
        return image.convert("L")
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered).convert("RGB")
    return image.convert("RGB")
