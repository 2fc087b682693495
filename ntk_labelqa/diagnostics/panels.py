"""Labels as the few entries they are, and predictions of a panel of classes at a time.

With many items and many classes, one number an item and a class is too much to hold, and most labels are zero.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import sparse

PANEL_BYTES = 64 * 2**20
"""Of float64 an item and a class; a step holds a few such panels."""


def class_panels(item_count: int, class_count: int) -> Iterator[slice]:
    """The classes in order, as many at a time as :data:`PANEL_BYTES` hold for *item_count* items.

    Example:
        >>> list(class_panels(PANEL_BYTES // 16, 5))
        [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    step = max(1, PANEL_BYTES // (8 * max(item_count, 1)))
    for start in range(0, class_count, step):
        yield slice(start, min(start + step, class_count))


class Best:
    """The class of the largest value of each item so far.

    Attributes:
        classes: int64[N]; of equal values the first class.
    """

    def __init__(self, item_count: int) -> None:
        self.classes = np.zeros(item_count, np.int64)
        self._values = np.full(item_count, -np.inf)

    def see(self, values: np.ndarray, panel: slice) -> None:
        """Take in *values*, float64[N, classes of the panel]; panels come in order."""
        found = values.argmax(axis=1)
        largest = values[np.arange(len(values)), found]
        larger = largest > self._values
        self.classes[larger], self._values[larger] = found[larger] + panel.start, largest[larger]


def label_shares(items: np.ndarray, labels: np.ndarray, item_count: int, class_count: int) -> sparse.csr_matrix:
    """Y, sparse float64[N, K]: each item's mean over its labels; the row of an unlabelled item is zero."""
    counts = label_counts(items, labels, item_count, class_count)
    return sparse.csr_matrix(counts.multiply(1 / np.maximum(np.asarray(counts.sum(axis=1)), 1)))


def label_counts(items: np.ndarray, labels: np.ndarray, item_count: int, class_count: int) -> sparse.csr_matrix:
    """How often each item was given each class, float64[N, K], for annotations of *items* as *labels*."""
    return sparse.csr_matrix((np.ones(len(items)), (items, labels)), (item_count, class_count))


def most_frequent(counts: sparse.csr_matrix) -> np.ndarray:
    """Each item's most frequent class, int64[N]; of equally frequent ones the first, and 0 where it has none."""
    rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    order = np.lexsort((-counts.indices, counts.data, rows))  # the last of each item is its most frequent
    classes = np.zeros(counts.shape[0], np.int64)
    classes[rows[order]] = counts.indices[order]
    return classes
