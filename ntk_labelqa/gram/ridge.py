"""The ridge chosen by leave-one-out error."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from ntk_labelqa.gram.inverse import RegularizedInverse, leave_one_out
from ntk_labelqa.row_store import Rows

RIDGES = np.logspace(-3, 1.5, 10)
"""Relative ridges tried."""

Inverse = TypeVar("Inverse", bound=RegularizedInverse)


def leave_one_out_error(inverse: RegularizedInverse, labels: np.ndarray) -> float:
    """Mean squared leave-one-out error of *labels* (Y, float[N, K]); low = the kernel explains them."""
    return float(np.square(leave_one_out(inverse, labels) - labels).mean())


def with_best_ridge(inverse: Inverse, labels: Rows) -> Inverse:
    """*inverse* at the ridge of :data:`RIDGES` with the least leave-one-out error of *labels*, Y float[N, K]."""
    errors = inverse.leave_one_out_errors(labels, RIDGES)
    return inverse.at(float(RIDGES[np.argmin(errors)]))
