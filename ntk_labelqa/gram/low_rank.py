r"""The inverse in eigen-features: any ridge at once, and any number of items by Nyström's approximation.

With H ≈ F Fᵀ, FᵀF = diag(w), F of m columns,

.. math:: G = (F F^\top + λ I)^{-1} = \tfrac1λ \bigl(I - F \operatorname{diag}(1 / (w + λ)) F^\top\bigr)

so a change of λ costs nothing but the diagonal. With F = U diag(√w) from H = U diag(w) Uᵀ this is exact; with features
of m landmarks it is Nyström's approximation (Williams and Seeger, NIPS 2000), which streams over panels of items.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.linalg import lapack, solve, solve_triangular

from ntk_labelqa.errors import InvalidInputError, SingularKernelError
from ntk_labelqa.gram.inverse import sample
from ntk_labelqa.gram.landmarks import PANEL, Sampling, landmarks_of
from ntk_labelqa.gram.linear_algebra import eigen, product, second_moment, whitened
from ntk_labelqa.gram.matrix import gram_of
from ntk_labelqa.gram.tiles import cross_block, panels
from ntk_labelqa.kernels.kernel import Kernel

JITTER = 1e-6
"""Added to the landmarks' own Gram matrix, relative to its mean diagonal: it may be nearly singular."""
DROPPED = 1e-7
"""Eigenvalues below this share of the largest carry rounding alone."""
LONG_PANEL = 8192
"""Items whose second moment is taken at once: to add up that of few costs as much as to take it."""
JUDGED = 5000
"""Items over which a ridge is judged."""
MOST_STEPS = 60
NEAR_ENOUGH = 1e-5
"""Steps of conjugate gradients at most, and the residual relative to the right side at which they end."""
LARGEST_LEVERAGE = 1 - 1e-4
"""A leverage nearer to 1 is rounding: its leave-one-out prediction would be a division by noise."""

Tick = Callable[[int, int], None]


@dataclass(frozen=True)
class LandmarkMap:
    """From an item to its eigen-features, by way of the landmarks: φ(x) = k(x, inputs) projection.

    Attributes:
        inputs: the landmarks, as the kernel has prepared them, [m, …].
        projection: float64[m, m'].
    """

    inputs: np.ndarray
    projection: np.ndarray


class LowRankInverse:
    """G from eigen-features; see the module.

    Args:
        features: F, float[N, m], with orthogonal columns.
        spectrum: w, float[m], squared norms of the columns of F.
        scale: tr(H)/N, of H itself and not of F Fᵀ.
        ridge: relative to *scale*, positive: without one, G does not exist.
        landmarks: what F was made by; None where it is exact, or was kept from another run.

    Raises:
        InvalidInputError: the ridge is not positive.
    """

    def __init__(
        self,
        features: np.ndarray,
        spectrum: np.ndarray,
        scale: float,
        *,
        ridge: float,
        landmarks: LandmarkMap | None = None,
    ) -> None:
        if not ridge > 0 or not np.isfinite(ridge):
            raise InvalidInputError(
                f"A low-rank inverse at ridge {ridge:g} does not exist.",
                why="Items outside the span of the landmarks would have an infinite inverse.",
                remedy="Pass a positive ridge, for example 0.01, or invert exactly with DenseInverse.",
            )
        self._features, self._spectrum, self.landmarks = features, spectrum, landmarks
        self.size, self.scale, self.ridge = len(features), float(scale), float(ridge)
        self._shift = self.ridge * self.scale
        self._gains = (1.0 / (spectrum + self._shift)).astype(features.dtype)
        self._diagonal: np.ndarray | None = None

    @property
    def factors(self) -> tuple[np.ndarray, np.ndarray, float]:
        """F, w and tr(H)/N: all that the inverse at any ridge is made of."""
        return self._features, self._spectrum, self.scale

    def apply(self, values: np.ndarray) -> np.ndarray:
        """G V, float64[N, k]. Cost: 4Nmk flops."""
        seen = self._gains[:, None] * _moment(self._features, values)
        return (values - (self._features @ seen).astype(np.float64)) / self._shift

    def coefficients(self, values: np.ndarray) -> np.ndarray:
        """(FᵀF + λI)⁻¹ FᵀV, float64[m, k]: what eigen-features are multiplied by to predict V. Cost: 2Nmk flops."""
        return self._gains[:, None] * _moment(self._features, values).astype(np.float64)

    def diagonal(self) -> np.ndarray:
        """diag G, float64[N]. Cost: 2Nm flops, once a ridge."""
        if self._diagonal is None:
            leverage = np.empty(self.size)
            for panel in panels(self.size, PANEL):
                leverage[panel] = np.square(self._features[panel]) @ self._gains
            self._diagonal = (1.0 - np.minimum(leverage, LARGEST_LEVERAGE)) / self._shift
        return self._diagonal

    def columns(self, indices: np.ndarray) -> np.ndarray:
        """G[:, indices], float64[N, len(indices)]."""
        result = -(self._features @ (self._gains[:, None] * self._features[indices].T)).astype(np.float64)
        result[indices, np.arange(len(indices))] += 1.0
        return result / self._shift

    def predicted_from(self, rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """What the items *rows* alone say of all, float64[N, K], to about 5 digits.

        Cost: n²(m + n/3) flops for n ≤ m rows; beyond, conjugate gradients of about 8 steps of 4nmK flops.
        """
        features = self._features[rows]
        given = labels[rows].astype(np.float64)
        if not len(rows):
            return np.zeros((self.size, labels.shape[1]))
        if len(rows) <= len(self._spectrum):
            own = (features @ features.T).astype(np.float64)
            np.fill_diagonal(own, own.diagonal() + self._shift)
            weights = features.T @ solve(own, given, assume_a="pos").astype(features.dtype)
        else:
            # The items are part of all, whose FᵀF is diagonal: so theirs nearly is, which makes few steps enough.
            diagonal = self._spectrum * (len(rows) / self.size) + self._shift
            weights = _conjugate_gradients(features, self._shift, _moment(features, given), diagonal)
        return (self._features @ weights.astype(features.dtype)).astype(np.float64)

    def at(self, ridge: float) -> Self:
        """The inverse at another ridge; shares F."""
        if ridge == self.ridge:
            return self
        return type(self)(self._features, self._spectrum, self.scale, ridge=ridge, landmarks=self.landmarks)

    def leave_one_out_errors(self, labels: np.ndarray, ridges: np.ndarray) -> np.ndarray:
        """Mean squared leave-one-out error at each of *ridges*, over at most :data:`JUDGED` items that learn from all.

        Cost: 2NmK flops once, and a ridge as much for the items judged.
        """
        rows = sample(self.size, JUDGED)
        features, given = self._features[rows], labels[rows].astype(np.float64)
        squares, moment = np.square(features), _moment(self._features, labels)
        errors = np.empty(len(ridges))
        for index, ridge in enumerate(ridges):
            gains = (1.0 / (self._spectrum + ridge * self.scale)).astype(features.dtype)
            unseen = 1.0 - np.minimum(squares @ gains, LARGEST_LEVERAGE)
            fitted = (features @ (gains[:, None] * moment)).astype(np.float64)
            errors[index] = np.square((given - fitted) / unseen[:, None]).mean()
        return errors


def _moment(features: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Fᵀ V in the precision of F, [m, k]."""
    return features.T @ values.astype(features.dtype)


def _conjugate_gradients(features: np.ndarray, shift: float, right: np.ndarray, diagonal: np.ndarray) -> np.ndarray:
    """W with (FᵀF + shift·I) W = *right*, float64[m, K], each column by itself, preconditioned by *diagonal*."""
    solution, residual = np.zeros(right.shape), right.astype(np.float64)
    scaled = residual / diagonal[:, None]
    direction, size = scaled.copy(), (residual * scaled).sum(axis=0)
    enough = NEAR_ENOUGH**2 * size
    for _ in range(MOST_STEPS):
        if (size <= enough).all():
            break
        seen = direction.astype(features.dtype)
        image = _moment(features, features @ seen).astype(np.float64) + shift * direction
        step = size / np.maximum((direction * image).sum(axis=0), np.finfo(float).tiny)
        solution += step * direction
        residual -= step * image
        scaled = residual / diagonal[:, None]
        before, size = size, (residual * scaled).sum(axis=0)
        direction = scaled + size / np.maximum(before, np.finfo(float).tiny) * direction
    return solution


def exact_inverse(gram: np.ndarray, *, ridge: float) -> LowRankInverse:
    """The inverse of the whole H by its eigendecomposition, for a few thousand items. Cost: about 10N³ flops."""
    scale = float(np.trace(gram, dtype=np.float64)) / len(gram)
    spectrum, vectors = eigen(gram.astype(np.float64))
    kept = spectrum > DROPPED * spectrum[-1]
    return LowRankInverse(vectors[:, kept] * np.sqrt(spectrum[kept]), spectrum[kept], scale, ridge=ridge)


def nystrom_inverse(
    kernel: Kernel,
    inputs: np.ndarray,
    *,
    landmarks: int,
    ridge: float,
    sampling: Sampling = "kmeans",
    seed: int = 0,
    progress: Tick | None = None,
) -> LowRankInverse:
    """Nyström's approximation.

    Args:
        kernel: the architecture's kernel.
        inputs: prepared inputs, [N, …]; F takes their dtype.
        landmarks: m, at most N.
        ridge: relative to tr(H)/N, positive.
        sampling: of the landmarks; see :func:`ntk_labelqa.gram.landmarks.landmarks_of`.
        seed: of the draw.
        progress: called with (steps done, steps).

    Raises:
        InvalidInputError: more landmarks than items, or a ridge that is not positive.
        SingularKernelError: every landmark is blank.

    Cost: N·m kernel values, 4Nm² flops, memory for one [N, m] array, a panel and two [m, m] float64 arrays.
    """
    tick = progress or (lambda _done, _total: None)
    anchors = landmarks_of(kernel, inputs, landmarks, sampling=sampling, seed=seed, progress=tick)
    factor, kept = _independent(gram_of(kernel, anchors).astype(np.float64), float(np.finfo(inputs.dtype).eps))
    factor, anchors = factor.astype(inputs.dtype), anchors[kept]
    features = np.empty((len(inputs), len(anchors)), inputs.dtype)
    moment = np.zeros((len(anchors), len(anchors)))
    steps = list(panels(len(inputs), PANEL))
    for done, panel in enumerate(steps, start=1):
        features[panel] = whitened(factor, cross_block(kernel, inputs[panel], anchors))
        tick(done, 2 * len(steps))
    for panel in panels(len(inputs), LONG_PANEL):
        moment += second_moment(features[panel])
    spectrum, vectors = eigen(moment)
    carrying = spectrum > DROPPED * spectrum[-1]
    rotation = vectors[:, carrying].astype(inputs.dtype)
    for done, panel in enumerate(steps, start=len(steps) + 1):
        features[panel, : rotation.shape[1]] = product(features[panel], rotation)
        tick(done, 2 * len(steps))
    scale = float(kernel.diagonal(inputs).mean(dtype=np.float64))
    projection = solve_triangular(factor.astype(np.float64), vectors[:, carrying], trans="T", lower=True)
    reached = LandmarkMap(anchors, projection)
    return LowRankInverse(features[:, : rotation.shape[1]], spectrum[carrying], scale, ridge=ridge, landmarks=reached)


def _independent(gram: np.ndarray, rounding: float) -> tuple[np.ndarray, np.ndarray]:
    """The lower Cholesky factor of the landmarks' Gram matrix, and which landmarks it is of, int[m].

    Where it is singular to *rounding* (duplicates, or a linear kernel with more landmarks than features), those that
    the others explain are dropped, by pivoting: nothing is lost with them.
    """
    diagonal = gram.diagonal()
    try:
        return np.linalg.cholesky(gram + JITTER * diagonal.mean() * np.eye(len(gram))), np.arange(len(gram))
    except np.linalg.LinAlgError:
        tolerance = len(gram) * rounding * diagonal.max()
        factor, pivots, rank, _ = lapack.dpstrf(gram, tol=tolerance, lower=1)
    if rank == 0:
        raise SingularKernelError(
            "The kernel of every landmark with itself is zero.", remedy="Leave out blank items, or add a bias."
        )
    return np.tril(factor[:rank, :rank]), pivots[:rank] - 1
