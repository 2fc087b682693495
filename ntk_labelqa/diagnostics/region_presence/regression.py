"""The kernel regression of classes and background, fitted without each fold of tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ntk_labelqa.diagnostics.region_presence.scene import Scene, generator
from ntk_labelqa.gram.landmarks import landmarks_of
from ntk_labelqa.gram.matrix import gram_of
from ntk_labelqa.gram.nystrom import JITTER
from ntk_labelqa.kernels.kernel import Kernel

FOLDS = 5
LANDMARKS = 1000
LANDMARK_ROWS = 20_000
"""Places at most that landmarks are drawn from, half of them regions: of most tasks, the background is nearly all."""
RIDGES = (0.5, 0.05, 0.005)
"""Relative to the kernel's diagonal; the one with the least squared error on the folds left out is taken. What it is
matters little."""
PANELS = tuple(2**power for power in range(6, 12))
"""Places whose kernel values are computed at once, filled up to one of these: each number of them is compiled anew."""
FEWEST_BACKGROUND = 4
"""Background places a task at least, where there is room: one of each kind for each region beyond."""


@dataclass(frozen=True)
class PresenceModel:
    """The kernel regression of each fold.

    Attributes:
        anchors: landmarks, prepared, [m, D].
        weights: float32[FOLDS, m, K + 1], on kernel values with the landmarks; the last column is the background.
        fold_of: int64[tasks].
    """

    kernel: Kernel
    anchors: np.ndarray
    weights: np.ndarray
    fold_of: np.ndarray

    def predictions(self, features: np.ndarray, fold: int) -> np.ndarray:
        """P, float32[n, K + 1], of places of a task in *fold*."""
        parts = [block @ self.weights[fold] for block in _blocks(self.kernel, features, self.anchors)]
        return np.concatenate([*parts, np.empty((0, self.weights.shape[2]), np.float32)])


def presence_of(predictions: np.ndarray) -> np.ndarray:
    """s, [n]: all classes together less the background, so that a thing of doubtful class is one all the same."""
    return predictions[:, :-1].sum(axis=1) - predictions[:, -1]


def _blocks(kernel: Kernel, features: np.ndarray, anchors: np.ndarray) -> Iterator[np.ndarray]:
    """Kernel values with the anchors, a panel at a time, each padded to a fixed number of rows."""
    for start in range(0, len(features), PANELS[-1]):
        rows = features[start : start + PANELS[-1]]
        panel = next(panel for panel in PANELS if panel >= len(rows))
        padded = np.concatenate([rows, np.repeat(rows[:1], panel - len(rows), axis=0)])
        yield kernel.block(kernel.prepare(padded, np.dtype(np.float32))[:], anchors)[: len(rows)]


def fit_presence(
    scenes: Sequence[Scene],
    class_count: int,
    seed: int,
    landmarks: int,
    kernel: Kernel,
    tick: Callable[[int, int], None],
) -> PresenceModel | None:
    features, codes, tasks = [], [], []
    for row, scene in enumerate(scenes):
        count = len(scene.places)
        background = scene.background(generator(seed, scene, 0), max(FEWEST_BACKGROUND, count))
        features.append(scene.features(np.concatenate([scene.places, background])))
        codes.append(np.concatenate([scene.labels, np.full(len(background), class_count)]))
        tasks.append(np.full(len(codes[-1]), row))
        tick(row + 1, 2 * len(scenes))
    if not scenes:
        return None
    inputs, classes, task = np.concatenate(features), np.concatenate(codes).astype(np.int64), np.concatenate(tasks)
    is_region = classes < class_count
    if is_region.all() or len(np.unique(task[is_region])) < 2:
        return None
    rng = np.random.default_rng(seed)
    fold_of = _folds(scenes, rng)
    drawn = _drawn_alike(is_region, rng)
    prepared = kernel.prepare(inputs[drawn], np.dtype(np.float32))
    anchors = landmarks_of(kernel, prepared, min(landmarks, max(1, len(drawn) // 2)), seed=seed)
    weights = _weights(kernel, inputs, np.eye(class_count + 1)[classes], fold_of[task], anchors)
    return PresenceModel(kernel, anchors, weights, fold_of)


def _drawn_alike(is_region: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rows of as many regions as places of the background, int64[n], n ≤ LANDMARK_ROWS."""
    kinds = [np.flatnonzero(is_region), np.flatnonzero(~is_region)]
    each = min(LANDMARK_ROWS // 2, *map(len, kinds))
    return np.sort(np.concatenate([rng.permutation(rows)[:each] for rows in kinds]))


def _folds(scenes: Sequence[Scene], rng: np.random.Generator) -> np.ndarray:
    """Tasks with regions are spread evenly, and so are those without: int64[tasks]."""
    folds = np.empty(len(scenes), np.int64)
    for rows in (
        [row for row, scene in enumerate(scenes) if len(scene.places)],
        [row for row, scene in enumerate(scenes) if not len(scene.places)],
    ):
        folds[rows] = rng.permutation(len(rows)) % min(FOLDS, max(len(rows), 1))
    return folds


def _weights(
    kernel: Kernel, inputs: np.ndarray, targets: np.ndarray, folds: np.ndarray, anchors: np.ndarray
) -> np.ndarray:
    """The regression without each fold, float32[FOLDS, m, K + 1]. Cost: N·m² + 15m³ flops.

    With L the landmarks' Cholesky factor, φ(x) = k(x, landmarks) L⁻ᵀ; so weights on kernel values are L⁻ᵀ W.
    """
    own = gram_of(kernel, anchors).astype(np.float64)
    scale, size = float(own.diagonal().mean()), len(anchors)
    whitener = np.linalg.inv(np.linalg.cholesky(own + 10 * JITTER * scale * np.eye(size))).T
    moments, sums = np.zeros((FOLDS, size, size)), np.zeros((FOLDS, size, targets.shape[1]))
    for fold in range(FOLDS):
        rows = np.flatnonzero(folds == fold)
        at = 0
        for block in _blocks(kernel, inputs[rows], anchors):
            mapped = block @ whitener.astype(np.float32)
            moments[fold] += mapped.T @ mapped
            sums[fold] += mapped.T @ targets[rows[at : at + len(block)]].astype(np.float32)
            at += len(block)
    trials = [_crossfit_presence(moments, sums, ridge * scale) for ridge in RIDGES]
    best = min(trials, key=lambda trial: trial[1])[0]
    return np.array([whitener @ weights for weights in best], np.float32)


def _crossfit_presence(moments: np.ndarray, sums: np.ndarray, shift: float) -> tuple[list[np.ndarray], float]:
    """W of each fold, fitted without it, and the squared error on all that was left out, up to a constant."""
    weights, error = [], 0.0
    for own, targets in zip(moments, sums, strict=True):
        left = moments.sum(axis=0) - own + shift * np.eye(len(own))
        fitted = np.linalg.solve(left, sums.sum(axis=0) - targets)
        weights.append(fitted)
        error += float((fitted * (own @ fitted)).sum() - 2 * (fitted * targets).sum())
    return weights, error
