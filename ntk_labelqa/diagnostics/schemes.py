"""Which of several labellings of the same items is the least noisy.

Annotators rarely share items, so the measure that ranks them is the leave-one-out error rate over each one's own items.
BDE, the paper's measure, stands beside it where it compares like with like: labellings of all items with like class
counts (the rare class dominates it otherwise, and merged classes look better than the truth).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ntk_labelqa import bde
from ntk_labelqa.dataset import LabeledDataset, label_means
from ntk_labelqa.findings import conform
from ntk_labelqa.gram.inverse import RegularizedInverse

MAJORITY = "majority"
LIKE_COUNTS = 0.2
"""Class counts are alike when no class differs by more than this share, in total variation, from the majority's."""


@dataclass(frozen=True)
class Scheme:
    """One labelling: *labels* (codes) of the items at rows *items*, each item at most once."""

    name: str
    items: np.ndarray
    labels: np.ndarray


def schemes_of(dataset: LabeledDataset) -> Iterator[Scheme]:
    """The majority, each annotator, and each model version whose predictions the project holds."""
    means = label_means(dataset)
    labelled = np.flatnonzero(means.any(axis=1))
    yield Scheme(MAJORITY, labelled, means[labelled].argmax(axis=1))
    for column, table in (("annotator", dataset.annotations), ("model_version", dataset.predictions)):
        for name, rows in table.groupby(column, sort=True):
            latest = rows.drop_duplicates("item", keep="last")
            yield Scheme(str(name), latest["item"].to_numpy(np.int64), latest["label"].to_numpy(np.int64))


def rank(inverse: RegularizedInverse, predictions: np.ndarray, schemes: list[Scheme], class_count: int) -> pd.DataFrame:
    """The ``schemes`` table, least noisy first.

    Args:
        inverse: G over all items.
        predictions: P, float[N, K], leave-one-out predictions, all schemes judged by the same.
        schemes: the labellings.
        class_count: K.

    Cost: one ``apply`` of K columns a scheme that labels every item.
    """
    predicted = predictions.argmax(axis=1)
    rows = [_row(inverse, predicted, scheme, class_count) for scheme in schemes]
    table = pd.DataFrame(rows).sort_values("error_rate", kind="stable")
    table["error_rank"] = table["error_rate"].rank(method="min").astype(np.int64)
    table["comparable"] = _comparable(table["counts"].tolist())
    table["bde"] = table["bde"].where(table["comparable"])
    table["bde_rank"] = table["bde"].rank(method="min").astype("Int64")
    return conform("schemes", table)


def _row(inverse: RegularizedInverse, predicted: np.ndarray, scheme: Scheme, class_count: int) -> dict[str, object]:
    from scipy.stats import binomtest

    wrong, count = int((predicted[scheme.items] != scheme.labels).sum()), len(scheme.items)
    interval = binomtest(wrong, count).proportion_ci(method="wilson")
    complete = count == inverse.size
    one_hot = np.zeros((inverse.size, class_count))
    one_hot[scheme.items, scheme.labels] = 1.0
    return {
        "scheme": scheme.name,
        "items": count,
        "error_rate": wrong / count,
        "error_low": interval.low,
        "error_high": interval.high,
        "bde": bde.error(bde.class_couplings(inverse, one_hot), one_hot.sum(axis=0)) if complete else np.nan,
        "counts": one_hot.sum(axis=0) if complete else None,
    }


def _comparable(counts: list[np.ndarray | None]) -> list[bool]:
    """True for labellings of all items whose class counts are like those of another such labelling."""

    def alike(a: np.ndarray, b: np.ndarray) -> bool:
        return bool(np.abs(a - b).sum() / 2 <= LIKE_COUNTS * a.sum())

    return [
        a is not None and any(b is not None and i != j and alike(a, b) for j, b in enumerate(counts))
        for i, a in enumerate(counts)
    ]
