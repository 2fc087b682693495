"""Images as they are: decoded, brought to one shape, scaled to 0..1."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ntk_labelqa.dataset import LabeledDataset
from ntk_labelqa.encoders.encoder import PICTURES, Encoding, Progress, paths_of
from ntk_labelqa.images import decoded, eight_bit, shape_of

if TYPE_CHECKING:
    from PIL import Image

LARGEST_SIDE = 32
"""Pixels a side at most. Raw pixels of larger images hold little more that a kernel on pixels can use, and
convolutional kernels cost the square of the pixel count."""


class Pixels:
    """The pixels of images and crops."""

    name, kinds = "pixels", PICTURES

    def encode(self, dataset: LabeledDataset, *, seed: int = 0, progress: Progress | None = None) -> Encoding:
        """See :func:`encode_images`; crops keep their aspect, which tells a bar from a square."""
        return Encoding(encode_images(paths_of(dataset), keep_aspect=dataset.kind == "crop", progress=progress))


def encode_images(
    paths: Sequence[str], *, keep_aspect: bool = False, progress: Callable[[int, int], None] | None = None
) -> np.ndarray:
    """Pixels of the image files, float32[N, H, W, C] in 0..1; C is 1 if all are grey, else 3.

    Images of one common shape keep it while it fits :data:`LARGEST_SIDE`; otherwise each is resampled to a common
    shape with the images' median aspect ratio: stretched, or with *keep_aspect* as large as it fits, white beside it.
    See :mod:`ntk_labelqa.images` for what is decoded how.
    """
    return fit_images(paths, keep_aspect=keep_aspect, progress=progress)[0]


def fit_images(
    paths: Sequence[str], *, keep_aspect: bool = False, progress: Callable[[int, int], None] | None = None
) -> tuple[np.ndarray, Callable[[Sequence[str]], np.ndarray]]:
    """:func:`encode_images` of *paths*, and the encoder that brings further images to the same shape and colours."""
    heads = [shape_of(path) for path in paths]
    height, width = common_shape(np.array([head[:2] for head in heads]))
    grey = all(is_grey for _, _, is_grey in heads)

    def encode(files: Sequence[str], tick: Callable[[int, int], None] | None = None) -> np.ndarray:
        pixels = np.empty((len(files), height, width, 1 if grey else 3), np.float32)
        for row, path in enumerate(files):
            pixels[row] = _to_array(decoded(path), height, width, grey=grey, keep_aspect=keep_aspect)
            if tick:
                tick(row + 1, len(files))
        return pixels

    return encode(paths, progress), encode


def common_shape(shapes: np.ndarray) -> tuple[int, int]:
    """(H, W) for images of *shapes*, int[N, 2]: their own if it is one and small enough, else scaled down to fit."""
    height, width = np.median(shapes, axis=0)
    shrink = min(1.0, LARGEST_SIDE / max(height, width))
    return max(1, round(height * shrink)), max(1, round(width * shrink))


def _to_array(image: Image.Image, height: int, width: int, *, grey: bool, keep_aspect: bool) -> np.ndarray:
    from PIL import Image

    if grey and image.mode != "F":
        image = Image.fromarray(np.asarray(image.convert("L"), np.float32) / 255.0)
    fit = _fitted if keep_aspect else _resized
    if grey:
        return np.asarray(fit(image, height, width), np.float32)[..., None]
    return np.asarray(fit(eight_bit(image).convert("RGB"), height, width), np.float32) / 255.0


def _resized(image: Image.Image, height: int, width: int) -> Image.Image:
    from PIL import Image

    if image.size == (width, height):
        return image
    return image.resize((width, height), Image.Resampling.BOX)


def _fitted(image: Image.Image, height: int, width: int) -> Image.Image:
    """*image* as large as it fits, in the middle of white."""
    from PIL import Image

    scale = min(height / image.height, width / image.width)
    inner = _resized(image, max(1, round(image.height * scale)), max(1, round(image.width * scale)))
    if inner.size == (width, height):
        return inner
    canvas = Image.new(inner.mode, (width, height), 1.0 if inner.mode == "F" else "white")
    canvas.paste(inner, ((width - inner.width) // 2, (height - inner.height) // 2))
    return canvas
