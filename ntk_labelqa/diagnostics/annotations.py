"""Annotations as arrays: which item, which label, by whom."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from ntk_labelqa.dataset import LabeledDataset


@dataclass(frozen=True)
class Annotations:
    """A annotations of N items with K classes; an item may have several, or none.

    Attributes:
        items: int64[A], row of the item.
        labels: int64[A], class code.
        annotators: int64[A], code of the person.
        item_count: N.
        class_count: K.
    """

    items: np.ndarray
    labels: np.ndarray
    annotators: np.ndarray
    item_count: int
    class_count: int

    @classmethod
    def of_dataset(cls, dataset: LabeledDataset) -> Self:
        """Those of *dataset*, in its order."""
        _, annotators = np.unique(dataset.annotations["annotator"].to_numpy(str), return_inverse=True)
        return cls(dataset.item_of_annotation, dataset.label_codes, annotators, len(dataset), len(dataset.class_names))

    @classmethod
    def of_codes(cls, codes: np.ndarray, class_count: int) -> Self:
        """One annotation an item, all by the same person."""
        count = len(codes)
        return cls(np.arange(count), np.asarray(codes, np.int64), np.zeros(count, np.int64), count, class_count)

    def __len__(self) -> int:
        return len(self.labels)

    def relabelled(self, labels: np.ndarray) -> Self:
        """The same annotations with other labels: a what-if."""
        return replace(self, labels=labels)

    def per_item(self) -> np.ndarray:
        """Number of annotations, int64[N]."""
        return np.bincount(self.items, minlength=self.item_count)

    def means(self) -> np.ndarray:
        """Y, float64[N, K]: the mean of each item's one-hot labels; zero where it has none."""
        total = np.zeros((self.item_count, self.class_count))
        np.add.at(total, (self.items, self.labels), 1.0)
        return total / np.maximum(self.per_item(), 1)[:, None]
