"""Nyström's approximation (Williams and Seeger, NIPS 2000): eigen-features of any number of items from landmarks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import lapack

from ntk_labelqa.errors import SingularKernelError
from ntk_labelqa.gram import arrays
from ntk_labelqa.gram.arrays import Array, eigen, moment, panelwise, sharded, to_device, to_host, whitened
from ntk_labelqa.gram.landmarks import PANEL, LandmarkMap, Sampling, landmarks_of
from ntk_labelqa.gram.low_rank import DROPPED, LowRankInverse
from ntk_labelqa.gram.matrix import gram_of
from ntk_labelqa.gram.tiles import cross_block, diagonal_of, panel_length
from ntk_labelqa.kernels.kernel import Kernel
from ntk_labelqa.row_store import Rows

JITTER = 1e-6
"""Added to the landmarks' own Gram matrix, relative to its mean diagonal: it may be nearly singular."""
LONG_PANEL = 8192
"""Items whose second moment is taken at once: to add up that of few costs as much as to take it."""

Tick = Callable[[int, int], None]


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
        sharded(inputs[:]) if arrays.on_accelerator() else inputs,
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
