"""The one way in which image files become pixels: what a page would show, the same for kernels, crops and thumbnails.

The first frame, upright as its orientation tag says, transparency over white. Grey images of more than 8 bits stay
as fine as they are.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("PNG", "JPEG", "JPEG2000", "GIF", "WEBP", "AVIF", "BMP", "DIB", "TIFF", "ICO", "PPM", "TGA")
"""Pillow's decoders that are used, where it has them; others run programs, or are for images that nobody labels."""
_ORIENTATION = 0x0112
"""EXIF's tag; from 5 on it says that the image lies on its side."""
_SIXTEEN_BITS = 65535.0


def opened(path: str | os.PathLike[str]) -> Image.Image:
    """The file's head, read; pixels are decoded when asked for. Raises what Pillow raises."""
    from PIL import Image

    Image.init()
    return Image.open(path, formats=[name for name in FORMATS if name in Image.OPEN])


def shape_of(path: str | os.PathLike[str]) -> tuple[int, int, bool]:
    """Height and width of the upright image, and whether it has one channel. Reads the file's head alone."""
    with opened(path) as image:
        on_its_side = image.getexif().get(_ORIENTATION, 1) > 4
        height, width = image.size if on_its_side else image.size[::-1]
        return height, width, _is_deep(image) or image.mode in ("1", "L")


def decoded(path: str | os.PathLike[str], *, about: int = 0) -> Image.Image:
    """The pixels, in mode L or RGB; in mode F, from 0 to 1, where they are grey and of more than 8 bits.

    Values beyond 8 bits are divided by what 16 bits hold, or, where they lie outside 0 to 65,535 (of floats: 0 to 1),
    stretched from the image's least to its largest.

    Args:
        path: the file.
        about: pixels a side that will do, 0 for all; JPEGs then decode at a fraction of their size.

    Raises what Pillow raises for files that are damaged or of a format that is not used: OSError, ValueError,
    SyntaxError, Image.DecompressionBombError.
    """
    from PIL import Image, ImageOps

    with opened(path) as image:
        if about:
            image.draft("RGB", (about, about))
        upright = ImageOps.exif_transpose(image)
        if _is_deep(upright):
            return Image.fromarray(_from_0_to_1(upright))
        if upright.mode in ("1", "L") and not upright.has_transparency_data:
            return upright.convert("L")
        if upright.has_transparency_data:
            layered = upright.convert("RGBA")
            return Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered).convert("RGB")
        return upright.convert("RGB")


def eight_bit(image: Image.Image) -> Image.Image:
    """A decoded image in mode L or RGB."""
    from PIL import Image

    if image.mode != "F":
        return image
    return Image.fromarray(np.rint(np.clip(np.asarray(image), 0, 1) * 255).astype(np.uint8))


def as_png(image: Image.Image) -> bytes:
    """A decoded image as a PNG that is decoded to the same pixels, to 16 bits."""
    from PIL import Image

    if image.mode == "F":
        image = Image.fromarray(np.rint(np.clip(np.asarray(image), 0, 1) * _SIXTEEN_BITS).astype(np.uint16))
    written = io.BytesIO()
    image.save(written, "PNG")
    return written.getvalue()


def _is_deep(image: Image.Image) -> bool:
    return image.mode.startswith(("I", "F"))


def _from_0_to_1(image: Image.Image) -> np.ndarray:
    values = np.nan_to_num(np.asarray(image, np.float64))
    most = 1.0 if image.mode == "F" else _SIXTEEN_BITS
    if values.min() >= 0 and values.max() <= most:
        return (values / most).astype(np.float32)
    return ((values - values.min()) / (np.ptp(values) or 1.0)).astype(np.float32)
