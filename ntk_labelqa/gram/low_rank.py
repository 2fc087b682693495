r"""The inverse in eigen-features: any ridge at once, and any number of items by Nyström's approximation.

With H ≈ F Fᵀ, FᵀF = diag(w), F of m columns,

.. math:: G = (F F^\top + λ I)^{-1} = \tfrac1λ \bigl(I - F \operatorname{diag}(1 / (w + λ)) F^\top\bigr)

so a change of λ costs nothing but the diagonal. With F = U diag(√w) from H = U diag(w) Uᵀ this is exact; with features
of m landmarks it is Nyström's approximation (Williams and Seeger, NIPS 2000), which streams over panels of items.
"""

from __future__ import annotations

from typing import Self

import numpy as np

from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.gram import eigen_features
from ntk_labelqa.gram.arrays import (
    Array,
    eigen,
    in_few_sizes,
    panelwise,
    rows_of,
    sharded,
    taken,
    to_device,
    to_host,
    whole,
)
from ntk_labelqa.gram.inverse import learnt, sample
from ntk_labelqa.gram.landmarks import PANEL, LandmarkMap
from ntk_labelqa.gram.rows_there import picked, sent
from ntk_labelqa.row_store import Rows

DROPPED = 1e-7
"""Eigenvalues below this share of the largest carry rounding alone."""
JUDGED = 5000
"""Items over which a ridge is judged."""


class LowRankInverse:
    """G from eigen-features, which stay where they are; see the module.

    Args:
        features: F, float[N, m], with orthogonal columns; shared out over several accelerators.
        spectrum: w, float[m], squared norms of the columns of F.
        scale: tr(H)/N, of H itself and not of F Fᵀ.
        ridge: relative to *scale*, positive: without one, G does not exist.
        landmarks: what F was made by; None where it is exact, or was kept from another run.

    Raises:
        InvalidInputError: the ridge is not positive.
    """

    def __init__(
        self,
        features: Array,
        spectrum: np.ndarray,
        scale: float,
        *,
        ridge: float,
        landmarks: LandmarkMap | None = None,
    ) -> None:
        check_positive(ridge)
        self._features, self._spectrum, self.landmarks = sharded(features), spectrum, landmarks
        self.size, self.scale, self.ridge = len(features), float(scale), float(ridge)
        self._shift = to_device(np.float64(self.ridge * self.scale))
        self._gains = to_device(self._gains_at(self.ridge))
        self._spared: Array | None = None

    def _gains_at(self, ridge: float) -> np.ndarray:
        """1 / (w + λ), in the precision of F."""
        return eigen_features.gains_at(self._spectrum, ridge * self.scale, self._features.dtype)

    @property
    def rank(self) -> int:
        """Columns of F."""
        return len(self._spectrum)

    @property
    def factors(self) -> tuple[np.ndarray, np.ndarray, float]:
        """F, w and tr(H)/N: all that the inverse at any ridge is made of."""
        return to_host(self._features), self._spectrum, self.scale

    def apply(self, values: np.ndarray) -> np.ndarray:
        """G V, float64[N, k]. Cost: 4Nmk flops."""
        return to_host(eigen_features.applied(self._features, self._gains, self._shift, values))

    def regression(self) -> LowRankRegression:
        """See :class:`~ntk_labelqa.gram.inverse.RegularizedInverse`; it takes two arrays [m, k], however many items."""
        return LowRankRegression(self._features, self._gains, self._unexplained())

    def diagonal(self) -> np.ndarray:
        """diag G, float64[N]. Cost: 2Nm flops, once a ridge."""
        return to_host(self._unexplained()) / (self.ridge * self.scale)

    def _unexplained(self) -> Array:
        """1 − leverage of each item, float64[N]."""
        if self._spared is None:
            self._spared = whole(panelwise(eigen_features.unexplained, None, PANEL, self._features, self._gains))
        return self._spared

    def columns(self, indices: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """G[rows, indices], float64[len(rows), len(indices)]; None takes all rows. Cost: 2 rows indices m flops."""
        how = self._features, self._gains, self._shift
        if rows is None:
            return to_host(eigen_features.columns(*how, indices))
        found = eigen_features.entries(*how, in_few_sizes(indices), in_few_sizes(rows))
        return to_host(found)[: len(rows), : len(indices)]

    def predicted_from(self, rows: np.ndarray, labels: Rows) -> Array:
        """What the items *rows* alone say of all, float64[N, K], to about 5 digits.

        Cost: n²(m + n/3) flops for n ≤ m rows; beyond, conjugate gradients of about 8 steps of 4nmK flops.
        """
        if not len(rows):
            return to_device(np.zeros((self.size, labels.shape[1])))
        padded = in_few_sizes(rows)
        # What was added is of no features.
        used = None if padded is rows else (np.arange(len(padded)) < len(rows)).astype(self._features.dtype)
        given = picked(labels, padded)
        if len(rows) <= len(self._spectrum):
            return eigen_features.predicted_from_few(self._features, self._shift, padded, given, used)
        # The items are part of all, whose FᵀF is diagonal: so theirs nearly is, which makes few steps enough.
        diagonal = self._spectrum * (len(rows) / self.size) + self.ridge * self.scale
        return eigen_features.predicted_from_many(self._features, self._shift, diagonal, padded, given, used)

    def at(self, ridge: float) -> Self:
        """The inverse at another ridge; shares F."""
        if ridge == self.ridge:
            return self
        return type(self)(self._features, self._spectrum, self.scale, ridge=ridge, landmarks=self.landmarks)

    def gram_of(self, rows: np.ndarray) -> np.ndarray:
        """F Fᵀ of the items *rows*, float64[n, n]."""
        some = to_host(taken(self._features, rows)).astype(np.float64)
        return some @ some.T

    def halved(self) -> Self:
        """The inverse by the half of the features with the largest spectrum; shares F."""
        return type(self)(self._features, eigen_features.most_of(self._spectrum), self.scale, ridge=self.ridge)

    def leave_one_out_errors(self, labels: Rows, ridges: np.ndarray) -> np.ndarray:
        """Mean squared leave-one-out error at each of *ridges*, over at most :data:`JUDGED` items that learn from all.

        Cost: 2NmK flops once, and a ridge as much for the items judged.
        """
        labels, rows = sent(labels), to_device(sample(self.size, JUDGED))
        right = learnt(self.regression(), labels).moment
        gains = np.stack([self._gains_at(ridge) for ridge in ridges])
        given = picked(labels, rows)
        sums = eigen_features.leave_one_out_squares(self._features, rows, given, right, gains)
        return to_host(sums) / (len(rows) * labels.shape[1])


class LowRankRegression:
    """See :class:`~ntk_labelqa.gram.inverse.Regression`.

    Args:
        features: F, float[N, m].
        gains: 1 / (w + λ), float[m].
        unexplained: 1 − leverage, float64[N].
    """

    def __init__(self, features: Array, gains: Array, unexplained: Array) -> None:
        self._features, self._gains, self._unexplained = features, gains, unexplained
        self.moment: Array | None = None
        """Fᵀ V of the values learnt, float64[m, k]."""

    @property
    def coefficients(self) -> np.ndarray:
        """(FᵀF + λI)⁻¹ FᵀV, float64[m, k]: what eigen-features are multiplied by to predict V."""
        return to_host(eigen_features.scaled(self._gains, self.moment))

    def learn(self, rows: slice, values: Array) -> None:
        """Cost: 2nmk flops."""
        self.moment = eigen_features.with_moment_of(self.moment, rows_of(self._features, rows), values)

    def left_out(self, rows: slice, values: Array) -> Array:
        """Cost: 2nmk flops."""
        features, unexplained = rows_of(self._features, rows), rows_of(self._unexplained, rows)
        return eigen_features.left_out(features, self._gains, self.moment, unexplained, values)


def check_positive(ridge: float) -> None:
    """Raise InvalidInputError where a low-rank inverse at *ridge* does not exist."""
    if not ridge > 0 or not np.isfinite(ridge):
        raise InvalidInputError(
            f"A low-rank inverse at ridge {ridge:g} does not exist.",
            why="Items outside the span of the landmarks would have an infinite inverse.",
            remedy="Pass a positive ridge, for example 0.01, or invert exactly with DenseInverse.",
        )


def exact_inverse(gram: np.ndarray, *, ridge: float) -> LowRankInverse:
    """The inverse of the whole H by its eigendecomposition, for a few thousand items. Cost: about 10N³ flops."""
    scale = float(np.trace(gram, dtype=np.float64)) / len(gram)
    spectrum, vectors = eigen(gram.astype(np.float64))
    kept = spectrum > DROPPED * spectrum[-1]
    return LowRankInverse(vectors[:, kept] * np.sqrt(spectrum[kept]), spectrum[kept], scale, ridge=ridge)
