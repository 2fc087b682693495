"""Annotations as arrays: which item, which label, by whom; and the folds that items are dealt into."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd

from ntk_labelqa.dataset import LabeledDataset
from ntk_labelqa.gram import arrays
from ntk_labelqa.gram.arrays import Array, fused, namespace, of_arrays, sums_by, to_device
from ntk_labelqa.gram.rows_there import panels_there, room_for, sent
from ntk_labelqa.row_store import HELD, Rows

FOLDS = 5
"""Each pair of folds predicts items of two others; and what its own fold says to others never returns to an item."""


@of_arrays("items", "labels", "annotators", "keys")
@dataclass(frozen=True)
class Annotations:
    """A annotations of N items with K classes; an item may have several, or none.

    Attributes:
        items: int64[A], row of the item.
        labels: int64[A], class code.
        annotators: int64[A], code of the person.
        item_count: N.
        class_count: K.
        keys: uint64[N], what an item is known by; None: its row.
        seed: of the folds.
    """

    items: np.ndarray
    labels: np.ndarray
    annotators: np.ndarray
    item_count: int
    class_count: int
    keys: np.ndarray | None = None
    seed: int = 0

    @classmethod
    def of_dataset(cls, dataset: LabeledDataset, *, seed: int = 0) -> Self:
        """Those of *dataset*, in its order."""
        _, annotators = np.unique(dataset.annotations["annotator"].to_numpy(str), return_inverse=True)
        known_by = dataset.items[["task_id"]].assign(region_id=dataset.item_regions)
        return cls(
            items=dataset.item_of_annotation,
            labels=dataset.label_codes,
            annotators=annotators,
            item_count=len(dataset),
            class_count=len(dataset.class_names),
            keys=pd.util.hash_pandas_object(known_by, index=False).to_numpy(np.uint64),
            seed=seed,
        )

    @classmethod
    def of_codes(cls, codes: np.ndarray, class_count: int, *, seed: int = 0) -> Self:
        """One annotation an item, all by the same person."""
        count, codes = len(codes), np.asarray(codes, np.int64)
        return cls(np.arange(count), codes, np.zeros(count, np.int64), count, class_count, seed=seed)

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def _by_item(self) -> tuple[np.ndarray, np.ndarray]:
        """The annotations in their items' order, int64[A], and where in it those of each item begin, int64[N + 1]."""
        order = np.argsort(self.items, kind="stable")
        return order, np.searchsorted(self.items[order], np.arange(self.item_count + 1))

    def entries(self, rows: slice) -> np.ndarray:
        """Which annotations are of the items *rows*, int64[a]."""
        order, first = self._by_item
        start, stop, _ = rows.indices(self.item_count)
        return order[first[start] : first[max(start, stop)]]

    def of_items(self, rows: slice | np.ndarray) -> Self:
        """Those of the items *rows* alone, a slice or ascending indices, by which items are counted then."""
        if isinstance(rows, slice) and rows == slice(None):
            return self
        keys = self._keys()[rows]
        if isinstance(rows, slice):
            chosen = self.entries(rows)
            items = self.items[chosen] - rows.indices(self.item_count)[0]
        else:
            place = np.full(self.item_count, -1)
            place[rows] = np.arange(len(rows))
            chosen = np.flatnonzero(place[self.items] >= 0)
            items = place[self.items[chosen]]
        return replace(
            self,
            items=items,
            labels=self.labels[chosen],
            annotators=self.annotators[chosen],
            item_count=len(keys),
            keys=keys,
        )

    def there(self, rows: slice = slice(None)) -> Self:
        """:meth:`of_items` where they are calculated with: themselves, or for an accelerator copies, sent once, in the
        order of :meth:`entries`.

        Of some items copies are padded, with annotations of an item beyond the last, to few different numbers.
        """
        if not arrays.on_accelerator():
            return self.of_items(rows)
        start, stop, _ = rows.indices(self.item_count)
        if (start, stop) not in self._copies:
            of = self.of_items(slice(start, stop))
            of = of if of.item_count == self.item_count else of._padded()
            items, labels, annotators = to_device((of.items, of.labels, of.annotators))
            self._copies[start, stop] = replace(
                of, items=items, labels=labels, annotators=annotators, keys=None, seed=0
            )
        return self._copies[start, stop]

    @cached_property
    def _copies(self) -> dict[tuple[int, int], Self]:
        return {}

    def _padded(self) -> Self:
        more = (1 << max(len(self) - 1, 0).bit_length()) - len(self)
        items = np.pad(self.items, (0, more), constant_values=self.item_count)
        return replace(
            self, items=items, labels=np.pad(self.labels, (0, more)), annotators=np.pad(self.annotators, (0, more))
        )

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

    def mean_rows(self) -> Rows:
        """Y as :meth:`means` gives it, which where it is large is never whole."""
        return self.means() if 8 * self.item_count * self.class_count <= HELD else _MeanRows(self)

    def means_there(self) -> Rows:
        """:meth:`mean_rows` where they are calculated with; an accelerator makes them of what was sent anyway."""
        return self._means

    @cached_property
    def _means(self) -> Rows:
        if not arrays.on_accelerator():
            return self.mean_rows()
        means = room_for((self.item_count, self.class_count))
        for rows in panels_there(means.shape):
            means[rows] = _means_of(self.there(rows))
        return means

    def folds_there(self) -> Rows:
        """:meth:`folds` where they are calculated with; for an accelerator sent once."""
        return self._folds

    @cached_property
    def _folds(self) -> Rows:
        return sent(self.folds())

    def ranks(self) -> np.ndarray:
        """A number for each item, uint64[N], that looks random and depends on its key and the seed alone."""
        return pd.util.hash_array(pd.util.hash_array(self._keys()) + np.uint64(self.seed))

    def _keys(self) -> np.ndarray:
        return np.arange(self.item_count, dtype=np.uint64) if self.keys is None else self.keys

    def folds(self) -> np.ndarray:
        """The fold of each item, int64[N] below :data:`FOLDS`: one item more leaves the others where they are."""
        return (self.ranks() % np.uint64(FOLDS)).astype(np.int64)


@fused()
def _means_of(annotations: Annotations) -> Array:
    """Y of copies on an accelerator."""
    given = annotations.labels[:, None] == np.arange(annotations.class_count)
    total = sums_by(annotations.items, given.astype(np.float64), annotations.item_count)
    return total / namespace(total).maximum(total.sum(axis=1, keepdims=True), 1.0)


@dataclass(frozen=True)
class _MeanRows:
    """Y of *annotations*, a panel at a time."""

    annotations: Annotations
    dtype: np.dtype = field(default_factory=lambda: np.dtype(np.float64))

    @property
    def shape(self) -> tuple[int, ...]:
        return self.annotations.item_count, self.annotations.class_count

    def __len__(self) -> int:
        return self.annotations.item_count

    def __getitem__(self, rows: slice | np.ndarray, /) -> np.ndarray:
        return self.annotations.of_items(rows).means()
