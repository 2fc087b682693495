"""Kernel principal components, and how far apart classes lie in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

COMPONENTS = 4
"""Components that the separation is measured in, as in the paper's Table 3."""


@dataclass(frozen=True)
class Separation:
    """Each item's mean distance to other classes' items over that to its own class's: mean and deviation over items.

    High = the classes are clusters; 1 = they lie in one another.
    """

    ratio: float
    deviation: float


def principal_components(gram: np.ndarray, count: int = COMPONENTS) -> np.ndarray:
    r"""Items along the *count* kernel principal components of the largest variance, float64[N, count].

    .. math::
        (I - \tfrac1N 11^\top) H (I - \tfrac1N 11^\top) = U \operatorname{diag}(w) U^\top, \qquad
        x_{ic} = \sqrt{w_c} U_{ic}

    The paper's Table 3 speaks of "the last 4 principal components". An eigendecomposition in ascending order, as
    NumPy's, ends with the largest, so the last are read here as the top ones; the smallest carry rounding.

    Cost: N² for the centring and about N³ flops for the decomposition.
    """
    centred = gram.astype(np.float64)
    centred -= centred.mean(axis=0)
    centred -= centred.mean(axis=1, keepdims=True)
    size = len(gram)
    count = min(count, size)
    spectrum, vectors = eigh((centred + centred.T) / 2, subset_by_index=(size - count, size - 1))
    return vectors[:, ::-1] * np.sqrt(np.maximum(spectrum[::-1], 0.0))


def separation(coordinates: np.ndarray, codes: np.ndarray) -> Separation:
    """How far apart the classes *codes*, int64[N], lie; items whose class has no second item are left out."""
    squares = np.square(coordinates).sum(axis=1)
    distances = np.sqrt(np.maximum(squares[:, None] + squares - 2 * coordinates @ coordinates.T, 0.0))
    one_hot = np.eye(codes.max() + 1)[codes]
    counts, to_class = one_hot.sum(axis=0), distances @ one_hot
    each, own = np.arange(len(codes)), counts[codes]
    within = to_class[each, codes] / np.maximum(own - 1, 1)
    between = (to_class.sum(axis=1) - to_class[each, codes]) / np.maximum(len(codes) - own, 1)
    used = (own > 1) & (within > 0)
    if not used.any():
        return Separation(float("nan"), float("nan"))
    ratios = between[used] / within[used]
    return Separation(float(ratios.mean()), float(ratios.std()))
