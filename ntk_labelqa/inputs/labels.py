"""Labels as codes, with the classes, of the type they came with; and back again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, replace
from numbers import Number, Real
from typing import Any

import numpy as np
import pandas as pd

from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.inputs.held import LabelsLike, held, own_index, well_formed_texts, within

TRUTHS = {bool, np.bool_}
ONE_COLUMN = "Pass one label an item"


@dataclass(frozen=True)
class Column:
    """One entry an item, as pandas holds it.

    Attributes:
        values: Series of N entries, rows counted from 0; None or NaN where there is none.
        what: what they are, for the errors.
        index: which item each entry is of, where the input said so; else None.
        name: of a Series or a column.
        dtype: of an array; None of anything else.
        order: int64[N], where each entry stood in the input; None: where it stands.
    """

    values: pd.Series
    what: str
    index: pd.Index | None = None
    name: Hashable = None
    dtype: np.dtype | None = None
    order: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.values)

    def in_order(self, order: np.ndarray, index: pd.Index) -> Column:
        """The same with the entry *order[i]* in row i, which is the item *index[i]*."""
        return replace(self, values=self.values.take(order).reset_index(drop=True), index=index, order=order)

    def where(self, row: int) -> str:
        """The place of *row*, in words."""
        position = row if self.order is None else self.order[row]
        return f"position {position}" + ("" if self.index is None else f" (index {self.index[row]!r})")


@dataclass(frozen=True)
class Labels:
    """Labels as they are computed with.

    Attributes:
        codes: int64[N], rows of *classes*.
        classes: Series of K distinct labels, of the type of those given.
        column: the labels given.
    """

    codes: np.ndarray
    classes: pd.Series
    column: Column

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def index(self) -> pd.Index | None:
        """Which item each label is of, where the input said so."""
        return self.column.index

    def named(self, codes: np.ndarray) -> Any:
        """The labels that *codes* stand for, an array of the type of those given."""
        return taken(self.classes, codes)

    def like_given(self, codes: np.ndarray) -> Any:
        """The labels of all items, where *codes* (int64[N]) say so, in the order and the container they came in.

        A Series for a Series or a table, with its index and name; else an ndarray.
        """
        column, there = self.column, codes
        if column.order is not None:
            there = np.empty_like(codes)
            there[column.order] = codes
        if column.index is None:
            return self.classes.take(there).to_numpy(column.dtype)
        index = column.index if column.order is None else column.index.take(np.argsort(column.order))
        return pd.Series(self.named(there), index=index, name=column.name)


def taken(names: pd.Series, rows: np.ndarray) -> Any:
    """The *names* at *rows*, as a column of a table that keeps their type.

    pandas 3 makes plain text of arrays of objects that are text, such as members of an Enum, but not of an Index.
    """
    found = names.take(rows)
    return pd.Index(found, dtype=object, tupleize_cols=False) if found.dtype == object else found.values


def read_labels(labels: LabelsLike, *, classes: LabelsLike | None = None, what: str = "Labels") -> Labels:
    """Labels from whatever holds one an item.

    Args:
        labels: an array, a list, a tensor, a Series, a Categorical, or a table or array of one column; of names, whole
            numbers, truth values, members of an Enum, or anything else that can be looked up. Half a character in a
            name becomes U+FFFD, the sign for an unknown one: no table that is written can hold it.
        classes: the label set, where it is larger than the labels seen; else those seen, sorted, or of a Categorical
            in its order.
        what: what they are, for the errors.

    Raises:
        InvalidInputError: missing labels, by position; one-hot and soft labels, several an item, numbers with a
            fraction; truth values among numbers; labels that *classes* does not have.

    Example:
        >>> read = read_labels(pd.Series([3, 1, 3], index=["x", "y", "z"]))
        >>> read.codes.tolist(), read.classes.tolist(), read.named(read.codes).tolist()
        ([1, 0, 1], [1, 3], [3, 1, 3])
    """
    return encoded(read_column(labels, what), classes)


def read_column(values: LabelsLike, what: str = "Labels") -> Column:
    """One entry an item, missing ones too, from whatever holds them; see :func:`read_labels`."""
    found = held(values, what)
    index, name, dtype = own_index(found, values), getattr(values, "name", None), None
    found = well_formed_texts(found)
    if isinstance(found, list):
        found = _of_list(found, what)
    if isinstance(found, pd.DataFrame):
        if found.shape[1] != 1:
            raise _not_one_column(found.to_numpy(), what, is_frame=True)
        name, found = found.columns[0], found.iloc[:, 0]
    if isinstance(found, np.ndarray):
        if found.ndim not in (1, 2) or found.shape[1:] not in ((), (1,)):
            raise _not_one_column(found, what)
        found, dtype = found.ravel(), found.dtype
    return Column(_in_native_order(pd.Series(found)).reset_index(drop=True), what, index, name, dtype)


def _in_native_order(values: pd.Series) -> pd.Series:
    """pandas keeps numbers of the other byte order, but cannot take some of them."""
    dtype = values.dtype
    return values if not isinstance(dtype, np.dtype) or dtype.isnative else values.astype(dtype.newbyteorder("="))


def _of_list(entries: list, what: str) -> pd.Series | np.ndarray:
    """A list of labels; or an array, where each entry is a list."""
    rows = [row for row, entry in enumerate(entries) if isinstance(entry, list | np.ndarray)]
    if not rows:
        # By way of object, tuples and members of an Enum stay what they are; those that are text only where nothing is
        # inferred.
        column = pd.Series(entries, dtype=object)
        is_special = any(isinstance(entry, str) and type(entry) is not str for entry in entries)
        return column if is_special else column.infer_objects()
    try:
        return np.asarray(entries)
    except ValueError as error:
        raise InvalidInputError(
            f"{what} at position {rows[0]} are {entries[rows[0]]!r}: an item has one label.", remedy=f"{ONE_COLUMN}."
        ) from error


def _not_one_column(values: np.ndarray, what: str, *, is_frame: bool = False) -> InvalidInputError:
    from sklearn.utils.multiclass import type_of_target

    try:
        kind = type_of_target(values.astype(float))
    except (TypeError, ValueError):
        kind = "unknown"
    best = "labels.idxmax(axis=1)" if is_frame else "np.argmax(labels, axis=1)"
    several, remedy = "are not one label an item", f"{ONE_COLUMN}; labels by several people go to rank_schemes."
    if kind == "multilabel-indicator" and (values.astype(float).sum(axis=1) == 1).all():
        several, remedy = "are one-hot", f"{ONE_COLUMN}: {best}."
    elif kind == "multilabel-indicator":
        remedy = f"{ONE_COLUMN}: each column by itself, as labels of yes and no."
    elif kind == "continuous-multioutput":
        several, remedy = "are soft, a number for each class", f"{ONE_COLUMN}, the most probable: {best}."
    return InvalidInputError(f"{what} of shape {list(values.shape)} {several}.", remedy=remedy)


def encoded(column: Column, classes: LabelsLike | None = None) -> Labels:
    """*column* as codes; see :func:`read_labels`, which raises the same."""
    given = _looked_up(column)
    known = _seen(column, given) if classes is None else _label_set(classes)
    code = {name: number for number, name in enumerate(known.tolist())}
    unknown = dict.fromkeys(repr(name) for name in given if name not in code)
    if unknown:
        raise InvalidInputError(
            f"{column.what} that are not among the classes: {', '.join(list(unknown)[:10])}.",
            remedy="Pass every class in `classes`, or leave these items out.",
        )
    return Labels(np.array([code[name] for name in given], np.int64), known, column)


def _seen(column: Column, given: list[Any]) -> pd.Series:
    """The distinct labels, sorted, or in the order of their categories."""
    first = {name: row for row, name in reversed(list(enumerate(given)))}
    dtype = column.values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        names = [name for name in dtype.categories.tolist() if name in first]
    else:
        names = _sorted(list(first))
    return column.values.take([first[name] for name in names]).reset_index(drop=True)


def _sorted(names: list[Any]) -> list[Any]:
    """By type, and in each by value; by text, where values have no order, as those of most Enums."""
    try:
        return sorted(names, key=lambda name: (str(type(name)), name))
    except TypeError:
        return sorted(names, key=lambda name: (str(type(name)), str(name)))


def _label_set(classes: LabelsLike) -> pd.Series:
    """The *classes* given. Raises InvalidInputError where one stands there twice."""
    column = read_column(classes, "Classes")
    names = _looked_up(column)
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise InvalidInputError(f"Classes name {twice[0]!r} more than once.", remedy="Pass each class once.")
    return column.values


def _looked_up(column: Column) -> list[Any]:
    """The labels of *column* as Python's own values, which a dictionary distinguishes as they are meant to be."""
    lacking = np.flatnonzero(column.values.isna().to_numpy())
    if len(lacking):
        raise InvalidInputError(
            f"{len(lacking)} of {len(column)} {within(column.what)} are missing, "
            f"the first at {column.where(lacking[0])}.",
            remedy="Leave out the items without a label.",
        )
    given = column.values.tolist()
    for row, label in enumerate(given):
        try:
            hash(label)
        except TypeError as error:
            raise InvalidInputError(
                f"{column.what} at {column.where(row)} are {label!r}: an item has one label.", remedy=f"{ONE_COLUMN}."
            ) from error
    kinds = set(map(type, given))
    if kinds & TRUTHS and any(issubclass(kind, Number) for kind in kinds - TRUTHS):
        raise InvalidInputError(
            f"{column.what} mix truth values with numbers: True and 1 are the same to Python.",
            remedy="Pass all as one type, or as text.",
        )
    parts = [label for label in dict.fromkeys(given) if isinstance(label, Real) and label != label // 1]
    if parts:
        raise InvalidInputError(
            f"{column.what} are numbers that are not whole, such as {parts[0]!r}: they name no classes.",
            remedy="Pass the class that each soft label speaks for; pass numbers that are names as text.",
        )
    return given
