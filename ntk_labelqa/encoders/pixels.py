"""Images as they are: decoded, brought to one shape, scaled to 0..1."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

LARGEST_SIDE = 32
"""Pixels a side at most. Raw pixels of larger images hold little more that a kernel on pixels can use, and
convolutional kernels cost the square of the pixel count."""
GREY = ("1", "L", "I", "I;16", "F")
"""Pillow's modes of one channel."""


def encode_images(paths: Sequence[str], *, progress: Callable[[int, int], None] | None = None) -> np.ndarray:
    """Pixels of the image files, float32[N, H, W, C] in 0..1; C is 1 if all are grey, else 3.

    Images of one common shape keep it while it fits :data:`LARGEST_SIDE`; otherwise each is resampled to a common
    shape with the images' median aspect ratio. Orientation tags are honoured; transparency is laid over white.
    """
    return fit_images(paths, progress=progress)[0]


def fit_images(
    paths: Sequence[str], *, progress: Callable[[int, int], None] | None = None
) -> tuple[np.ndarray, Callable[[Sequence[str]], np.ndarray]]:
    """:func:`encode_images` of *paths*, and the encoder that brings further images to the same shape and colours."""
    shapes, grey = [], True
    for path in paths:
        with opened(path) as image:
            shapes.append((image.height, image.width))
            grey = grey and image.mode in GREY
    height, width = common_shape(np.array(shapes))

    def encode(files: Sequence[str], tick: Callable[[int, int], None] | None = None) -> np.ndarray:
        pixels = np.empty((len(files), height, width, 1 if grey else 3), np.float32)
        for row, path in enumerate(files):
            with opened(path) as image:
                pixels[row] = _to_array(image, height, width, grey=grey)
            if tick:
                tick(row + 1, len(files))
        return pixels

    return encode(paths, progress), encode


def common_shape(shapes: np.ndarray) -> tuple[int, int]:
    """(H, W) for images of *shapes*, int[N, 2]: their own if it is one and small enough, else scaled down to fit."""
    height, width = np.median(shapes, axis=0)
    shrink = min(1.0, LARGEST_SIDE / max(height, width))
    return max(1, round(height * shrink)), max(1, round(width * shrink))


def opened(path: str) -> Image.Image:
    """The image at *path*, upright as its orientation tag says."""
    from PIL import Image, ImageOps

    return ImageOps.exif_transpose(Image.open(Path(path)))


def _to_array(image: Image.Image, height: int, width: int, *, grey: bool) -> np.ndarray:
    from PIL import Image

    if grey:
        image = image if image.mode in GREY else _over_white(image).convert("L")
        wide = np.asarray(image, np.float32)
        # 16-bit and float images are scaled by their own type's range, not by what this one image happens to hold.
        top = {"1": 1.0, "I": 65535.0, "I;16": 65535.0, "F": 1.0}.get(image.mode, 255.0)
        image = Image.fromarray(wide / top)
        return np.asarray(_resized(image, height, width), np.float32)[..., None]
    return np.asarray(_resized(_over_white(image).convert("RGB"), height, width), np.float32) / 255.0


def _over_white(image: Image.Image) -> Image.Image:
    from PIL import Image

    if not image.has_transparency_data:
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))


def _resized(image: Image.Image, height: int, width: int) -> Image.Image:
    from PIL import Image

    if image.size == (width, height):
        return image
    return image.resize((width, height), Image.Resampling.BOX)
