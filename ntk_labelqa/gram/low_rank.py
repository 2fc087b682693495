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

import jax
import numpy as np
from numpy.typing import DTypeLike
from scipy.linalg import lapack, solve_triangular

from ntk_labelqa.errors import InvalidInputError, SingularKernelError
from ntk_labelqa.gram import arrays
from ntk_labelqa.gram.arrays import (
    Array,
    eigen,
    fused,
    in_few_sizes,
    moment,
    namespace,
    panelwise,
    rows_of,
    solved,
    to_device,
    to_host,
    whitened,
)
from ntk_labelqa.gram.inverse import learnt, sample
from ntk_labelqa.gram.landmarks import PANEL, Sampling, landmarks_of
from ntk_labelqa.gram.matrix import gram_of
from ntk_labelqa.gram.tiles import cross_block, diagonal_of, panel_length
from ntk_labelqa.kernels.kernel import Kernel
from ntk_labelqa.row_store import Rows

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

    @classmethod
    def of(cls, anchors: np.ndarray, factor: np.ndarray, vectors: np.ndarray) -> Self:
        """From :func:`independent_landmarks` and the *vectors* of :func:`carrying`."""
        return cls(anchors, solve_triangular(factor.astype(np.float64), vectors, trans="T", lower=True))


class LowRankInverse:
    """G from eigen-features; see the module. They stay where they are; what is asked for comes as NumPy's arrays.

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
        features: Array,
        spectrum: np.ndarray,
        scale: float,
        *,
        ridge: float,
        landmarks: LandmarkMap | None = None,
    ) -> None:
        check_positive(ridge)
        self._features, self._spectrum, self.landmarks = features, spectrum, landmarks
        self.size, self.scale, self.ridge = len(features), float(scale), float(ridge)
        self._shift = to_device(np.float64(self.ridge * self.scale))
        self._gains = to_device(self._gains_at(self.ridge))
        self._spared: np.ndarray | None = None

    def _gains_at(self, ridge: float) -> np.ndarray:
        """1 / (w + λ), in the precision of F."""
        return gains_at(self._spectrum, ridge * self.scale, self._features.dtype)

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
        return to_host(_applied(self._features, self._gains, self._shift, to_device(values)))

    def regression(self) -> LowRankRegression:
        """See :class:`~ntk_labelqa.gram.inverse.RegularizedInverse`; it takes two arrays [m, k], however many items."""
        return LowRankRegression(self._features, self._gains, self._unexplained())

    def diagonal(self) -> np.ndarray:
        """diag G, float64[N]. Cost: 2Nm flops, once a ridge."""
        return self._unexplained() / (self.ridge * self.scale)

    def _unexplained(self) -> np.ndarray:
        """1 − leverage of each item, float64[N]."""
        if self._spared is None:
            leverage = to_host(panelwise(leverages, None, PANEL, self._features, self._gains))
            self._spared = unexplained(leverage)
        return self._spared

    def columns(self, indices: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """G[rows, indices], float64[len(rows), len(indices)]; None takes all rows. Cost: 2 rows indices m flops."""
        if rows is None:
            return to_host(_columns(self._features, self._gains, self._shift, to_device(indices)))
        padded = to_device(in_few_sizes(indices)), to_device(in_few_sizes(rows))
        found = _entries(self._features, self._gains, self._shift, *padded)
        return to_host(found)[: len(rows), : len(indices)]

    def predicted_from(self, rows: np.ndarray, labels: Rows) -> np.ndarray:
        """What the items *rows* alone say of all, float64[N, K], to about 5 digits.

        Cost: n²(m + n/3) flops for n ≤ m rows; beyond, conjugate gradients of about 8 steps of 4nmK flops.
        """
        if not len(rows):
            return np.zeros((self.size, labels.shape[1]))
        padded = in_few_sizes(rows)
        # What was added is of no features.
        used = None if padded is rows else to_device((np.arange(len(padded)) < len(rows)).astype(self._features.dtype))
        chosen, given = to_device(padded), to_device(labels[padded].astype(np.float64))
        if len(rows) <= len(self._spectrum):
            return to_host(_predicted_from_few(self._features, self._shift, chosen, given, used))
        features, right = _those(self._features, chosen, given, used)

        def image(direction: Array) -> Array:
            return gram_times(features, direction)

        # The items are part of all, whose FᵀF is diagonal: so theirs nearly is, which makes few steps enough.
        diagonal = self._spectrum * (len(rows) / self.size) + self.ridge * self.scale
        weights = conjugate_gradients(image, self._shift, right, to_device(diagonal))
        return to_host(seen(self._features, weights))

    def at(self, ridge: float) -> Self:
        """The inverse at another ridge; shares F."""
        if ridge == self.ridge:
            return self
        return type(self)(self._features, self._spectrum, self.scale, ridge=ridge, landmarks=self.landmarks)

    def gram_of(self, rows: np.ndarray) -> np.ndarray:
        """F Fᵀ of the items *rows*, float64[n, n]."""
        some = to_host(_rows_at(self._features, to_device(rows))).astype(np.float64)
        return some @ some.T

    def halved(self) -> Self:
        """The inverse by the half of the features with the largest spectrum; shares F."""
        # A feature of infinite norm is as good as one that is not there: it explains nothing.
        spectrum = np.where(self._spectrum < np.median(self._spectrum), np.inf, self._spectrum)
        return type(self)(self._features, spectrum, self.scale, ridge=self.ridge)

    def leave_one_out_errors(self, labels: Rows, ridges: np.ndarray) -> np.ndarray:
        """Mean squared leave-one-out error at each of *ridges*, over at most :data:`JUDGED` items that learn from all.

        Cost: 2NmK flops once, and a ridge as much for the items judged.
        """
        rows = sample(self.size, JUDGED)
        right = learnt(self.regression(), labels).moment
        judged, squares = judged_features(self._features, to_device(rows))
        given = to_device(labels[rows].astype(np.float64))
        gains = [to_device(self._gains_at(ridge)) for ridge in ridges]
        sums = [float(to_host(leave_one_out_squares(judged, squares, right, given, one))) for one in gains]
        return np.array(sums) / given.size


def gains_at(spectrum: np.ndarray, shift: float, dtype: DTypeLike) -> np.ndarray:
    """1 / (w + λ) for *shift* λ, in the precision of the features."""
    return (1.0 / (spectrum + shift)).astype(dtype)


def unexplained(leverage: np.ndarray) -> np.ndarray:
    """1 − leverage, float64[N]."""
    return 1.0 - np.minimum(leverage.astype(np.float64), LARGEST_LEVERAGE)


def check_positive(ridge: float) -> None:
    """Raise InvalidInputError where a low-rank inverse at *ridge* does not exist."""
    if not ridge > 0 or not np.isfinite(ridge):
        raise InvalidInputError(
            f"A low-rank inverse at ridge {ridge:g} does not exist.",
            why="Items outside the span of the landmarks would have an infinite inverse.",
            remedy="Pass a positive ridge, for example 0.01, or invert exactly with DenseInverse.",
        )


class LowRankRegression:
    """See :class:`~ntk_labelqa.gram.inverse.Regression`.

    Args:
        features: F, float[N, m].
        gains: 1 / (w + λ), float[m].
        unexplained: 1 − leverage, float64[N].
    """

    def __init__(self, features: Array, gains: Array, unexplained: np.ndarray) -> None:
        self._features, self._gains, self._unexplained = features, gains, unexplained[:, None]
        self.moment: Array | None = None
        """Fᵀ V of the values learnt, float64[m, k]."""
        self._weights: Array | None = None

    @property
    def coefficients(self) -> np.ndarray:
        """(FᵀF + λI)⁻¹ FᵀV, float64[m, k]: what eigen-features are multiplied by to predict V."""
        return to_host(_scaled(self._gains, self.moment))

    def learn(self, rows: slice, values: np.ndarray) -> None:
        """Cost: 2nmk flops."""
        if self.moment is None:
            self.moment = to_device(np.zeros((len(self._gains), values.shape[1])))
        self.moment = _added(self.moment, rows_of(self._features, rows), to_device(values))

    def left_out(self, rows: slice, values: np.ndarray) -> np.ndarray:
        """Cost: 2nmk flops."""
        if self._weights is None:
            self._weights = _weights(self._gains, self.moment)
        said = to_host(seen(rows_of(self._features, rows), self._weights))
        return values - (values - said) / self._unexplained[rows]


@fused()
def _added(moment: Array, features: Array, values: Array) -> Array:
    return moment + moment_of(features, values).astype(np.float64)


@fused()
def _scaled(gains: Array, moment: Array) -> Array:
    return gains[:, None] * moment


@fused()
def _weights(gains: Array, moment: Array) -> Array:
    return (gains[:, None] * moment).astype(gains.dtype)


@fused()
def _applied(features: Array, gains: Array, shift: Array, values: Array) -> Array:
    weights = gains[:, None] * moment_of(features, values)
    return (values - (features @ weights).astype(np.float64)) / shift


def leverages(_: None, features: Array, gains: Array) -> Array:
    """How far each item's prediction follows its own label, [n]. Cost: 3nm flops."""
    squares = namespace(features).square(features)
    # As one sum: before a product an accelerator would write the squares to its memory, and read them again.
    return (squares * gains).sum(axis=1) if isinstance(features, jax.Array) else squares @ gains


@fused()
def _columns(features: Array, gains: Array, shift: Array, indices: Array) -> Array:
    xp = namespace(features)
    result = -(features @ (gains[:, None] * features[indices].T)).astype(np.float64)
    own = xp.arange(len(features))[:, None] == indices
    return xp.where(own, result + 1.0, result) / shift


@fused()
def _entries(features: Array, gains: Array, shift: Array, indices: Array, rows: Array) -> Array:
    product = (features[rows] @ (gains[:, None] * features[indices].T)).astype(np.float64)
    own = (rows[:, None] == indices).astype(np.float64)
    return (own - product) / shift


@fused()
def _predicted_from_few(features: Array, shift: Array, rows: Array, given: Array, used: Array | None) -> Array:
    return seen(features, weights_of_few(_used(features[rows], used), shift, given))


@fused()
def weights_of_few(some: Array, shift: Array, given: Array) -> Array:
    """What features are multiplied by to predict from *some* items, F_A [n, m], of which *given*, [n, K], is known:
    F_Aᵀ (F_A F_Aᵀ + shift·I)⁻¹ given. Cost: n²(m + n/3) flops.
    """
    own = (some @ some.T).astype(np.float64) + shift * namespace(some).eye(len(some))
    return some.T @ solved(own, given).astype(some.dtype)


@fused()
def _those(features: Array, rows: Array, given: Array, used: Array | None) -> tuple[Array, Array]:
    """The features of *rows*, and their products with what is *given* of them."""
    some = _used(features[rows], used)
    return some, moment_of(some, given).astype(np.float64)


def _used(features: Array, used: Array | None) -> Array:
    """*features*, 0 where *used* is 0."""
    return features if used is None else features * used[:, None]


@fused()
def seen(features: Array, weights: Array) -> Array:
    """What *weights*, [m, k], say of the items of *features*, float64[n, k]."""
    return (features @ weights.astype(features.dtype)).astype(np.float64)


@fused()
def _rows_at(features: Array, rows: Array) -> Array:
    return features[rows]


@fused()
def judged_features(features: Array, rows: Array) -> tuple[Array, Array]:
    """The features of *rows*, and their squares."""
    some = features[rows]
    return some, namespace(features).square(some)


@fused()
def leave_one_out_squares(features: Array, squares: Array, right: Array, given: Array, gains: Array) -> Array:
    """Sum of squared leave-one-out errors of what is *given* of the items of :func:`judged_features`."""
    xp = namespace(features)
    unseen = 1.0 - xp.minimum(squares @ gains, LARGEST_LEVERAGE)
    fitted = (features @ (gains[:, None] * right).astype(features.dtype)).astype(np.float64)
    return xp.square((given - fitted) / unseen[:, None]).sum()


def moment_of(features: Array, values: Array) -> Array:
    """Fᵀ V in the precision of F, [m, k]."""
    return features.T @ values.astype(features.dtype)


def conjugate_gradients(image: Callable[[Array], Array], shift: Array, right: Array, diagonal: Array) -> Array:
    """W with (A + shift·I) W = *right*, float64[m, K], each column by itself, preconditioned by *diagonal*.

    *image* is the product with A, positive semi-definite [m, m].
    """
    state = _start(right, diagonal)
    enough = NEAR_ENOUGH**2 * to_host(state[-1])
    for _ in range(MOST_STEPS):
        if (to_host(state[-1]) <= enough).all():
            break
        state = _step(image(state[2]), shift, diagonal, *state)
    return state[0]


@fused()
def gram_times(features: Array, direction: Array) -> Array:
    """FᵀF *direction*, float64[m, K]. Cost: 4nmK flops."""
    return moment_of(features, features @ direction.astype(features.dtype)).astype(np.float64)


@fused()
def _start(right: Array, diagonal: Array) -> tuple[Array, ...]:
    """Solution, residual, direction, and the size of the residual."""
    scaled = right / diagonal[:, None]
    return namespace(right).zeros_like(right), right, scaled, (right * scaled).sum(axis=0)


@fused()
def _step(
    product: Array, shift: Array, diagonal: Array, solution: Array, residual: Array, direction: Array, size: Array
) -> tuple[Array, ...]:
    xp, least = namespace(residual), np.finfo(float).tiny
    image = product + shift * direction
    step = size / xp.maximum((direction * image).sum(axis=0), least)
    solution, residual = solution + step * direction, residual - step * image
    scaled = residual / diagonal[:, None]
    new = (residual * scaled).sum(axis=0)
    return solution, residual, scaled + new / xp.maximum(size, least) * direction, new


def exact_inverse(gram: np.ndarray, *, ridge: float) -> LowRankInverse:
    """The inverse of the whole H by its eigendecomposition, for a few thousand items. Cost: about 10N³ flops."""
    scale = float(np.trace(gram, dtype=np.float64)) / len(gram)
    spectrum, vectors = eigen(gram.astype(np.float64))
    kept = spectrum > DROPPED * spectrum[-1]
    features = to_device(vectors[:, kept] * np.sqrt(spectrum[kept]))
    return LowRankInverse(features, spectrum[kept], scale, ridge=ridge)


def nystrom_inverse(
    kernel: Kernel,
    inputs: Rows,
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
    anchors, factor = independent_landmarks(
        kernel, inputs, landmarks=landmarks, sampling=sampling, seed=seed, progress=tick
    )
    features = whitened_features(kernel, inputs, anchors, factor, lambda done, total: tick(done, 2 * total))
    spectrum, vectors = carrying(moment(features, LONG_PANEL))
    features = panelwise(
        rotated,
        None,
        panel_length(kernel, inputs, len(anchors), PANEL),
        features,
        to_device(vectors.astype(inputs.dtype)),
        tick=lambda done, total: tick(total + done, 2 * total),
        overwrite=True,
    )
    scale = float(diagonal_of(kernel, inputs).mean(dtype=np.float64))
    reached = LandmarkMap.of(anchors, factor, vectors)
    return LowRankInverse(features, spectrum, scale, ridge=ridge, landmarks=reached)


def independent_landmarks(
    kernel: Kernel,
    inputs: Rows,
    *,
    landmarks: int,
    sampling: Sampling = "kmeans",
    seed: int = 0,
    progress: Tick | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks, [m, …], that do not follow from each other, and the lower Cholesky factor L of their Gram matrix.

    Arguments and errors as in :func:`nystrom_inverse`; both are of the dtype of *inputs*.
    """
    anchors = landmarks_of(kernel, inputs, landmarks, sampling=sampling, seed=seed, progress=progress)
    own = gram_of(kernel, anchors).astype(np.float64)
    factor, kept = _independent(own, float(np.finfo(inputs.dtype).eps))
    return anchors[kept], factor.astype(inputs.dtype)


def whitened_features(
    kernel: Kernel, inputs: Rows, anchors: np.ndarray, factor: np.ndarray, tick: Tick | None = None
) -> Array:
    """k(inputs, anchors) L⁻ᵀ, [n, m]: features whose products approximate H. Cost: nm kernel values, nm² flops."""
    return panelwise(
        _features_of,
        kernel,
        panel_length(kernel, inputs, len(anchors), PANEL),
        to_device(inputs[:]) if arrays.on_accelerator() else inputs,
        *map(to_device, (anchors, factor)),
        tick=tick,
    )


def carrying(total: Array) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues, [m'], and vectors, [m, m'], of *total*, the second moment of all features, without rounding's."""
    spectrum, vectors = map(to_host, eigen(total))
    kept = spectrum > DROPPED * spectrum[-1]
    return spectrum[kept], vectors[:, kept]


def _features_of(kernel: Kernel, inputs: Array, anchors: Array, factor: Array) -> Array:
    return whitened(factor, cross_block(kernel, inputs, anchors))


def rotated(_: None, features: Array, rotation: Array) -> Array:
    """*features* in other axes, [n, m']. Cost: 2nmm' flops."""
    return features @ rotation


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
