"""Labelling schemes: whole labellings of the items, by a person, a model, a majority, or an earlier month."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from ntk_labelqa.dataset import LabeledDataset, encode_labels
from ntk_labelqa.diagnostics.panels import label_counts, most_frequent
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.inputs.alignment import aligned
from ntk_labelqa.inputs.held import LabelsLike
from ntk_labelqa.inputs.labels import Column, read_column

MAJORITY = "majority"
ONE_CLASS, SHUFFLED = "control: one class", "control: shuffled labels"
COLLAPSED = 0.5
"""A scheme is collapsed where its labels' entropy is below this share of that of others' labels of the same items."""


@dataclass(frozen=True)
class Scheme:
    """One labelling: *labels* (codes) of the items at rows *items*, each item at most once and at least one of them."""

    name: str
    items: np.ndarray
    labels: np.ndarray
    is_control: bool = False
    """Worth nothing by design, and never a measure for others."""


def schemes_of(dataset: LabeledDataset) -> Iterator[Scheme]:
    """The majority, each annotator, and each model version whose predictions the project holds."""
    yield majority_of(dataset)
    for column, table in (("annotator", dataset.annotations), ("model_version", dataset.predictions)):
        for name, rows in table.groupby(column, sort=True):
            latest = rows.drop_duplicates("item", keep="last")
            yield Scheme(str(name), latest["item"].to_numpy(np.int64), latest["label"].to_numpy(np.int64))


def majority_of(dataset: LabeledDataset, name: str = MAJORITY) -> Scheme:
    """Each labelled item's most frequent label; of equally frequent ones the first in the label set."""
    counts = label_counts(dataset.item_of_annotation, dataset.label_codes, len(dataset), len(dataset.class_names))
    labelled = np.flatnonzero(np.diff(counts.indptr))
    return Scheme(name, labelled, most_frequent(counts)[labelled])


def controls(labels: np.ndarray, *, seed: int = 0) -> list[Scheme]:
    """Labellings that are worth nothing: the most frequent class everywhere, and the labels Y, float[N, K], shuffled.

    A ranking that does not put them last cannot be trusted.
    """
    items = np.flatnonzero(labels.any(axis=1))
    codes = labels[items].argmax(axis=1)
    shuffled = np.random.default_rng(seed).permutation(codes)
    return [
        Scheme(ONE_CLASS, items, np.full(len(items), np.bincount(codes).argmax()), is_control=True),
        Scheme(SHUFFLED, items, shuffled, is_control=True),
    ]


def encoded(
    schemes: Mapping[Any, LabelsLike] | pd.DataFrame,
    item_count: int,
    classes: LabelsLike | None = None,
    index: pd.Index | None = None,
) -> tuple[list[Scheme], list]:
    """Schemes of label columns, one entry an item and None or NaN where there is no label, and the classes they index.

    Columns with an index go by *index*, or where there is none by that of the first of them.

    Raises InvalidInputError for what is no mapping; for columns of other lengths than *item_count*, without any label,
    with unknown ones, or of another index; and for two of one name.
    """
    columns = _columns(schemes, item_count, index)
    rows = {name: np.flatnonzero(column.values.notna()) for name, column in columns.items()}
    for name, items in rows.items():
        if len(items) == 0:
            raise InvalidInputError(f"The scheme {name!r} has no label.", remedy="Leave it out.")
    codes, names = encode_labels(
        [label for name, items in rows.items() for label in columns[name].values[items].tolist()], classes
    )
    ends = np.cumsum([len(items) for items in rows.values()])[:-1]
    parts = np.split(codes, ends)
    return [Scheme(name, items, part) for (name, items), part in zip(rows.items(), parts, strict=True)], names


def _columns(
    schemes: Mapping[Any, LabelsLike] | pd.DataFrame, item_count: int, index: pd.Index | None
) -> dict[str, Column]:
    """The schemes by name, each in the order of the items."""
    if not isinstance(schemes, Mapping | pd.DataFrame):
        raise InvalidInputError(
            f"Schemes cannot be read from {type(schemes).__name__}.",
            remedy="Pass a mapping from names to labels, or a DataFrame with one column a scheme.",
        )
    columns: dict[str, Column] = {}
    for name, labels in schemes.items():
        if str(name) in columns:
            raise InvalidInputError(f"Two schemes are called {str(name)!r}.", remedy="Give each a name of its own.")
        column = read_column(labels, f"The labels of the scheme {str(name)!r}")
        if len(column) != item_count:
            raise InvalidInputError(
                f"The scheme {str(name)!r} has {len(column)} entries, but there are {item_count} rows of features.",
                remedy="Pass one entry an item, None where the scheme does not label it.",
            )
        columns[str(name)] = aligned(column, index, to="the features or schemes before")
        index = column.index if index is None else index
    if not columns:
        raise InvalidInputError("There is no labelling scheme to rank.", remedy="Pass at least one.")
    return columns


def pooled(schemes: Sequence[Scheme], item_count: int, class_count: int) -> np.ndarray:
    """Y, float64[N, K]: each item's mean over the schemes that label it, without those that are collapsed.

    A collapsed scheme would otherwise pull the prediction that judges all of them to its one class.
    """
    gone = collapsed(schemes, item_count, class_count)
    good = [scheme for scheme, bad in zip(schemes, gone, strict=True) if not bad]
    totals = _totals(good, item_count, class_count).toarray()
    return totals / np.maximum(totals.sum(axis=1, keepdims=True), 1.0)


def collapsed(schemes: Sequence[Scheme], item_count: int, class_count: int) -> list[bool]:
    """Whether each scheme merges classes that the others distinguish on the same items.

    Its labels' entropy is held against that of the others' labels of its items; a scheme whose items nobody else labels
    is not collapsed, as nothing says that its items are not all of one class.
    """
    totals = _totals(schemes, item_count, class_count)
    answers = []
    for scheme in schemes:
        own = np.bincount(scheme.labels, minlength=class_count)
        others = np.asarray(totals[scheme.items].sum(axis=0)).ravel() - (0 if scheme.is_control else own)
        answers.append(bool(_entropy(own) < COLLAPSED * _entropy(others)))
    return answers


def _totals(schemes: Sequence[Scheme], item_count: int, class_count: int) -> sparse.csr_matrix:
    """How many schemes, controls apart, give each item each label."""
    told = [scheme for scheme in schemes if not scheme.is_control]
    none = np.array([], np.int64)
    items, labels = (np.concatenate([none, *parts]) for parts in ([s.items for s in told], [s.labels for s in told]))
    return label_counts(items, labels, item_count, class_count)


def _entropy(counts: np.ndarray) -> float:
    """In nats."""
    shares = counts[counts > 0] / max(counts.sum(), 1.0)
    return float(-(shares * np.log(shares)).sum())
