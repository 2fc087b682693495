"""The people: how often each one errs and how, and who should label what again."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ntk_labelqa.dataset import LabeledDataset
from ntk_labelqa.diagnostics.consensus import soft_counts
from ntk_labelqa.diagnostics.label_issues import LabelIssues
from ntk_labelqa.label_model.annotations import Annotations

SEEN = 20
"""Labels of a class that a person must have given before being asked to label it again for others."""
NORMAL = 1.96
"""Of a 95 % interval."""


def annotators_table(dataset: LabeledDataset, issues: LabelIssues) -> pd.DataFrame:
    """The ``annotators`` table, highest error rate first.

    The error rate is the mean probability that a label is wrong, over all labels of a person; its interval holds both
    that uncertainty and that of the person's sample. ``mistakes`` are expected numbers.
    """
    people, codes = np.unique(dataset.annotations["annotator"].to_numpy(str), return_inverse=True)
    labels = np.bincount(codes, minlength=len(people))
    wrong = issues.error_probability
    rate = np.bincount(codes, wrong, minlength=len(people)) / labels
    doubt = np.bincount(codes, wrong * (1 - wrong), minlength=len(people)) / labels**2 + rate * (1 - rate) / labels
    counts = soft_counts(Annotations.of_dataset(dataset), issues.posterior.probabilities)
    instead, given, mistakes = _commonest(counts)
    names = np.asarray(dataset.class_names, object)
    table = pd.DataFrame(
        {
            "annotator": people,
            "labels": labels,
            "error_rate": rate,
            "error_low": np.clip(rate - NORMAL * np.sqrt(doubt), 0, 1),
            "error_high": np.clip(rate + NORMAL * np.sqrt(doubt), 0, 1),
            "true_label": names[instead],
            "mistaken_for": names[given],
            "mistakes": mistakes,
        }
    )
    return table.sort_values("error_rate", ascending=False, kind="stable").reset_index(drop=True)


def _commonest(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each person's commonest mistake: the true class, the class given instead, and the expected number."""
    wrong = counts * ~np.eye(counts.shape[1], dtype=bool)
    flat = wrong.reshape(len(counts), -1)
    worst = flat.argmax(axis=1)
    true, given = np.unravel_index(worst, counts.shape[1:])
    return true, given, flat.max(axis=1)


def consensus_table(dataset: LabeledDataset, issues: LabelIssues) -> pd.DataFrame:
    """The ``consensus`` table, one row an item, in the data set's order.

    ``relabel_by`` is, for items with a flagged label, the person with the lowest error rate on the suggested class who
    has not labelled the item, and has labelled at least 20 of that class; empty where there is none.
    """
    probabilities, annotations = issues.posterior.probabilities, Annotations.of_dataset(dataset)
    best, means = probabilities.argmax(axis=1), annotations.means()
    people = np.unique(dataset.annotations["annotator"].to_numpy(str))
    names = np.asarray(dataset.class_names, object)
    majority = means.argmax(axis=1)
    tied = (means == means.max(axis=1, keepdims=True)).sum(axis=1) > 1
    flagged = np.zeros(len(dataset), bool)
    flagged[annotations.items[issues.is_label_issue]] = True
    asked = _best_others(soft_counts(annotations, probabilities), annotations, best)
    return pd.DataFrame(
        {
            "task_id": dataset.items["task_id"].to_numpy(),
            "region_id": dataset.item_regions,
            "labels": annotations.per_item(),
            "majority_label": np.where(tied, "", names[majority]),
            "consensus_label": names[best],
            "consensus_probability": np.clip(probabilities.max(axis=1), 0, 1),
            "relabel_by": np.where(flagged & (asked >= 0), people[asked], ""),
        }
    )


def _best_others(counts: np.ndarray, annotations: Annotations, classes: np.ndarray) -> np.ndarray:
    """For each item the person to ask about its class, int64[N]; -1 where nobody else knows it."""
    known = counts.sum(axis=2)
    right = np.diagonal(counts, axis1=1, axis2=2) / np.maximum(known, 1)
    skill = np.where(known >= SEEN, right, -np.inf)
    order = np.argsort(-skill, axis=0, kind="stable")
    has_labelled = np.zeros((annotations.item_count, len(counts)), bool)
    has_labelled[annotations.items, annotations.annotators] = True
    asked = np.full(annotations.item_count, -1)
    for rank in range(len(counts)):
        candidate = order[rank, classes]
        fits = (asked < 0) & ~has_labelled[np.arange(len(asked)), candidate] & np.isfinite(skill[candidate, classes])
        asked[fits] = candidate[fits]
    return asked
