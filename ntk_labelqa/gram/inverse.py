"""What every diagnostic asks of the inverse of the regularised Gram matrix.

With H the Gram matrix of the N items and λ = ridge · tr(H)/N, the inverse is G = (H + λI)⁻¹ (the paper writes H⁻¹,
which is ridge 0). Diagnostics are written once against this protocol, so dense, low-rank and distributed inverses
give the same code path.
"""

from __future__ import annotations

from typing import Protocol, Self, TypeVar

import numpy as np

from ntk_labelqa.gram.arrays import Array, fused, to_host
from ntk_labelqa.gram.rows_there import panels_there
from ntk_labelqa.row_store import Rows


class Regression(Protocol):
    """Kernel ridge regression of values that come a panel of items at a time, so that all need never be held.

    It takes NumPy's arrays and an accelerator's, and what it gives is where the inverse's own arrays are.
    """

    def learn(self, rows: slice, values: Array) -> None:
        """The *values*, float[n, k], of the items *rows*. Each item is learnt once, all before :meth:`left_out`."""
        ...

    def left_out(self, rows: slice, values: Array) -> Array:
        """What all other items say of the items *rows*, float64[n, k]; *values* are those learnt of them."""
        ...


AnyRegression = TypeVar("AnyRegression", bound=Regression)


class RegularizedInverse(Protocol):
    """G = (H + ridge · tr(H)/N · I)⁻¹, N by N, symmetric, never handed out whole.

    On an accelerator its arrays stay there, and so do what a :meth:`regression` gives and what is
    :meth:`predicted_from` some items, which much else is made of. All else comes as NumPy's.
    """

    @property
    def size(self) -> int:
        """N."""
        ...

    @property
    def ridge(self) -> float:
        """Relative to tr(H)/N."""
        ...

    @property
    def scale(self) -> float:
        """tr(H)/N: what one unit of ridge is in the Gram's own units."""
        ...

    def apply(self, values: np.ndarray) -> np.ndarray:
        """G V, float64[N, k], for V float[N, k]."""
        ...

    def regression(self) -> Regression:
        """One that has learnt nothing yet."""
        ...

    def diagonal(self) -> np.ndarray:
        """diag G, float64[N], all positive."""
        ...

    def columns(self, indices: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """G[rows, indices], float64[len(rows), len(indices)]; None takes all rows."""
        ...

    def predicted_from(self, rows: np.ndarray, labels: Rows) -> Array:
        """What the items *rows* (int[n], no duplicates) alone say of all items, float64[N, K]: with A the items *rows*,
        H_:A (H_AA + λI)⁻¹ Y_A for Y float[N, K]; zero where *rows* is empty. *labels* may be where G is.
        """
        ...

    def at(self, ridge: float) -> Self:
        """The inverse of the same Gram matrix at another ridge."""
        ...

    def leave_one_out_errors(self, labels: Rows, ridges: np.ndarray) -> np.ndarray:
        """Mean squared leave-one-out error of *labels* (Y, float[N, K]) at each of *ridges*; low = explained.

        Where the whole would be expensive, from a sample of the items.
        """
        ...


def sample(count: int, most: int) -> np.ndarray:
    """Indices of at most *most* items, ascending, always the same ones."""
    return np.arange(count) if count <= most else np.sort(np.random.default_rng(0).permutation(count)[:most])


def leave_one_out(inverse: RegularizedInverse, labels: np.ndarray) -> np.ndarray:
    r"""What kernel ridge regression says of each item had it never seen that item's labels.

    .. math:: P = Y - \operatorname{diag}(G)^{-1} G Y

    The row of an item depends on no annotation of that item (the closed form of N refits).

    Args:
        inverse: G.
        labels: Y, float[N, K], one row an item.

    Returns:
        P, float64[N, K]. Rows need not sum to 1; the largest entry is the predicted class.

    Cost: one ``apply`` of K columns.
    """
    return labels - inverse.apply(labels) / inverse.diagonal()[:, None]


def learnt(regression: AnyRegression, values: Rows) -> AnyRegression:
    """*regression* once it has learnt *values*, float[N, k]. Cost: about half of that of one ``apply``."""
    for rows in panels_there(values.shape):
        regression.learn(rows, values[rows])
    return regression


def predicted_classes(inverse: RegularizedInverse, labels: Rows) -> np.ndarray:
    """The class of the largest leave-one-out prediction of each item, int64[N]; of equal ones the first.

    Args:
        inverse: G.
        labels: Y, float[N, K].

    Cost: one ``apply`` of K columns, a panel of items at a time.
    """
    regression, classes = learnt(inverse.regression(), labels), np.empty(len(labels), np.int64)
    for rows in panels_there(labels.shape):
        classes[rows] = to_host(largest_of(regression.left_out(rows, labels[rows])))
    return classes


@fused()
def largest_of(rows: Array) -> Array:
    """Where the largest entry of each of *rows* is, int64[n]; of equal ones the first."""
    return rows.argmax(axis=1)
