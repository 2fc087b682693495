r"""Why an annotation is suspected: the items that pull its item's prediction hardest, each way.

The leave-one-out prediction is a sum over the other items,

.. math:: P_{ic} = \sum_{j \neq i} \Bigl( -\frac{G_{ij}}{G_{ii}} \Bigr) Y_{jc}

so each term is what item j contributes to class c.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ntk_labelqa import findings
from ntk_labelqa.dataset import LabeledDataset
from ntk_labelqa.diagnostics.label_issues import LabelIssues
from ntk_labelqa.gram.inverse import RegularizedInverse
from ntk_labelqa.label_model.annotations import Annotations

STRONGEST = 3
"""Items shown for the suggested class, and as many for the given one."""
MOST = 10_000
"""Flagged annotations that get evidence: more than anybody looks at."""
ENTRIES = 10**9
"""Of G that are looked at where all classes are of one size: a minute or two on two cores."""
PANEL_BYTES = 64 * 2**20
"""Of entries at a time: for each panel the features of all items of a class are copied."""


def influences(dataset: LabeledDataset, inverse: RegularizedInverse, issues: LabelIssues) -> pd.DataFrame:
    """The ``influences`` table: for each flagged annotation the items that pull hardest towards the suggested class,
    then those towards the given one, strongest first. Items that push away are never listed.

    Of more than :func:`most_evident` flagged annotations, those with the largest error probability.

    Args:
        dataset: N items.
        inverse: G over them.
        issues: one entry an annotation.

    Cost: an entry of G for each flagged item and each item of the two classes, a panel of them at a time.
    """
    annotations = Annotations.of_dataset(dataset)
    flagged = np.flatnonzero(issues.is_label_issue)
    if len(flagged) > (most := most_evident(annotations.item_count, annotations.class_count)):
        worst = np.lexsort((-issues.margin[flagged], -issues.error_probability[flagged]))
        flagged = np.sort(flagged[worst[:most]])
    if not len(flagged):
        return findings.empty("influences")
    pulls = [
        _of_class(inverse, annotations, issues.suggested, flagged, toward) for toward in range(len(dataset.class_names))
    ]
    annotation, other, weight, toward = (np.concatenate(parts) for parts in zip(*pulls, strict=True))
    order = np.lexsort((-weight, toward == annotations.labels[annotation], annotation))
    annotation, other, weight, toward = annotation[order], other[order], weight[order], toward[order]
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


def most_evident(item_count: int, class_count: int) -> int:
    """For how many annotations, at most, evidence is gathered among *item_count* items of *class_count* classes.

    Example:
        >>> most_evident(100_000, 10), most_evident(1_000_000, 20)
        (10000, 10000)
    """
    return min(MOST, max(1, ENTRIES * max(class_count, 2) // (2 * item_count)))


def _of_class(
    inverse: RegularizedInverse, annotations: Annotations, suggested: np.ndarray, flagged: np.ndarray, toward: int
) -> tuple[np.ndarray, ...]:
    """Annotation, other item, weight and class of the strongest pulls towards one class, flat arrays.

    Only items that carry its label pull towards a class.
    """
    asking = flagged[(suggested[flagged] == toward) | (annotations.labels[flagged] == toward)]
    members, votes = np.unique(annotations.items[annotations.labels == toward], return_counts=True)
    shares = votes / annotations.per_item()[members]
    at_once = max(1, PANEL_BYTES // (8 * max(len(members), 1)))
    if not len(members):
        asking = asking[:0]
    found = [
        _strongest(inverse, members, shares, annotations.items[asking[start : start + at_once]])
        for start in range(0, len(asking), at_once)
    ]
    if not found:
        return asking[:0], asking[:0], np.empty(0), asking[:0]
    starts = np.repeat(np.arange(len(found)) * at_once, [len(column) for column, _, _ in found])
    column, other, weight = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return asking[starts + column], other, weight, np.full(len(column), toward)


def _strongest(
    inverse: RegularizedInverse, members: np.ndarray, shares: np.ndarray, items: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Which of *items*, member and weight of the strongest pulls of *members* on each, flat arrays."""
    # G is symmetric: an item a row.
    push = inverse.columns(members, items) * (shares / inverse.diagonal()[items, None])
    push[items[:, None] == members] = 0.0
    count = min(STRONGEST, len(members))
    top = np.argpartition(push, count - 1, axis=1)[:, :count]
    weight = -np.take_along_axis(push, top, axis=1)
    column, place = np.nonzero(weight > 0)
    return column, members[top[column, place]], weight[column, place]
