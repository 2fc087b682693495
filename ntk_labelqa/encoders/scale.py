"""Numbers of different units brought to one scale."""

from __future__ import annotations

import numpy as np

from ntk_labelqa.inputs.preparation import FURTHEST


def scaled(values: np.ndarray) -> np.ndarray:
    """Columns of mean 0 and standard deviation 1, float64[N, D], cut off at :data:`FURTHEST`.

    What is not there (NaN) becomes 0, and so does a constant column.
    """
    known = np.isfinite(values)
    counts = np.maximum(known.sum(axis=0), 1)
    offsets = np.where(known, values, 0.0) - known * (np.where(known, values, 0.0).sum(axis=0) / counts)
    spreads = np.sqrt((offsets**2).sum(axis=0) / counts)
    constant = spreads <= 1e-9 * np.abs(np.where(known, values, 0.0)).max(axis=0, initial=0.0)
    return np.clip(offsets / np.where(constant, 1.0, spreads), -FURTHEST, FURTHEST) * ~constant


def in_place(rows: np.ndarray, carries: np.ndarray) -> np.ndarray:
    """Features of all items, float32[N, 1 + D]: *rows*, of those that carry something, each after a one.

    The one stands for the intercept; the row of an item that carries nothing is zero.
    """
    features = np.zeros((len(carries), 1 + rows.shape[1]), np.float32)
    features[carries, 0] = 1.0
    features[carries, 1:] = rows
    return features
