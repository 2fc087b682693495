"""The exact inverse: Cholesky in float64, for as many items as memory holds."""

from __future__ import annotations

from typing import Self

import jax
import numpy as np
from scipy.linalg import lapack

from ntk_labelqa.errors import InvalidInputError, SingularKernelError
from ntk_labelqa.gram.arrays import (
    Array,
    fused,
    in_few_sizes,
    namespace,
    panels,
    rows_of,
    solved,
    to_device,
    to_host,
)
from ntk_labelqa.gram.inverse import sample
from ntk_labelqa.gram.low_rank import exact_inverse
from ntk_labelqa.gram.rows_there import gathered, picked
from ntk_labelqa.gram.tiles import upper_tiles
from ntk_labelqa.row_store import Rows

PANEL = 512
"""Rows handled at once where a copy of the whole would double the memory."""
JUDGED = 4000
"""Items among which a ridge is judged."""
RIDGES_TRIED = 10.0 ** np.arange(-12, 1)


class DenseInverse:
    """G = (H + λI)⁻¹ held whole where it is calculated with, λ = ridge · tr(H)/N.

    Args:
        gram: H, float[N, N], symmetric positive semi-definite; only its lower triangle is read. It is kept, not copied,
            for :meth:`at`; do not change it afterwards.
        ridge: relative to tr(H)/N, at least 0.

    Raises:
        InvalidInputError: not square, not finite, not symmetric, or a trace that is not positive.
        SingularKernelError: H + λI is singular in float64; the message names a ridge that would do.

    Cost: N³ flops, and one N by N float64 array beside H.
    """

    def __init__(self, gram: np.ndarray, *, ridge: float = 0.0) -> None:
        self._gram, self.ridge = gram, float(ridge)
        self.size = len(gram)
        _check(gram, self.ridge)
        self.scale = float(np.trace(gram, dtype=np.float64)) / self.size
        self._there = to_device(gram)
        factor = _cholesky(self._there, self.ridge * self.scale)
        if factor is None:
            raise _singular(self._there, self.ridge, self.scale)
        self._inverse = _inverse_of(factor)

    def apply(self, values: np.ndarray) -> np.ndarray:
        """G V, float64[N, k], for V float[N, k]. Cost: 2N²k flops."""
        return to_host(_product(self._inverse, values))

    def regression(self) -> DenseRegression:
        """See :class:`~ntk_labelqa.gram.inverse.RegularizedInverse`; all it takes is an array of the values' size."""
        return DenseRegression(self._inverse)

    def diagonal(self) -> np.ndarray:
        """diag G, float64[N]."""
        return to_host(_diagonal(self._inverse))

    def columns(self, indices: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """G[rows, indices], float64[len(rows), len(indices)]; None takes all rows."""
        if rows is None:
            return to_host(_columns(self._inverse, indices))
        found = _entries(self._inverse, in_few_sizes(indices), in_few_sizes(rows))
        return to_host(found)[: len(rows), : len(indices)]

    def predicted_from(self, rows: np.ndarray, labels: Rows) -> Array:
        """What the items *rows* alone say of all, float64[N, K]. Cost: n³/3 flops for n rows."""
        if not len(rows):
            return to_device(np.zeros((self.size, labels.shape[1])))
        return _predicted(self._there, rows, picked(labels, rows), self.ridge * self.scale)

    def at(self, ridge: float) -> Self:
        """The inverse of the same Gram matrix at another ridge. Cost: a new factorisation."""
        return self if ridge == self.ridge else type(self)(self._gram, ridge=ridge)

    def leave_one_out_errors(self, labels: Rows, ridges: np.ndarray) -> np.ndarray:
        """Mean squared leave-one-out error at each of *ridges*, among at most :data:`JUDGED` items that learn from
        one another. Cost: an eigendecomposition of their Gram matrix.
        """
        rows = sample(self.size, JUDGED)
        part = self._gram[np.ix_(rows, rows)]
        return exact_inverse(part, ridge=1.0).leave_one_out_errors(labels[rows], ridges)


class DenseRegression:
    """See :class:`~ntk_labelqa.gram.inverse.Regression`; *inverse* is G, float64[N, N]."""

    def __init__(self, inverse: Array) -> None:
        self._inverse, self._diagonal = inverse, _diagonal(inverse)
        self._applied: Array | None = None

    def learn(self, rows: slice, values: Array) -> None:
        """Cost: 2Nnk flops."""
        self._applied = _with_product(self._applied, rows_of(self._inverse, rows), values)

    def left_out(self, rows: slice, values: Array) -> Array:
        """Cost: O(nk)."""
        return _left_out(rows_of(self._applied, rows), rows_of(self._diagonal, rows), values)


def _check(gram: np.ndarray, ridge: float) -> None:
    if gram.ndim != 2 or gram.shape[0] != gram.shape[1] or len(gram) == 0:
        raise InvalidInputError(f"A Gram matrix is square and not empty; this one has the shape {list(gram.shape)}.")
    if not ridge >= 0 or not np.isfinite(ridge):
        raise InvalidInputError(f"The ridge is {ridge}, which is negative or not finite.", remedy="Pass a ridge ≥ 0.")
    size = max(gram.max(), -gram.min())
    if not np.isfinite(size):
        raise InvalidInputError(
            "The Gram matrix has entries that are NaN or infinite.", remedy="Check the features for such values."
        )
    if not np.trace(gram, dtype=np.float64) > 0:
        raise InvalidInputError("The Gram matrix has a trace that is not positive.", remedy="Leave out blank items.")
    tiles = upper_tiles(len(gram), min(PANEL, len(gram)))
    if max(np.abs(gram[rows, columns] - gram[columns, rows].T).max() for rows, columns in tiles) > 1e-5 * size:
        raise InvalidInputError(
            "The Gram matrix is not symmetric.", remedy="Pass the kernel of the items with themselves."
        )


@fused()
def _product(inverse: Array, values: Array) -> Array:
    return inverse @ values


@fused()
def _with_product(applied: Array | None, part: Array, values: Array) -> Array:
    """*applied* and G[:, rows] of *values*; *part* is G[rows], and G symmetric."""
    more = part.T @ values
    return more if applied is None else applied + more


@fused()
def _left_out(applied: Array, diagonal: Array, values: Array) -> Array:
    return values - applied / diagonal[:, None]


@fused()
def _diagonal(inverse: Array) -> Array:
    return inverse.diagonal()


@fused()
def _columns(inverse: Array, indices: Array) -> Array:
    return inverse[indices].T  # symmetric, and rows lie together in memory


@fused()
def _entries(inverse: Array, indices: Array, rows: Array) -> Array:
    return inverse[rows[:, None], indices]


@fused()
def _predicted(gram: Array, rows: Array, given: Array, shift: Array) -> Array:
    own = gram[rows[:, None], rows].astype(np.float64) + shift * namespace(gram).eye(len(rows))
    return gram[:, rows] @ solved(own, gathered(given))


def _cholesky(gram: Array, shift: float) -> Array | None:
    """The Cholesky factor of H + shift·I, of one triangle that :func:`_inverse_of` knows; None where it breaks down."""
    if isinstance(gram, jax.Array):
        factor, least, largest = _cholesky_there(gram, to_device(np.float64(shift)))
        broken = not np.isfinite(to_host(least))
    else:
        shifted = np.array(gram, np.float64, order="C")
        np.fill_diagonal(shifted, shifted.diagonal() + shift)
        largest = shifted.diagonal().max()
        # LAPACK reads columns first: to it the lower triangle of rows is an upper one, and nothing has to be turned.
        factor, broken = lapack.dpotrf(shifted.T, lower=0, overwrite_a=1, clean=0)
        least = factor.diagonal().min()
    # A pivot lost to rounding makes an inverse of noise, which potrf by itself does not report.
    rounding = len(gram) * np.finfo(np.float64).eps * float(largest)
    return None if broken or float(least) ** 2 <= rounding else factor


@fused()
def _cholesky_there(gram: Array, shift: Array) -> tuple[Array, Array, Array]:
    """The lower factor, NaN where it breaks down, its least pivot, and the largest entry of H + shift·I."""
    lower = jax.numpy.tril(gram.astype(np.float64))
    shifted = lower + shift * jax.numpy.eye(len(gram))
    factor = jax.lax.linalg.cholesky(shifted, symmetrize_input=False)
    return factor, jax.numpy.diagonal(factor).min(), jax.numpy.diagonal(shifted).max()


def _inverse_of(factor: Array) -> Array:
    """G, float64[N, N], of its Cholesky factor, which is overwritten on a processor."""
    if isinstance(factor, jax.Array):
        return _inverse_there(factor)
    upper, _ = lapack.dpotri(factor, lower=0, overwrite_c=1)
    return _mirrored(upper.T)


@fused()
def _inverse_there(factor: Array) -> Array:
    inverse = jax.scipy.linalg.cho_solve((factor, True), jax.numpy.eye(len(factor)))
    return (inverse + inverse.T) / 2


def _singular(gram: Array, ridge: float, scale: float) -> SingularKernelError:
    enough = next((r for r in RIDGES_TRIED if r > ridge and _cholesky(gram, r * scale) is not None), None)
    what = f"The Gram matrix of {len(gram)} items cannot be inverted at ridge {ridge:g}."
    if enough is None:
        return SingularKernelError(what, why="It is far from positive semi-definite: it is no kernel.")
    return SingularKernelError(
        what,
        why="Some items are duplicates, or so alike that the kernel cannot distinguish them.",
        remedy=f"Use a ridge of {enough:g} or more.",
    )


def _mirrored(lower: np.ndarray) -> np.ndarray:
    """*lower* with its upper triangle filled in from its lower one, in place, a panel of columns at a time."""
    for panel in panels(len(lower), PANEL):
        corner = lower[panel, panel]
        corner[:] = np.tril(corner) + np.tril(corner, -1).T
        lower[panel, panel.stop :] = lower[panel.stop :, panel].T
    return lower
