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
PANEL_BYTES = 64 * 2**20


def influences(dataset: LabeledDataset, inverse: RegularizedInverse, issues: LabelIssues) -> pd.DataFrame:
    """The ``influences`` table: for each flagged annotation the items that pull hardest towards the suggested class,
    then those towards the given one, strongest first. Items that push away are never listed.

    Args:
        dataset: N items.
        inverse: G over them.
        issues: one entry an annotation.

    Cost: one column of G a flagged item, a panel of them at a time.
    """
    annotations = Annotations.of_dataset(dataset)
    labels = annotations.means()
    flagged = np.flatnonzero(issues.is_label_issue)
    at_once = max(1, PANEL_BYTES // (8 * inverse.size))
    found = [
        _strongest(inverse, labels, annotations, issues.suggested, flagged[start : start + at_once])
        for start in range(0, len(flagged), at_once)
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


def _strongest(
    inverse: RegularizedInverse,
    labels: np.ndarray,
    annotations: Annotations,
    suggested: np.ndarray,
    flagged: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """Annotation, other item, weight and class of the strongest pulls on the annotations *flagged*, flat arrays."""
    items = annotations.items[flagged]
    columns = np.arange(len(items))
    pull = -inverse.columns(items) / inverse.diagonal()[items]
    pull[items, columns] = 0.0
    count = min(STRONGEST, inverse.size)
    rows, others, weights, classes = [], [], [], []
    for toward in (suggested[flagged], annotations.labels[flagged]):
        contribution = pull * labels[:, toward]
        top = np.argpartition(-contribution, count - 1, axis=0)[:count]
        rows.append(np.broadcast_to(columns, top.shape))
        others.append(top)
        weights.append(np.take_along_axis(contribution, top, axis=0))
        classes.append(np.broadcast_to(toward, top.shape))
    row, other, weight, toward = (np.concatenate(parts).ravel() for parts in (rows, others, weights, classes))
    kept = np.flatnonzero(weight > 0)
    side = toward[kept] == annotations.labels[flagged][row[kept]]
    order = kept[np.lexsort((-weight[kept], side, row[kept]))]
    return flagged[row[order]], other[order], weight[order], toward[order]
