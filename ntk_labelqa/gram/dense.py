"""The exact inverse: Cholesky in float64, for as many items as memory holds."""

from __future__ import annotations

from typing import Self

import numpy as np
from scipy.linalg import lapack, solve

from ntk_labelqa.errors import InvalidInputError, SingularKernelError
from ntk_labelqa.gram.arrays import panels
from ntk_labelqa.gram.inverse import sample
from ntk_labelqa.gram.low_rank import exact_inverse
from ntk_labelqa.gram.tiles import upper_tiles

PANEL = 512
"""Rows handled at once where a copy of the whole would double the memory."""
JUDGED = 4000
"""Items among which a ridge is judged."""
RIDGES_TRIED = 10.0 ** np.arange(-12, 1)


class DenseInverse:
    """G = (H + λI)⁻¹ held whole, λ = ridge · tr(H)/N.

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
        factor = _cholesky(gram, self.ridge * self.scale)
        if factor is None:
            raise _singular(gram, self.ridge, self.scale)
        upper, _ = lapack.dpotri(factor, lower=0, overwrite_c=1)
        self._inverse = _mirrored(upper.T)

    def apply(self, values: np.ndarray) -> np.ndarray:
        """G V, float64[N, k], for V float[N, k]. Cost: 2N²k flops."""
        return self._inverse @ values

    def diagonal(self) -> np.ndarray:
        """diag G, float64[N]."""
        return np.diagonal(self._inverse)

    def columns(self, indices: np.ndarray) -> np.ndarray:
        """G[:, indices], float64[N, len(indices)]."""
        return self._inverse[indices].T  # symmetric, and rows lie together in memory

    def predicted_from(self, rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """What the items *rows* alone say of all, float64[N, K]. Cost: n³/3 flops for n rows."""
        if not len(rows):
            return np.zeros((self.size, labels.shape[1]))
        own = _mirrored(np.tril(self._gram[np.ix_(rows, rows)]).astype(np.float64))
        np.fill_diagonal(own, own.diagonal() + self.ridge * self.scale)
        return self._gram[:, rows] @ solve(own, labels[rows].astype(np.float64), assume_a="pos")

    def at(self, ridge: float) -> Self:
        """The inverse of the same Gram matrix at another ridge. Cost: a new factorisation."""
        return self if ridge == self.ridge else type(self)(self._gram, ridge=ridge)

    def leave_one_out_errors(self, labels: np.ndarray, ridges: np.ndarray) -> np.ndarray:
        """Mean squared leave-one-out error at each of *ridges*, among at most :data:`JUDGED` items that learn from
        one another. Cost: an eigendecomposition of their Gram matrix.
        """
        rows = sample(self.size, JUDGED)
        part = self._gram[np.ix_(rows, rows)]
        return exact_inverse(part, ridge=1.0).leave_one_out_errors(labels[rows], ridges)


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


def _cholesky(gram: np.ndarray, shift: float) -> np.ndarray | None:
    """The upper Cholesky factor of H + shift·I, or None where it breaks down."""
    shifted = np.array(gram, np.float64, order="C")
    np.fill_diagonal(shifted, shifted.diagonal() + shift)
    largest = shifted.diagonal().max()
    # LAPACK reads columns first: to it the lower triangle of rows is an upper one, and nothing has to be turned.
    factor, trouble = lapack.dpotrf(shifted.T, lower=0, overwrite_a=1, clean=0)
    # A pivot lost to rounding makes an inverse of noise, which potrf by itself does not report.
    rounding = len(gram) * np.finfo(np.float64).eps * largest
    return None if trouble or factor.diagonal().min() ** 2 <= rounding else factor


def _singular(gram: np.ndarray, ridge: float, scale: float) -> SingularKernelError:
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
