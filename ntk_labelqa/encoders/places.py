"""Places as arrays: boxes float[n, 4] (x, y, width, height in per cent of the image), spans int[n, 2] (start, end)."""

from __future__ import annotations

import numpy as np

CROWDED = 0.3
"""Intersection over union from which on two boxes stand for one thing, or hide one another."""
INSIDE = 0.7
"""Share of the smaller of two boxes within the larger, from which on it is taken for a part of it."""


def overlaps(places: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union, float64[n, m], 0 to 1."""
    shared, one, other = _measures(places, others)
    union = one + other - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def touching(places: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which places are on top of which others, bool[n, m]: spans that share a character; boxes that overlap by
    :data:`CROWDED`, or of which one lies in the other.
    """
    shared, one, other = _measures(places, others)
    if places.shape[1] == 2:
        return shared > 0
    return (shared > 0) & ((shared >= CROWDED * (one + other - shared)) | (shared >= INSIDE * np.minimum(one, other)))


def apart(places: np.ndarray, scores: np.ndarray, most: int) -> np.ndarray:
    """Rows of at most *most* places, the highest scores first, none on top of another: int64[k].

    Cost: k·n intersections.
    """
    kept: list[int] = []
    left = np.argsort(-scores, kind="stable")
    while len(left) and len(kept) < most:
        kept.append(left[0])
        left = left[1:][~touching(places[left[:1]], places[left[1:]])[0]]
    return np.array(kept, np.int64)


def _measures(places: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What each pair shares, [n, m], and the sizes of the one, [n, 1], and of the other, [1, m]."""
    one, other = places.astype(np.float64)[:, None], others.astype(np.float64)[None]
    if places.shape[1] == 2:
        shared = np.minimum(one[..., 1], other[..., 1]) - np.maximum(one[..., 0], other[..., 0])
        return np.maximum(shared, 0.0), one[..., 1] - one[..., 0], other[..., 1] - other[..., 0]
    wide = np.minimum(one[..., 0] + one[..., 2], other[..., 0] + other[..., 2]) - np.maximum(one[..., 0], other[..., 0])
    high = np.minimum(one[..., 1] + one[..., 3], other[..., 1] + other[..., 3]) - np.maximum(one[..., 1], other[..., 1])
    shared = np.maximum(wide, 0.0) * np.maximum(high, 0.0)
    return shared, one[..., 2] * one[..., 3], other[..., 2] * other[..., 3]
