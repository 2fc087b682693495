"""Small PNG images that a page can carry by the hundred."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import numpy as np

from ntk_labelqa.images import decoded, eight_bit

if TYPE_CHECKING:
    from PIL import Image

LONGEST_SIDE = 96
"""Pixels; smaller images keep their size."""
COLOURS = 64
"""Of an image larger than an icon: a third of the bytes of full colour, and enough to recognise an item by."""
ICON_SIDE = 32


def thumbnail(path: str | os.PathLike[str], *, longest_side: int = LONGEST_SIDE) -> bytes | None:
    """The image at *path* as a PNG of at most *longest_side* pixels a side; None where the file holds
    no image that Pillow can show.

    As it is decoded everywhere, but that values beyond 8 bits are stretched to the image's own range, to be seen.

    Cost: one decoding; about 1 to 7 kB out.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        small = _eight_bit(decoded(path, about=2 * longest_side))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None  # each of these is Pillow's way to say that the file is damaged, or no image
    small.thumbnail((longest_side, longest_side))
    if max(small.size) > ICON_SIDE and small.mode == "RGB":
        small = small.quantize(COLOURS)
    buffer = io.BytesIO()
    small.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _eight_bit(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode != "F":
        return image
    values = np.asarray(image)
    return eight_bit(Image.fromarray((values - values.min()) / (np.ptp(values) or 1.0)))
