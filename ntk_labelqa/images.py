"""The one way in which image files become pixels: what a page would show, the same for kernels, crops and thumbnails.

The first frame, upright as its orientation tag says, transparency over white. Grey images of more than 8 bits stay
as fine as they are.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("PNG", "JPEG", "JPEG2000", "GIF", "WEBP", "AVIF", "BMP", "DIB", "TIFF", "ICO", "PPM", "TGA")
"""Pillow's decoders that are used, where it has them; others run programs, or are for images that nobody labels."""
MOST_PIXELS = 100_000_000
"""Of one image: the largest cameras' have so many. They are decoded to 4 bytes a pixel, and drawn once more at most."""
_ROWS = 256
"""That are brought to floats, or laid over white, at a time: a whole image would take several times its pixels."""
_ORIENTATION = 0x0112
"""EXIF's tag; from 5 on it says that the image lies on its side."""
_SIXTEEN_BITS = 65535.0


def opened(path: str | os.PathLike[str]) -> Image.Image:
    """The file's head, read; pixels are decoded when asked for.

    Raises what Pillow raises, and Image.DecompressionBombError for an image of more than :data:`MOST_PIXELS`.
    """
    from PIL import Image

    Image.init()
    image = Image.open(path, formats=[name for name in FORMATS if name in Image.OPEN])
    if image.width * image.height > MOST_PIXELS:
        image.close()
        raise Image.DecompressionBombError(f"image of more than {MOST_PIXELS // 10**6} megapixels")
    return image


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
    from PIL import ImageOps

    with opened(path) as image:
        if about:
            image.draft("RGB", (about, about))
        ImageOps.exif_transpose(image, in_place=True)
        image.load()
        if _is_deep(image):
            return _from_0_to_1(image)
        if image.has_transparency_data:
            return _over_white(image)
        mode = "L" if image.mode in ("1", "L") else "RGB"
        return image if image.mode == mode else image.convert(mode)


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


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """The first row of each strip, and the strip."""
    for top in range(0, image.height, _ROWS):
        yield top, image.crop((0, top, image.width, min(top + _ROWS, image.height)))


def _over_white(image: Image.Image) -> Image.Image:
    from PIL import Image

    drawn = Image.new("RGB", image.size)
    for top, strip in _strips(image):
        layered = strip.convert("RGBA")
        white = Image.new("RGBA", layered.size, "white")
        drawn.paste(Image.alpha_composite(white, layered).convert("RGB"), (0, top))
    return drawn


def _ends(values: np.ndarray) -> tuple[float, ...]:
    """The least and the largest number; none where there is none."""
    known = values[np.isfinite(values)]
    return (known.min(), known.max()) if known.size else ()


def _from_0_to_1(image: Image.Image) -> Image.Image:
    """In mode F. What is infinite is drawn as the least or the largest number, what is none as nothing."""
    from PIL import Image

    ends = [end for _, strip in _strips(image) for end in _ends(np.asarray(strip, np.float64))] or [0.0]
    low, high = min(ends), max(ends)
    most = 1.0 if image.mode == "F" else _SIXTEEN_BITS
    start, scale = (0.0, most) if low >= 0 and high <= most else (low, (high - low) or 1.0)
    drawn = Image.new("F", image.size)
    for top, strip in _strips(image):
        finite = np.nan_to_num(np.asarray(strip, np.float64), nan=np.clip(0.0, low, high), posinf=high, neginf=low)
        drawn.paste(Image.fromarray(((finite - start) / scale).astype(np.float32)), (0, top))
    return drawn
