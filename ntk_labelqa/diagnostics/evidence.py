r"""Why an annotation is suspected: the items that pull its item's prediction hardest, each way.

The leave-one-out prediction is a sum over the other items,

.. math:: P_{ic} = \sum_{j \neq i} \Bigl( -\frac{G_{ij}}{G_{ii}} \Bigr) Y_{jc}

so each term is what item j contributes to class c.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse

from ntk_labelqa import findings
from ntk_labelqa.dataset import LabeledDataset
from ntk_labelqa.diagnostics.label_issues import LabelIssues
from ntk_labelqa.diagnostics.panels import label_counts
from ntk_labelqa.gram.inverse import RegularizedInverse

STRONGEST = 3
"""Items shown for the suggested class, and as many for the given one."""
ENTRIES = 10**9
"""Of G that are looked at: each flagged annotation costs a column of it."""
PANEL_BYTES, FEWEST_COLUMNS = 16 * 2**20, 32
"""Memory is found anew for larger panels, which takes longer than to fill them; but each goes through all of G."""


def influences(dataset: LabeledDataset, inverse: RegularizedInverse, issues: LabelIssues) -> pd.DataFrame:
    """The ``influences`` table: for each flagged annotation the items that pull hardest towards the suggested class,
    then those towards the given one, strongest first. Items that push away are never listed.

    Of more than :func:`most_evident` flagged annotations, those with the largest error probability.

    Args:
        dataset: N items.
        inverse: G over them.
        issues: one entry an annotation.

    Cost: one column of G a flagged item, a panel of them at a time.
    """
    items = dataset.item_of_annotation
    counts = label_counts(items, dataset.label_codes, len(dataset), len(dataset.class_names))
    labels = sparse.csc_matrix(counts.multiply(1.0 / np.maximum(counts.sum(axis=1), 1.0)))
    flagged = np.flatnonzero(issues.is_label_issue)
    if len(flagged) > (most := most_evident(len(dataset))):
        worst = np.lexsort((-issues.margin[flagged], -issues.error_probability[flagged]))
        flagged = np.sort(flagged[worst[:most]])
    at_once = max(FEWEST_COLUMNS, PANEL_BYTES // (8 * inverse.size))
    found = [
        _strongest(inverse, labels, items[some], issues.suggested[some], dataset.label_codes[some], some)
        for some in (flagged[start : start + at_once] for start in range(0, len(flagged), at_once))
    ]
    if not found:
        return findings.empty("influences")
    annotation, other, weight, toward = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return findings.conform(
        "influences",
        pd.DataFrame(
            {
                "annotation_id": dataset.annotations["annotation_id"].to_numpy()[annotation],
                "other_task_id": dataset.items["task_id"].to_numpy()[other],
                "weight": weight,
                "toward": np.asarray(dataset.class_names, object)[toward],
                "region_id": dataset.annotation_regions[annotation],
                "other_region_id": dataset.item_regions[other],
            }
        ),
    )


def most_evident(item_count: int) -> int:
    """For how many annotations, at most, evidence is gathered among *item_count* items.

    Example:
        >>> most_evident(100_000), most_evident(1_000_000)
        (10000, 1000)
    """
    return max(1, ENTRIES // item_count)


def _strongest(
    inverse: RegularizedInverse,
    labels: sparse.csc_matrix,
    items: np.ndarray,
    suggested: np.ndarray,
    given: np.ndarray,
    annotations: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """Annotation, other item, weight and class of the strongest pulls on *annotations* of *items*, flat arrays.

    *labels* are Y, sparse float64[N, K]; only items with a label of the class in question pull towards it.
    """
    solved, own = inverse.columns(items), inverse.diagonal()[items]
    parts = []
    for side, toward in enumerate((suggested, given)):
        for code in np.unique(toward):
            at = slice(*labels.indptr[code : code + 2])
            members, columns = labels.indices[at], np.flatnonzero(toward == code)
            pull = -solved[members[:, None], columns] / own[columns] * labels.data[at, None]
            pull[members[:, None] == items[columns]] = 0.0
            count = min(STRONGEST, len(members))
            top = np.argpartition(-pull.T, count - 1, axis=1)[:, :count] if count else np.empty((len(columns), 0), int)
            row = np.broadcast_to(columns[:, None], top.shape)
            weight = np.take_along_axis(pull.T, top, axis=1)
            parts.append((row, members[top], weight, np.full(top.shape, code), np.full(top.shape, side)))
    row, other, weight, toward, side = (
        np.concatenate([part.ravel() for part in of]) for of in zip(*parts, strict=True)
    )
    kept = np.flatnonzero(weight > 0)
    order = kept[np.lexsort((-weight[kept], side[kept], row[kept]))]
    return annotations[row[order]], other[order], weight[order], toward[order]
