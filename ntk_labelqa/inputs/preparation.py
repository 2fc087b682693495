"""Plain numbers made ready for kernels that see the direction of a row, and not its length.

Columns of a table have units and offsets. Ages and incomes side by side all point one way, that of the incomes; and one
column alone has only two directions. Numbers that are standardised, with a constant beside them, keep apart what their
values keep apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.row_store import Rows, derived

Name = Literal["none", "center", "standardize"]
NAMES: tuple[Name, ...] = get_args(Name)
FURTHEST = 5.0
"""Standard deviations from the middle at which a number is cut off, so that one typing error does not become the whole
row: those of a normal distribution that fits the middle 90 % of the column, or of its values that are not the usual
one, in which the error has no say."""
TAIL = 0.05
"""Share of a column's values, at each end, that has no say in its spread."""
DEVIATIONS_BETWEEN = 3.2897
"""Standard deviations of a normal distribution between its quantiles at TAIL and 1 - TAIL."""
ROUNDING = 1e-14
"""Of a deviation, relative to the column's largest value."""
PANEL = 4096
"""Rows looked through at once."""
SAMPLE = 100_000
"""Rows that a preparation is fitted to at most."""


@dataclass(frozen=True)
class Preparation:
    """What is done to rows of numbers, as fitted to some of them.

    Called with features, float[n, …] of the columns that it was fitted to, it gives those that a kernel is to see, of
    the same dtype.

    Attributes:
        name: ``none`` leaves all as it is. ``center`` takes its mean off each column of plain numbers, and divides all
            by the same number, so that the mean square of a column is 1. ``standardize`` cuts each column off at
            :data:`FURTHEST`, and brings it to mean 0 and standard deviation 1. Both add a column of ones where there
            is none.
        lowest, highest: float64[D], where each column is cut off: infinite for those that are left as they are.
        means, spreads: float64[D], what is taken off each column then, and by what it is divided.
        ones: how many columns of ones are added, 0 or 1.
    """

    name: Name = "none"
    lowest: np.ndarray = field(default_factory=lambda: np.empty(0))
    highest: np.ndarray = field(default_factory=lambda: np.empty(0))
    means: np.ndarray = field(default_factory=lambda: np.empty(0))
    spreads: np.ndarray = field(default_factory=lambda: np.empty(0))
    ones: int = 0

    def __call__(self, features: Rows) -> Rows:
        """*features* as a kernel is to see them. Cost: one array of their size while that is small, and a panel."""
        return features if self.name == "none" else derived(self._prepared, features)

    def _prepared(self, rows: np.ndarray) -> np.ndarray:
        width = rows.shape[1]
        prepared = np.ones((len(rows), width + self.ones), rows.dtype)
        cut = np.clip(rows.astype(np.float64), self.lowest, self.highest)
        prepared[:, :width] = (cut - self.means) / self.spreads
        return prepared


def plain_numbers(features: Rows) -> np.ndarray:
    """bool[D]: which columns hold more than the zeros and ones of a truth value or a category."""
    found = np.zeros(features.shape[1], bool)
    for start in range(0, len(features), PANEL):
        rows = features[start : start + PANEL]
        found |= ((rows != 0) & (rows != 1)).any(axis=0)
    return found


def fit_preparation(name: Name, features: Rows, *, numbers: np.ndarray | None = None) -> Preparation:
    """The preparation called *name*, fitted to *features*.

    Args:
        name: one of :data:`NAMES`.
        features: float[N, …].
        numbers: bool[D], the columns that are prepared; by default :func:`plain_numbers`. The others stay, and truth
            values are held to 0 to 1 in further rows.

    Raises:
        InvalidInputError: images cannot be prepared by column: their pixels are of one unit, and convolutional
            kernels standardise each image.

    Cost: sorting each column.

    Example:
        >>> ages_and_incomes = np.array([[30.0, 20_000.0], [40.0, 30_000.0], [50.0, 40_000.0]])
        >>> prepare = fit_preparation("standardize", ages_and_incomes)
        >>> prepare(ages_and_incomes).round(2).tolist()
        [[-1.22, -1.22, 1.0], [0.0, 0.0, 1.0], [1.22, 1.22, 1.0]]
    """
    if name == "none":
        return Preparation()
    if len(features.shape) != 2:
        raise InvalidInputError(
            f"Features of shape {list(features.shape)} are no rows of numbers: they cannot be prepared by column.",
            remedy="Leave the preparation to 'auto', or pass 'none'.",
        )
    plain = plain_numbers(features)
    chosen = plain if numbers is None else numbers
    fitted = np.tile([[-np.inf], [np.inf], [0.0], [1.0]], features.shape[1])
    rows: np.ndarray | slice = slice(None)
    if len(features) > SAMPLE:
        rows = np.sort(np.random.default_rng(0).permutation(len(features))[:SAMPLE])
    some = features[rows]
    for index in np.flatnonzero(chosen):
        fitted[:, index] = _of_column(some[:, index].astype(np.float64), cut=name == "standardize")
    lowest, highest, means, spreads = fitted
    if name == "standardize":
        lowest[~chosen & ~plain], highest[~chosen & ~plain] = 0.0, 1.0
    else:
        spreads[chosen] = _common(spreads[chosen])
    spreads[spreads == 0.0] = 1.0
    return Preparation(name, lowest, highest, means, spreads, ones=0 if _constant(features)[~chosen].any() else 1)


def _constant(features: Rows) -> np.ndarray:
    """bool[D]: which columns are ones."""
    found = np.ones(features.shape[1], bool)
    for start in range(0, len(features), PANEL):
        found &= (features[start : start + PANEL] == 1).all(axis=0)
        if not found.any():
            break
    return found


def _common(spreads: np.ndarray) -> float:
    """One number for all columns that vary: the root of their mean square."""
    largest = float(spreads.max(initial=0.0))
    return largest * float(np.sqrt(np.square(spreads[spreads > 0] / largest).mean())) if largest else 0.0


def _of_column(column: np.ndarray, *, cut: bool) -> tuple[float, float, float, float]:
    """Where *column* is cut off, if it is, and mean and standard deviation then."""
    unit = float(np.abs(column).max()) or 1.0  # squares of large values would overflow
    lowest, highest, mean, spread = _of_unit_column(column / unit, cut=cut)
    return lowest * unit, highest * unit, mean * unit, spread * unit


def _of_unit_column(column: np.ndarray, *, cut: bool) -> tuple[float, float, float, float]:
    if not cut:
        return -np.inf, np.inf, float(column.mean()), _spread(column)
    middle = float(np.median(column))
    others = column[column != middle]
    # Where most values are one and the same, such as no event, the others alone say what is far.
    judged = others if 0 < 2 * len(others) < len(column) else column
    low, centre, high = map(float, np.quantile(judged, (TAIL, 0.5, 1.0 - TAIL)))
    spread = (high - low) / DEVIATIONS_BETWEEN or _spread(judged)
    lowest, highest = min(middle, centre - FURTHEST * spread), max(middle, centre + FURTHEST * spread)
    within = np.clip(column, lowest, highest)
    return lowest, highest, float(within.mean()), _spread(within)


def _spread(column: np.ndarray) -> float:
    """The standard deviation of a column within 1; 0 where it is rounding alone."""
    spread = float(column.std())
    return spread if spread > ROUNDING else 0.0
