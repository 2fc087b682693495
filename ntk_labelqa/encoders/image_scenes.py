"""Images in which regions are judged: windows of the shapes that people drew, and the pixels in them.

Sums over the window's cells come from the image's integral, so that any number of windows costs no resampling each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ntk_labelqa.encoders.places import overlaps
from ntk_labelqa.images import decoded, eight_bit

if TYPE_CHECKING:
    from PIL import Image

SIDE = 16
"""Cells a side that a window's pixels are averaged over."""
DIRECTIONS = 64
"""Principal directions kept of the cells' colours; the rest of such small pictures is grain."""
FIT_TASKS, FIT_REGIONS = 200, 4000
"""Images and regions at most that the directions are fitted on."""
SIZE_WEIGHT, CONSTANT = 0.5, 0.3
"""What the logarithms of a window's sides count beside its pixels, of unit variance each; and a constant, by which
windows without contrast keep a direction."""
LARGEST_SIDE, SMALLEST_CELLS = 2048, 12
"""Pixels a side at most that are scanned, and pixels that the smallest drawn shape keeps: finer is not looked at."""
ALIKE, COVERED, MOST_SHAPES = 0.65, 0.95, 8
"""Shapes are chosen until this share of the regions overlaps one of them by ALIKE, laid on one another."""
STRIDE = 1 / 3
"""Share of a window's side from one window to the next: a thing is then met by two thirds at the worst."""
MOST_WINDOWS = 6000
"""An image, for the time it takes; beyond, the stride grows."""
EMPTY, NEAR = 0.1, 0.4
"""A background place overlaps no region by more than EMPTY; a hard one by EMPTY to NEAR."""
TRIES = 20

Encode = Callable[[list["Image.Image"]], np.ndarray]


class ImageScene:
    """One image with its regions; see :class:`ntk_labelqa.diagnostics.region_presence.Scene`."""

    def __init__(self, task_id: int, path: str, places: np.ndarray, labels: np.ndarray, common: _Common) -> None:
        self.task_id, self.path, self._common = task_id, path, common
        self.places = np.asarray(places, np.float64).reshape(-1, 4)
        self.labels = np.asarray(labels, np.int64)

    def background(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Up to *count* windows of drawn shapes on no region, and up to *count* that overlap one in part."""
        shapes = self._shapes(rng.choice(self._common.drawn, TRIES * count))
        shapes = shapes[(shapes <= 100).all(axis=1)]
        windows = np.column_stack([rng.random(shapes.shape) * (100 - shapes), shapes])
        most = overlaps(windows, self.places).max(axis=1, initial=0.0)
        empty, partly = windows[most < EMPTY], windows[(most >= EMPTY) & (most < NEAR)]
        return np.concatenate([empty[:count], partly[:count]])

    def nowhere(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Up to *count* windows of drawn shapes that overlap no region."""
        windows = self.background(rng, count)
        return windows[overlaps(windows, self.places).max(axis=1, initial=0.0) < EMPTY]

    def moved(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Regions drawn beside their thing, by a third to two thirds of a side, and whose they are."""
        sides = self.places[:, 2:]
        towards = rng.integers(0, 2, len(sides))
        by = rng.uniform(1 / 3, 2 / 3, len(sides)) * rng.choice([-1.0, 1.0], len(sides))
        shift = np.zeros_like(sides)
        shift[np.arange(len(sides)), towards] = by
        corners = self.places[:, :2] + shift * sides
        windows = np.column_stack([corners, sides])
        usual = self._inside(windows) & (overlaps(windows, self.places).max(axis=1, initial=0.0) < 0.6)
        return windows[usual], np.flatnonzero(usual)

    def candidates(self) -> np.ndarray:
        """Windows of the usual shapes, all over the image."""
        shapes = self._shapes(self._common.shapes)
        shapes = shapes[(shapes <= 100).all(axis=1)]
        stride = STRIDE
        while True:
            steps = [np.ceil((100 - shape) / (shape * stride)).astype(int) + 1 for shape in shapes]
            if sum(int(step.prod()) for step in steps) <= MOST_WINDOWS:
                break
            stride *= 1.2
        parts = [np.empty((0, 4))]
        for shape, (across, down) in zip(shapes, steps, strict=True):
            x, y = np.meshgrid(np.linspace(0, 100 - shape[0], across), np.linspace(0, 100 - shape[1], down))
            parts.append(np.column_stack([x.ravel(), y.ravel(), np.broadcast_to(shape, (x.size, 2))]))
        return np.concatenate(parts)

    def around(self, places: np.ndarray, finer: int) -> np.ndarray:
        """Windows beside each of *places*, float64[n, 27, 4]: moved and resized by an eighth of a side, finer by half
        each time.
        """
        step = 1 / 8 / 2**finer
        moves = np.array([(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1)])
        grown = np.repeat([1 - step, 1.0, 1 + step], len(moves))[None, :, None]
        sides = places[:, None, 2:] * grown
        centres = places[:, None, :2] + places[:, None, 2:] / 2 + step * np.tile(moves, (3, 1)) * places[:, None, 2:]
        corners = np.clip(centres - sides / 2, 0, np.maximum(100 - sides, 0))
        return np.concatenate([corners, np.minimum(sides, 100)], axis=2)

    def features(self, places: np.ndarray) -> np.ndarray:
        """float32[n, D]. Cost: one decoding an image, as long as no other is asked in between."""
        if not len(places):
            return np.empty((0, self._common.width), np.float32)
        return self._common.features(self.path, places)

    def _shapes(self, sides: np.ndarray) -> np.ndarray:
        """Sides in per cent, of those in shares of the root of the image's area."""
        height, width = self._common.size(self.path)
        root = np.sqrt(height * width)
        return sides * 100 * root / np.array([width, height])

    def _inside(self, windows: np.ndarray) -> np.ndarray:
        return (windows[:, :2] >= 0).all(axis=1) & (windows[:, :2] + windows[:, 2:] <= 100).all(axis=1)


@dataclass
class _Common:
    """What the images of a project share: the shapes drawn, the features' directions, the one image held."""

    drawn: np.ndarray
    shapes: np.ndarray
    sizes: dict[str, tuple[int, int]]
    encode: Encode | None = None
    mean: np.ndarray = field(default_factory=lambda: np.zeros(0))
    rotation: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    usual_sides: tuple[np.ndarray, np.ndarray] = field(default_factory=lambda: (np.zeros(2), np.ones(2)))
    _held: tuple[str, np.ndarray, Image.Image] | None = None

    @property
    def width(self) -> int:
        """D."""
        return self.rotation.shape[1] + 3

    def size(self, path: str) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.sizes[path]

    def cells(self, path: str, places: np.ndarray) -> np.ndarray:
        """Before rotation: float32[n, SIDE · SIDE · 3] in 0 to 1, or what *encode* gives."""
        integral, image = self._opened(path)
        if self.encode is not None:
            return np.asarray(self.encode([_crop(image, place) for place in places]), np.float32)
        return _cells(integral, places)

    def features(self, path: str, places: np.ndarray) -> np.ndarray:
        """See :meth:`ImageScene.features`."""
        seen = (self.cells(path, places) - self.mean) @ self.rotation
        sides = (np.log(self._relative(path, places)) - self.usual_sides[0]) / self.usual_sides[1]
        constant = np.full(len(places), CONSTANT)
        return np.column_stack([seen, SIZE_WEIGHT * sides / np.sqrt(2), constant]).astype(np.float32)

    def _relative(self, path: str, places: np.ndarray) -> np.ndarray:
        height, width = self.size(path)
        return np.maximum(places[:, 2:] / 100 * np.array([width, height]) / np.sqrt(height * width), 1e-6)

    def _opened(self, path: str) -> tuple[np.ndarray, Image.Image]:
        if self._held is None or self._held[0] != path:
            image = self._reduced(eight_bit(decoded(path)).convert("RGB"))
            self._held = (path, _integral(np.asarray(image)), image)
        return self._held[1], self._held[2]

    def _reduced(self, image: Image.Image) -> Image.Image:
        """The image no finer than the smallest shape needs."""
        from PIL import Image as Pillow

        smallest = float(self.shapes.min()) * np.sqrt(image.width * image.height)
        shrink = min(1.0, SMALLEST_CELLS / max(smallest, 1.0), LARGEST_SIDE / max(image.size))
        if shrink > 0.9:
            return image
        size = (max(1, round(image.width * shrink)), max(1, round(image.height * shrink)))
        return image.resize(size, Pillow.Resampling.BOX)


def image_scenes(
    task_ids: Sequence[int],
    paths: Sequence[str],
    sizes: Sequence[tuple[int, int]],
    places: Sequence[np.ndarray],
    labels: Sequence[np.ndarray],
    *,
    encode: Encode | None = None,
    seed: int = 0,
) -> list[ImageScene]:
    """The scenes of images that can be read.

    Args:
        task_ids, paths: one a task.
        sizes: height and width of each, in pixels, upright.
        places: each one's regions, float[R, 4]: x, y, width, height in per cent of the image. Rotation is left out.
        labels: their classes, int[R].
        encode: crops to features float[n, D]; None takes pixels. It is asked thousands of times an image.
        seed: of the sample that the directions are fitted on.

    Cost: one decoding of :data:`FIT_TASKS` images.
    """
    order = np.argsort(np.asarray(task_ids), kind="stable")
    known = [np.asarray(places[row], np.float64).reshape(-1, 4) for row in order]
    relative = [
        each[:, 2:] / 100 * np.array(sizes[row][::-1]) / np.sqrt(np.prod(sizes[row]))
        for row, each in zip(order, known, strict=True)
    ]
    drawn = np.concatenate([*relative, np.empty((0, 2))])
    drawn = drawn[(drawn > 0).all(axis=1)]
    if not len(drawn):
        return []
    shapes = usual_shapes(drawn, seed=seed)
    common = _Common(drawn, shapes, dict(zip(paths, sizes, strict=True)), encode)
    scenes = [ImageScene(task_ids[row], paths[row], places[row], labels[row], common) for row in range(len(paths))]
    logs = np.log(drawn)
    common.usual_sides = (logs.mean(axis=0), np.maximum(logs.std(axis=0), 0.1))
    _fit(common, [scenes[row] for row in order if len(scenes[row].places)], seed)
    return scenes


def usual_shapes(drawn: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """A few of the shapes *drawn* (float[N, 2]) that most others are like, float[k, 2], the commonest first."""
    rows = np.random.default_rng(seed).permutation(len(drawn))[:2000]
    shapes = drawn[rows]
    laid = np.column_stack([np.zeros_like(shapes), shapes])
    alike = overlaps(laid, laid) >= ALIKE  # corner on corner: the same as centre on centre
    chosen: list[np.ndarray] = []
    left = np.ones(len(shapes), bool)
    while left.mean() > 1 - COVERED and len(chosen) < MOST_SHAPES:
        best = int((alike & left).sum(axis=1).argmax())
        chosen.append(shapes[best])
        left &= ~alike[best]
    return np.array(chosen)


def _fit(common: _Common, scenes: Sequence[ImageScene], seed: int) -> None:
    """Principal directions of regions and of places beside them."""
    rng = np.random.default_rng(seed)
    chosen = [scenes[row] for row in np.sort(rng.permutation(len(scenes))[:FIT_TASKS])]
    most = max(1, FIT_REGIONS // max(len(chosen), 1))
    parts = []
    for scene in chosen:
        regions = scene.places[np.sort(rng.permutation(len(scene.places))[:most])]
        parts.append(common.cells(scene.path, np.concatenate([regions, scene.background(rng, len(regions))])))
    cells = np.concatenate(parts)
    common.mean = cells.mean(axis=0)
    centred = cells - common.mean
    spectrum, vectors = np.linalg.eigh((centred.T @ centred).astype(np.float64) / len(centred))
    kept = vectors[:, ::-1][:, :DIRECTIONS]
    scale = np.sqrt(max(spectrum[::-1][:DIRECTIONS].sum(), 1e-12))
    common.rotation = (kept / scale).astype(np.float32)


def _integral(pixels: np.ndarray) -> np.ndarray:
    """Sums of all above and to the left, int32[H + 1, W + 1, 3]: enough for :data:`LARGEST_SIDE` squared."""
    sums = np.zeros((pixels.shape[0] + 1, pixels.shape[1] + 1, 3), np.int32)
    np.cumsum(np.cumsum(pixels, axis=0, dtype=np.int32), axis=1, out=sums[1:, 1:])
    return sums


def _cells(integral: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Mean colours of SIDE by SIDE cells of each place, float32[n, SIDE · SIDE · 3], 0 to 1."""
    height, width = integral.shape[0] - 1, integral.shape[1] - 1
    steps = np.linspace(0, 1, SIDE + 1)
    columns = _lines((places[:, :1] + places[:, 2:3] * steps) / 100 * width, width)
    rows = _lines((places[:, 1:2] + places[:, 3:4] * steps) / 100 * height, height)
    cells = np.empty((len(places), SIDE, SIDE, 3), np.float32)
    fine = (np.diff(columns, axis=1).min(axis=1) > 0) & (np.diff(rows, axis=1).min(axis=1) > 0)
    cells[fine] = _means(integral, rows[fine], columns[fine])
    cells[~fine] = _means_of_few(integral, rows[~fine], columns[~fine])
    return cells.reshape(len(places), -1)


def _lines(lines: np.ndarray, most: int) -> np.ndarray:
    return np.clip(np.rint(lines).astype(np.int32), 0, most)


def _means(integral: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Of cells of a pixel at least, which share their lines, [n, SIDE, SIDE, 3]."""
    sums = _at(integral, rows, columns)
    sums = sums[:, 1:] - sums[:, :-1]
    sums = sums[:, :, 1:] - sums[:, :, :-1]
    areas = np.diff(rows, axis=1)[:, :, None] * np.diff(columns, axis=1)[:, None, :]
    return sums * (1 / (255 * areas.astype(np.float32)))[..., None]


def _means_of_few(integral: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The same where some cells are narrower than a pixel: these take that pixel."""
    top, bottom = _edges(rows, integral.shape[0] - 1)
    left, right = _edges(columns, integral.shape[1] - 1)
    sums = _at(integral, bottom, right) - _at(integral, top, right) - _at(integral, bottom, left)
    sums += _at(integral, top, left)
    areas = (bottom - top)[:, :, None] * (right - left)[:, None, :]
    return sums * (1 / (255 * areas.astype(np.float32)))[..., None]


def _at(integral: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return integral.reshape(-1, 3).take((rows * integral.shape[1])[:, :, None] + columns[:, None, :], axis=0)


def _edges(lines: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """First and last line of each cell, at least one apart and within the image."""
    low = np.minimum(lines[:, :-1], most - 1)
    return low, np.maximum(lines[:, 1:], low + 1)


def _crop(image: Image.Image, place: np.ndarray) -> Image.Image:
    left, top = place[0] / 100 * image.width, place[1] / 100 * image.height
    right, bottom = left + place[2] / 100 * image.width, top + place[3] / 100 * image.height
    return image.crop((int(left), int(top), max(int(left) + 1, round(right)), max(int(top) + 1, round(bottom))))
