"""What a task shows, as a search for regions sees it."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class Scene(Protocol):
    """What a task shows, and the regions drawn in it. A place is a row of *places*; see
    :mod:`ntk_labelqa.encoders.places`.
    """

    task_id: int
    places: np.ndarray
    """Regions, [R, 4] or [R, 2]; those that several people drew, once."""
    labels: np.ndarray
    """Their classes, int64[R]."""

    def background(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Up to *count* places of usual sizes where no region is, and up to *count* that overlap one in part."""
        ...

    def nowhere(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Up to *count* places of usual sizes where no region is."""
        ...

    def moved(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Copies of regions, moved off their thing, and the regions' rows, int64[n]."""
        ...

    def candidates(self) -> np.ndarray:
        """Places to look at, of all usual sizes."""
        ...

    def around(self, places: np.ndarray, finer: int) -> np.ndarray:
        """Variants of each of *places*, itself among them, [n, v, …]; nearer to it the larger *finer* is."""
        ...

    def features(self, places: np.ndarray) -> np.ndarray:
        """float32[n, D], of one D for all tasks."""
        ...


def generator(seed: int, scene: Scene, purpose: int) -> np.random.Generator:
    """By the task and not by its position."""
    return np.random.default_rng([seed, scene.task_id % 2**63, purpose])
