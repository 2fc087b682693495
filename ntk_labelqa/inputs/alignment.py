"""Features and labels of the same items: by their indexes where both have one, else by position."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.inputs.features import SHAPES, Features, read_features
from ntk_labelqa.inputs.held import FeaturesLike, LabelsLike, within
from ntk_labelqa.inputs.labels import Column, Labels, encoded, read_column


@dataclass(frozen=True)
class Labelled:
    """Items with features and labels, in the order of the features.

    Attributes:
        features: of N items.
        labels: of the same.
        index: what each item is called: the index of the features, else that of the labels, else 0 to N - 1.
    """

    features: Features
    labels: Labels
    index: pd.Index

    @property
    def values(self) -> np.ndarray:
        """float[N, …]."""
        return self.features.values


def labelled(features: FeaturesLike, labels: LabelsLike, *, classes: LabelsLike | None = None) -> Labelled:
    """Read *features* and *labels* of the same items.

    Labels with an index go to the features of that index. One of the two without an index goes by position.

    Args:
        features: as :func:`~ntk_labelqa.inputs.features.read_features` takes them.
        labels: as :func:`~ntk_labelqa.inputs.labels.read_labels` takes them.
        classes: the label set, where it is larger than the labels seen.

    Raises:
        InvalidInputError: either cannot be read; lengths differ; indexes differ in more than their order, or in their
            order where an entry stands in one twice.

    Example:
        >>> frame = pd.DataFrame({"size": [1.0, 2.0], "age": [3.0, 4.0]}, index=["a", "b"])
        >>> read = labelled(frame, pd.Series(["dog", "cat"], index=["b", "a"]))
        >>> list(read.index), read.labels.named(read.labels.codes).tolist()
        (['a', 'b'], ['cat', 'dog'])
    """
    read, column = read_features(features), read_column(labels)
    if len(read) != len(column):
        raise InvalidInputError(
            f"Features of shape {list(read.values.shape)} do not go with {len(column)} labels.",
            remedy=f"Pass one row of features an item, {SHAPES}, and one label each.",
        )
    named = encoded(aligned(column, read.index), classes)
    return Labelled(read, named, index_of(len(read), read.index, named.index))


def index_of(count: int, *indexes: pd.Index | None) -> pd.Index:
    """The first of *indexes* that is there, else 0 to count - 1."""
    return next((index for index in indexes if index is not None), pd.RangeIndex(count))


def aligned(column: Column, index: pd.Index | None, *, to: str = "features") -> Column:
    """*column* in the order of *index*, of as many entries; as it is where one of the two has no index.

    Raises InvalidInputError where the indexes differ in more than their order, or have an entry twice.
    """
    if index is None or column.index is None or column.index.equals(index):
        return column
    told = f"{column.what} have another index than {to}"
    remedy = (
        f"Give both the same index; or pass {within(column.what)} without one, as by .to_numpy(), to go by position."
    )
    if not (index.is_unique and column.index.is_unique):
        twice = next(one for one in (index, column.index) if not one.is_unique)
        raise InvalidInputError(f"{told}, and {twice[twice.duplicated()][0]!r} stands there twice.", remedy=remedy)
    order = column.index.get_indexer(index)
    if (order < 0).any():
        lacking = ", ".join(repr(name) for name in index[order < 0][:5])
        raise InvalidInputError(f"{told}: it lacks {lacking}.", remedy=remedy)
    return column.in_order(order, index)
