r"""Which classes training will confuse, and which are diffuse in themselves, read off Z = YᵀGY.

.. math::
    \text{coupling}_{ab} = \frac{-Z_{ab}}{\sqrt{Z_{aa} Z_{bb}}}, \qquad
    \text{diffuseness}_k = \frac{Z_{kk}}{n_k (n_k - 1)} \cdot \frac{\operatorname{tr} H}{N}, \qquad
    \text{overlap}_{ab} = \frac{R_{ab}}{\sqrt{R_{aa} R_{bb}}}, \quad R = \tfrac12 (Y^\top P + P^\top Y)

Source: paper, "Inherent Bias Detection": with no entanglement Z is diagonal, and a row of it ranks the confusions of a
class by the magnitude of its off-diagonal entries. Dividing by the diagonal is ours; it takes out the class sizes.

Coupling says with whom a class shares what its own items do not explain; with two classes it is always near 1. The
overlap says how much that is: with P the leave-one-out predictions, R_ab is what items of a are predicted to be of b,
so it is 0 for classes that are never confused and 1 where nothing tells them apart, whatever their sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ntk_labelqa.diagnostics import entanglement_warnings as warned
from ntk_labelqa.diagnostics.overlaps import Overlaps
from ntk_labelqa.findings import conform
from ntk_labelqa.gram.inverse import RegularizedInverse

STRONGEST_PAIRS = 5000
"""Pairs kept at most, those warned of before others; all of them up to 100 classes."""
CONFIDENCE = 1.959964
"""Standard deviations of a two-sided 95 % interval."""


@dataclass(frozen=True)
class Entanglement:
    """How the classes hang together.

    Attributes:
        matrix: Z, float64[K, K], in the order of *class_names*.
        pairs: the ``entanglement`` table of :mod:`ntk_labelqa.findings`, the strongest coupling first.
        classes: ``class_name``, ``items``, ``diffuseness`` (high = diffuse; null for classes of one item or none) with
            ``diffuseness_low`` and ``diffuseness_high`` (95 %).
    """

    matrix: np.ndarray
    pairs: pd.DataFrame
    classes: pd.DataFrame

    def partners(self, class_name: str) -> list[str]:
        """The other classes in the order in which training confuses them with *class_name*, the most confused first.

        The paper's ranking: by the magnitude of the entries of its row of Z.
        """
        names = self.classes["class_name"].tolist()
        row = names.index(class_name)
        order = np.argsort(-np.abs(self.matrix[row]), kind="stable")
        return [names[other] for other in order if other != row]


def entangle(
    inverse: RegularizedInverse,
    labels: np.ndarray,
    class_names: Sequence[str],
    *,
    item_ids: np.ndarray | None = None,
) -> Entanglement:
    """Z and what it says of each pair and each class.

    Args:
        inverse: G.
        labels: Y, float[N, K].
        class_names: K names.
        item_ids: int64[N], by which the items that carry a warning are named; None counts rows from 0.

    Cost: one ``apply`` of 2K columns and 6NK² flops; where there is a warning about four times that.
    """
    overlaps = Overlaps.of(inverse, labels)
    z, counts = overlaps.couplings, labels.sum(axis=0)
    pairs = warned.judge(_pairs(z, class_names), overlaps, inverse, labels)
    ids = np.arange(len(labels)) if item_ids is None else item_ids
    kept = _strongest(pairs)
    kept["items_a"], kept["items_b"] = warned.carriers(kept, overlaps, labels, ids)
    return Entanglement(z, conform("entanglement", kept), _classes(overlaps, counts, class_names, inverse.scale))


def _pairs(z: np.ndarray, class_names: Sequence[str]) -> pd.DataFrame:
    size = np.sqrt(np.diag(z))
    first, second = np.triu_indices(len(z), k=1)
    product = size[first] * size[second]
    names = np.asarray(class_names, object)
    return pd.DataFrame(
        {
            "a": first,
            "b": second,
            "class_a": names[first],
            "class_b": names[second],
            "coupling": np.divide(-z[first, second], product, out=np.zeros(len(first)), where=product > 0),
        }
    )


def _strongest(pairs: pd.DataFrame) -> pd.DataFrame:
    first = pairs.sort_values(["is_warned", "coupling"], ascending=False, kind="stable").head(STRONGEST_PAIRS)
    return first.sort_values("coupling", ascending=False, kind="stable").reset_index(drop=True)


def _classes(overlaps: Overlaps, counts: np.ndarray, class_names: Sequence[str], scale: float) -> pd.DataFrame:
    own = counts * (counts - 1)
    known = counts > 1
    value = np.divide(np.diag(overlaps.couplings) * scale, own, out=np.full(len(counts), np.nan), where=known)
    half = np.divide(CONFIDENCE * overlaps.own_deviation * scale, own, out=np.full(len(counts), np.nan), where=known)
    return pd.DataFrame(
        {
            "class_name": list(class_names),
            "items": np.rint(counts).astype(np.int64),
            "diffuseness": value,
            "diffuseness_low": np.maximum(value - half, 0.0),
            "diffuseness_high": value + half,
        }
    )
