r"""Which classes training will confuse, and which are diffuse in themselves, read off Z = YᵀGY.

.. math::
    \text{coupling}_{ab} = \frac{-Z_{ab}}{\sqrt{Z_{aa} Z_{bb}}}, \qquad
    \text{diffuseness}_k = \frac{Z_{kk}}{n_k (n_k - 1)} \cdot \frac{\operatorname{tr} H}{N}, \qquad
    \text{overlap}_{ab} = \frac{R_{ab}}{\sqrt{R_{aa} R_{bb}}}, \quad R = \tfrac12 (Y^\top P + P^\top Y)

Source: paper, "Inherent Bias Detection": with no entanglement Z is diagonal, and a row of it ranks the confusions of a
class by the magnitude of its off-diagonal entries. Dividing by the diagonal is ours; it takes out the class sizes.

Coupling says with whom a class shares what its own items do not explain; with two classes it is always near 1. The
overlap says how much that is: with P the leave-one-out predictions, R_ab is what items of a are predicted to be of b,
so it is 0 for classes that are never confused and 1 where nothing distinguishes them, whatever their sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from ntk_labelqa.diagnostics import entanglement_warnings as warned
from ntk_labelqa.diagnostics.overlaps import Overlaps
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.findings import conform
from ntk_labelqa.gram.inverse import RegularizedInverse
from ntk_labelqa.inputs.labels import taken

STRONGEST_PAIRS = 5000
"""Pairs kept at most, those warned of before others; all of them up to 100 classes."""
CONFIDENCE = 1.959964
"""Standard deviations of a two-sided 95 % interval."""


@dataclass(frozen=True)
class Entanglement:
    """How the classes are coupled.

    Attributes:
        matrix: Z, float64[K, K], in the order of *class_names*.
        pairs: a row a pair of classes, the strongest coupling first, at most :data:`STRONGEST_PAIRS`:

            - ``class_a``, ``class_b`` (type of the labels);
            - ``coupling`` (float64): how much the two share of what their own items do not explain; high = entangled;
            - ``overlap`` (float64): 0 = never confused, 1 = nothing distinguishes them; with ``overlap_low`` and
              ``overlap_high`` (float64; 95 %);
            - ``q_value`` (float64): least false discovery rate at which the overlap is more than the usual one;
            - ``is_warned`` (bool): the overlap is significant and large;
            - ``overlap_refurbished`` (float64): with the labels corrected that halves of the data contradict alike;
            - ``cause`` (str): of a warning, ``labels`` (wrong ones) or ``classes`` (guideline, taxonomy); else empty;
            - ``items_a``, ``items_b`` (str): of a warned pair, the items of each class that lean most to the other, set
              apart by spaces: rows counted from 0, or task ids where the items are tasks.
        classes: a row a class, in the order of *matrix*: ``class_name`` (type of the labels), ``items`` (int64),
            ``diffuseness`` (float64; high = diffuse; null for classes of one item or none) with ``diffuseness_low`` and
            ``diffuseness_high`` (float64; 95 %).
    """

    matrix: np.ndarray
    pairs: pd.DataFrame
    classes: pd.DataFrame

    def partners(self, class_name: object) -> list[Any]:
        """The other classes in the order in which training confuses them with *class_name*, the most confused first.

        The paper's ranking: by the magnitude of the entries of its row of Z. Raises InvalidInputError for a label that
        is no class; ``1`` and ``"1"`` are two.
        """
        names = self.classes["class_name"].tolist()
        if class_name not in names:
            raise InvalidInputError(
                f"There is no class {class_name!r}.", remedy=f"Pass one of {', '.join(map(repr, names[:10]))}."
            )
        row = names.index(class_name)
        order = np.argsort(-np.abs(self.matrix[row]), kind="stable")
        return [names[other] for other in order if other != row]


def entangle(
    inverse: RegularizedInverse,
    labels: np.ndarray | sparse.csr_matrix,
    class_names: Sequence[object] | pd.Series,
    *,
    item_ids: np.ndarray | None = None,
) -> Entanglement:
    """Z and what it says of each pair and each class.

    Args:
        inverse: G.
        labels: Y, float[N, K], dense or sparse.
        class_names: K names; the tables hold them in the type they have here.
        item_ids: int64[N], by which the items that carry a warning are named; None counts rows from 0.

    Cost: two ``apply`` of 2K columns, and O(K) an entry of Y; where there is a warning about four times that. Memory:
    a few panels of :data:`~ntk_labelqa.diagnostics.panels.PANEL_BYTES`, and a few numbers a pair of classes.
    """
    given = sparse.csr_matrix(labels)
    overlaps = Overlaps.of(inverse, given)
    z, counts = overlaps.couplings, overlaps.counts
    names = class_names if isinstance(class_names, pd.Series) else pd.Series(class_names, dtype=object)
    kept = warned.explained(_strongest(warned.judge(_pairs(z), overlaps)), inverse, given)
    for side in "ab":
        kept[f"class_{side}"] = taken(names, kept[side].to_numpy())
    ids = np.arange(given.shape[0]) if item_ids is None else item_ids
    kept["items_a"], kept["items_b"] = warned.carriers(kept, overlaps.weights, ids)
    return Entanglement(z, conform("entanglement", kept), _classes(overlaps, counts, names, inverse.scale))


def _pairs(z: np.ndarray) -> pd.DataFrame:
    size = np.sqrt(np.diag(z))
    first, second = np.triu_indices(len(z), k=1)
    product = size[first] * size[second]
    return pd.DataFrame(
        {
            "a": first,
            "b": second,
            "coupling": np.divide(-z[first, second], product, out=np.zeros(len(first)), where=product > 0),
        }
    )


def _strongest(pairs: pd.DataFrame) -> pd.DataFrame:
    first = pairs.sort_values(["is_warned", "coupling"], ascending=False, kind="stable").head(STRONGEST_PAIRS)
    return first.sort_values("coupling", ascending=False, kind="stable").reset_index(drop=True)


def _classes(overlaps: Overlaps, counts: np.ndarray, names: pd.Series, scale: float) -> pd.DataFrame:
    own = counts * (counts - 1)
    known = counts > 1
    value = np.divide(np.diag(overlaps.couplings) * scale, own, out=np.full(len(counts), np.nan), where=known)
    half = np.divide(CONFIDENCE * overlaps.own_deviation * scale, own, out=np.full(len(counts), np.nan), where=known)
    return pd.DataFrame(
        {
            "class_name": taken(names, np.arange(len(names))),
            "items": np.rint(counts).astype(np.int64),
            "diffuseness": value,
            "diffuseness_low": np.maximum(value - half, 0.0),
            "diffuseness_high": value + half,
        }
    )
