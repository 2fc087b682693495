"""What workers do with a panel. Each task may run twice, after its worker was lost, and gives the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np

from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.gram.arrays import Array, moment, to_device, to_host
from ntk_labelqa.gram.eigen_features import moment_of, seen, unexplained
from ntk_labelqa.gram.nystrom import LONG_PANEL, rotated, whitened_features
from ntk_labelqa.gram.panel_store import PanelStore
from ntk_labelqa.gram.tiles import diagonal_of
from ntk_labelqa.kernels.kernel import Kernel
from ntk_labelqa.row_store import Rows

INPUTS, WHITENED, FEATURES = "inputs", "whitened", "features"
LENGTH, LANDMARKS, SPECTRUM = "length", "landmarks", "spectrum"
"""What is kept: prepared inputs, features before and after they are turned into eigen-features, and what all share."""


class BrokenRowsError(InvalidInputError):
    """Items whose kernel values are no numbers.

    Attributes:
        rows: which, int[n], counted from 0.
    """

    rows: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray, *, items: str = "rows") -> Self:
        """Of *rows*, which *items* says what they are."""
        some = ", ".join(map(str, rows[:10])) + (" …" if len(rows) > 10 else "")
        count = f"{len(rows):,} item{'' if len(rows) == 1 else 's'}"
        error = cls(
            f"The kernel values of {count} are NaN or infinite: {items} {some}.",
            why="Their features are, or they are too large or too small for this architecture.",
            remedy="Correct these items' features, leave the items out, or use --dtype float64.",
        )
        error.rows = rows
        return error

    def named(self, ids: np.ndarray) -> Self:
        """The same, with *ids*, of all items, in place of the rows."""
        error = self.of(ids[self.rows], items="tasks")
        error.rows = self.rows
        return error


@dataclass(frozen=True)
class Stored:
    """A panel of eigen-features that is read when it is needed."""

    store: PanelStore
    rows: slice

    def read(self) -> np.ndarray:
        """The panel, float[n, m]."""
        return self.store.rows(FEATURES)[self.rows]


def moment_of_panel(store: PanelStore, kernel: Kernel, inputs: Rows, rows: slice) -> np.ndarray:
    """The second moment of a panel's features, float64[m, m], as ``moment`` gives it.

    The features are written first, unless they are there. Raises BrokenRowsError where some are no numbers.
    """
    features = _there(store, WHITENED, rows)
    if features is None:
        kept = store.load(LANDMARKS)
        features = to_host(whitened_features(kernel, inputs[rows], kept["anchors"], kept["factor"]))
        broken = np.flatnonzero(~np.isfinite(features).all(axis=1))
        if len(broken):
            raise BrokenRowsError.of(rows.start + broken)
        store.write(WHITENED, rows, features)
    return to_host(moment(to_device(features), LONG_PANEL))


def sum_of_diagonal(kernel: Kernel, inputs: Rows, rows: slice) -> np.ndarray:
    """The sum of Θ of each item with itself, float64."""
    return diagonal_of(kernel, inputs[rows]).sum(dtype=np.float64)


def eigen_features(store: PanelStore, held: bool, rows: slice) -> np.ndarray | Stored:
    """A panel of F, which is written first, unless it is there; itself if it is to be *held* by the worker."""
    features = _there(store, FEATURES, rows)
    if features is None:
        whitened = store.rows(WHITENED)[rows]
        vectors = store.load(SPECTRUM)["vectors"].astype(whitened.dtype)
        features = to_host(rotated(None, to_device(whitened), to_device(vectors)))
        store.write(FEATURES, rows, features)
    return features if held else Stored(store, rows)


def _there(store: PanelStore, name: str, rows: slice) -> np.ndarray | None:
    """A panel of the array *name*; None where it is not there, or the array has been removed."""
    panel = store.rows(name)[rows]
    return None if np.isnan(panel[0, 0]) else panel


def on_panel(function: Callable[..., Array], panel: np.ndarray | Stored, *others: np.ndarray | slice) -> np.ndarray:
    """*function* of a panel of features and of *others*."""
    features = panel if isinstance(panel, np.ndarray) else panel.read()
    return to_host(
        function(to_device(features), *(one if isinstance(one, slice) else to_device(one) for one in others))
    )


def total(*parts: np.ndarray) -> np.ndarray:
    """The sum of *parts*, in float64."""
    result = parts[0].astype(np.float64)
    for part in parts[1:]:
        result += part
    return result


def itself(value: np.ndarray) -> np.ndarray:
    """*value*, as the result of a task that can be run again."""
    return value


# What a panel is asked for, besides the functions of gram.eigen_features.


def unexplained_of(features: Array, gains: Array) -> Array:
    """As :func:`~ntk_labelqa.gram.eigen_features.unexplained`."""
    return unexplained(None, features, gains)


def rows_of_panel(features: Array, rows: Array) -> Array:
    """F[rows]."""
    return features[rows]


def seen_rows(features: Array, rows: Array, weights: Array) -> Array:
    """As :func:`~ntk_labelqa.gram.eigen_features.seen`, of *rows*."""
    return seen(features[rows], weights)


def moment_of_rows(features: Array, rows: Array, values: Array) -> Array:
    """As :func:`~ntk_labelqa.gram.eigen_features.moment_of`, of *rows*."""
    return moment_of(features[rows], values)
