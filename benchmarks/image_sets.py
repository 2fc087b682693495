"""Image sets for the benchmarks, float32[N, H, W, C] in 0..1 and int64[N]; none is shipped.

``mnist``, ``fashion``, ``cifar10`` and ``cifar100`` are files of ``--data-dir``: ``mnist.npz``, ``fashion_mnist.npz``,
``cifar10.npz`` and ``cifar100_12k.npz``, each with ``X_train`` (uint8, grey [N, 28, 28] or colour [N, 32, 32, 3]; or
packed, see :func:`unpacked`) and ``y_train``. The first two are Keras' files, keys renamed; the CIFAR sets are those of
https://www.cs.toronto.edu/~kriz/cifar.html. ``shapes`` and ``corners`` are drawn here, by our own definition, as the
paper's are not public.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

FILES = {
    "mnist": "mnist.npz",
    "fashion": "fashion_mnist.npz",
    "cifar10": "cifar10.npz",
    "cifar100": "cifar100_12k.npz",
}
DRAWN = ("shapes", "corners")
SIDE = 28
SHIFT = 6
"""Pixels by which a shape is moved at most, to each side."""


def load(name: str, folder: Path, items: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """*items* images of the set *name*, in its classes' shares as nearly as whole numbers go, and their classes."""
    random = np.random.default_rng(seed)
    if name in DRAWN:
        return {"shapes": shapes, "corners": corners}[name](items, random)
    with np.load(folder / FILES[name]) as arrays:
        labels = arrays["y_train"].ravel().astype(np.int64)
        rows = _stratified(labels, items, random)
        packed = "X_train__loco"
        pixels = unpacked(arrays[packed][:, rows]) if packed in arrays else arrays["X_train"][rows]
    images = pixels if pixels.ndim == 4 else pixels[..., None]
    return images.astype(np.float32) / 255, labels[rows]


def _stratified(labels: np.ndarray, items: int, random: np.random.Generator) -> np.ndarray:
    """Rows from a shuffled order in which each class is evenly spread, so that any stretch of it has their shares."""
    order = random.permutation(len(labels))
    place = np.empty(len(labels))
    for code in np.unique(labels):
        mine = order[labels[order] == code]
        place[mine] = (np.arange(len(mine)) + random.random()) / len(mine)
    return np.sort(np.argsort(place)[:items])


def unpacked(residuals: np.ndarray) -> np.ndarray:
    """uint8[N, H, W, 3] from the residuals uint8[3, N, H, W] of the median edge predictor over (R-G, G, B-G)."""
    planes = residuals.copy()
    height, width = planes.shape[2:]
    for row in range(height):
        for column in range(width):
            left, above = planes[:, :, row, column - 1], planes[:, :, row - 1, column]
            if row and column:
                corner = planes[:, :, row - 1, column - 1].astype(np.int16)
                plane = left + above.astype(np.int16) - corner
                guess = np.clip(plane, np.minimum(left, above), np.maximum(left, above)).astype(np.uint8)
            else:
                guess = left if column else above if row else 0
            planes[:, :, row, column] += guess
    red, green, blue = planes
    return np.stack([red + green, green, blue + green], axis=-1)


def shapes(items: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A square, disc, triangle or cross of 5 to 8 pixels' radius, anywhere, in noise: the class is the shape."""
    labels = random.integers(0, 4, items)
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    images = random.normal(0, 0.2, (items, SIDE, SIDE))
    for image, label in zip(images, labels, strict=True):
        radius, (down, right) = random.uniform(5, 8), random.integers(-SHIFT, SHIFT + 1, 2) + SIDE / 2
        v, u = y - down, x - right
        image += [
            np.maximum(abs(v), abs(u)) < 0.85 * radius,
            np.hypot(v, u) < radius,
            (v < 0.7 * radius) & (v > 2 * abs(u) - 1.1 * radius),
            (np.minimum(abs(v), abs(u)) < 0.35 * radius) & (np.maximum(abs(v), abs(u)) < 1.1 * radius),
        ][label]
    return images[..., None].astype(np.float32), labels


def corners(items: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A bright patch of 5 x 5 pixels in one corner's quarter, in noise: the class is the corner."""
    labels = random.integers(0, 4, items)
    images = random.normal(0, 0.5, (items, SIDE, SIDE))
    half = SIDE // 2
    for image, label in zip(images, labels, strict=True):
        down, right = random.integers(0, half - 5, 2) + half * np.array([label // 2, label % 2])
        image[down : down + 5, right : right + 5] += 1.0
    return images[..., None].astype(np.float32), labels
