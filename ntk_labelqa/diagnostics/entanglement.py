r"""Which classes training will confuse, and which are diffuse in themselves, read off Z = YᵀGY.

.. math::
    \text{coupling}_{ab} = \frac{-Z_{ab}}{\sqrt{Z_{aa} Z_{bb}}}, \qquad
    \text{diffuseness}_k = \frac{Z_{kk}}{n_k (n_k - 1)} \cdot \frac{\operatorname{tr} H}{N}

Source: paper, "Inherent Bias Detection": with no entanglement Z is diagonal, and a row of it ranks the confusions of a
class by the magnitude of its off-diagonal entries. Dividing by the diagonal is ours; it takes out the class sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ntk_labelqa.bde import class_couplings
from ntk_labelqa.findings import conform
from ntk_labelqa.gram.inverse import RegularizedInverse

STRONGEST_PAIRS = 5000
"""Pairs kept at most; all of them up to 100 classes."""


@dataclass(frozen=True)
class Entanglement:
    """How the classes hang together.

    Attributes:
        matrix: Z, float64[K, K], in the order of *class_names*.
        pairs: ``class_a``, ``class_b``, ``coupling``, strongest first; high = entangled.
        classes: ``class_name``, ``items``, ``diffuseness`` (high = diffuse; null for classes of one item or none).
    """

    matrix: np.ndarray
    pairs: pd.DataFrame
    classes: pd.DataFrame


def entangle(inverse: RegularizedInverse, labels: np.ndarray, class_names: Sequence[str]) -> Entanglement:
    """Z and what it says of each pair and each class.

    Args:
        inverse: G.
        labels: Y, float[N, K].
        class_names: K names.

    Cost: one ``apply`` of K columns.
    """
    z, counts = class_couplings(inverse, labels), labels.sum(axis=0)
    classes = pd.DataFrame(
        {
            "class_name": list(class_names),
            "items": np.rint(counts).astype(np.int64),
            "diffuseness": _diffuseness(z, counts, inverse.scale),
        }
    )
    return Entanglement(z, _pairs(z, class_names), classes)


def _diffuseness(z: np.ndarray, counts: np.ndarray, scale: float) -> np.ndarray:
    own = counts * (counts - 1)
    return np.divide(np.diag(z) * scale, own, out=np.full(len(counts), np.nan), where=counts > 1)


def _pairs(z: np.ndarray, class_names: Sequence[str]) -> pd.DataFrame:
    size = np.sqrt(np.diag(z))
    first, second = np.triu_indices(len(z), k=1)
    product = size[first] * size[second]
    coupling = np.divide(-z[first, second], product, out=np.zeros(len(first)), where=product > 0)
    strongest = np.argsort(-coupling, kind="stable")[:STRONGEST_PAIRS]
    names = np.asarray(class_names, object)
    return conform(
        "entanglement",
        pd.DataFrame(
            {
                "class_a": names[first[strongest]],
                "class_b": names[second[strongest]],
                "coupling": coupling[strongest],
            }
        ),
    )
