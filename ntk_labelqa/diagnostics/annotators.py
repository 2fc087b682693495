"""The people: how often each one errs and how, and who should label what again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy import sparse

from ntk_labelqa.dataset import LabeledDataset
from ntk_labelqa.diagnostics.label_issues import LabelIssues
from ntk_labelqa.diagnostics.panels import label_counts, most_frequent
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
    instead, given, mistakes = _commonest(Annotations.of_dataset(dataset), issues.posterior.probabilities)
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


def _expected_counts(annotations: Annotations, probabilities: np.ndarray) -> Iterator[np.ndarray]:
    """How often each annotator in turn called class t (rows) y (columns), expected under q, float64[K, K]; of all
    annotators at once that could be more than there is memory.
    """
    shape = annotations.class_count, annotations.item_count
    for person in range(int(annotations.annotators.max()) + 1):
        own = annotations.annotators == person
        labels, items = annotations.labels[own], annotations.items[own]
        yield (sparse.csr_matrix((np.ones(len(items)), (labels, items)), shape) @ probabilities).T


def _commonest(annotations: Annotations, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each person's commonest mistake: the true class, the class given instead, and the expected number."""
    found = []
    for counts in _expected_counts(annotations, probabilities):
        np.fill_diagonal(counts, 0.0)
        found.append((*np.unravel_index(counts.argmax(), counts.shape), counts.max()))
    true, given, mistakes = zip(*found, strict=True)
    return np.array(true), np.array(given), np.array(mistakes)


def consensus_table(dataset: LabeledDataset, issues: LabelIssues) -> pd.DataFrame:
    """The ``consensus`` table, one row an item, in the data set's order.

    ``relabel_by`` is, for items with a flagged label, the person with the lowest error rate on the suggested class who
    has not labelled the item, and has labelled at least 20 of that class; empty where there is none.
    """
    probabilities, annotations = issues.posterior.probabilities, Annotations.of_dataset(dataset)
    best = probabilities.argmax(axis=1)
    counts = label_counts(annotations.items, annotations.labels, len(dataset), annotations.class_count)
    rows, most = np.repeat(np.arange(len(dataset)), np.diff(counts.indptr)), counts.max(axis=1).toarray().ravel()
    tied = np.bincount(rows, counts.data == most[rows], minlength=len(dataset)) != 1
    people = np.unique(dataset.annotations["annotator"].to_numpy(str))
    names = np.asarray(dataset.class_names, object)
    flagged = np.zeros(len(dataset), bool)
    flagged[annotations.items[issues.is_label_issue]] = True
    asked = _best_others(annotations, probabilities, best)
    return pd.DataFrame(
        {
            "task_id": dataset.items["task_id"].to_numpy(),
            "region_id": dataset.item_regions,
            "labels": annotations.per_item(),
            "majority_label": np.where(tied, "", names[most_frequent(counts)]),
            "consensus_label": names[best],
            "consensus_probability": np.clip(probabilities[np.arange(len(dataset)), best], 0, 1),
            "relabel_by": np.where(flagged & (asked >= 0), people[asked], ""),
        }
    )


def _best_others(annotations: Annotations, probabilities: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """For each item the person to ask about its class, int64[N]; -1 where nobody else knows it."""
    counted = [(each.sum(axis=1), np.diag(each).copy()) for each in _expected_counts(annotations, probabilities)]
    known, right = (np.stack(of) for of in zip(*counted, strict=True))
    right = right / np.maximum(known, 1)
    skill = np.where(known >= SEEN, right, -np.inf)
    order = np.argsort(-skill, axis=0, kind="stable")
    has_labelled = np.zeros((annotations.item_count, len(known)), bool)
    has_labelled[annotations.items, annotations.annotators] = True
    asked = np.full(annotations.item_count, -1)
    for rank in range(len(known)):
        candidate = order[rank, classes]
        fits = (asked < 0) & ~has_labelled[np.arange(len(asked)), candidate] & np.isfinite(skill[candidate, classes])
        asked[fits] = candidate[fits]
    return asked
