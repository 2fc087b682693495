"""Features as numbers, float[N, …], with the index they came with; what is no number is refused by name."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.inputs.held import FeaturesLike, held, own_index, within
from ntk_labelqa.inputs.preparation import plain_numbers
from ntk_labelqa.memory import require_memory

SHAPES = "[N, D], [N, H, W] or [N, H, W, C]"
PANEL = 4096
"""Rows looked through at once: a mask of all values would be a copy of the whole."""


class ColumnKey(NamedTuple):
    """What a column of features is.

    Attributes:
        name: of the column of the input.
        occurrence: how many columns of that name stand before it.
        category: whose zeros and ones it holds; None where it holds the numbers themselves.
    """

    name: str
    occurrence: int
    category: Hashable | None = None


@dataclass(frozen=True)
class Features:
    """Features as they are computed with.

    Attributes:
        values: float32 or float64[N, …], finite, of two to four axes.
        index: which item each row is of, where the input said so; else None.
        columns: D names, where the input had names; those of a category are ``column=category``.
        keys: what each is, where the input had names.
        names: of the columns of the input.
    """

    values: np.ndarray
    index: pd.Index | None = None
    columns: tuple[str, ...] | None = None
    keys: tuple[ColumnKey, ...] | None = None
    names: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.values)

    @property
    def numbers(self) -> np.ndarray | None:
        """bool[D], which columns are plain numbers of whatever unit; None for images."""
        return plain_numbers(self.values) if self.values.ndim == 2 else None


def read_features(features: FeaturesLike, *, what: str = "Features") -> Features:
    """Features from whatever holds numbers.

    Args:
        features: an array, a list, a tensor, a sparse matrix (which becomes dense), a Series of vectors, or a DataFrame
            of numbers, truth values and categories; a category becomes one column of 0 and 1 for each of its values.
        what: what they are, for the errors.

    Returns:
        Whole numbers of up to 16 bits as float32, which holds them exactly, and all else but float32 as float64.

    Raises:
        InvalidInputError: text, dates or complex numbers, by column; missing and infinite values, by row and column;
            rows of different lengths; fewer than two axes or more than four, or one that is empty.
        MemoryBudgetError: a sparse matrix that would not fit once it is dense.

    Example:
        >>> frame = pd.DataFrame({"size": [1, 2], "hue": pd.Categorical(["red", "blue"])}, index=["a", "b"])
        >>> read = read_features(frame)
        >>> read.columns, read.values.tolist(), list(read.index)
        (('size', 'hue=blue', 'hue=red'), [[1.0, 0.0, 1.0], [2.0, 1.0, 0.0]], ['a', 'b'])
    """
    values = held(features, what)
    index = own_index(values, features)
    if not isinstance(values, pd.DataFrame):
        return _checked(_of_array(values, what), what, index)
    parts = _of_frame(values, what)
    numbers = np.column_stack([part.values for part in parts]) if parts else np.empty(values.shape)
    read = _checked(numbers, what, index, [part.column for part in parts for _ in part.titles])
    return replace(
        read,
        columns=tuple(title for part in parts for title in part.titles),
        keys=tuple(key for place, part in enumerate(parts) for key in _keys(part, parts[:place])),
        names=tuple(part.column for part in parts),
    )


def _keys(part: _Part, before: Sequence[_Part]) -> list[ColumnKey]:
    occurrence = sum(other.column == part.column for other in before)
    return [ColumnKey(part.column, occurrence, category) for category in part.categories or (None,)]


def in_columns_of(read: Features, known: Features) -> np.ndarray:
    """The values of *read* in the columns of *known*, float[n, …]: by name where both have names, else by position.

    A category that *known* never had is in none of its columns. Raises InvalidInputError where columns are missing or
    new, or shapes differ.
    """
    if read.columns is None or known.columns is None:
        if read.values.shape[1:] != known.values.shape[1:]:
            raise InvalidInputError(
                f"Features of shape {list(read.values.shape)} do not go with those fitted, {list(known.values.shape)}.",
                remedy="Pass the features that were fitted, in the same order.",
            )
        return read.values
    if read.keys == known.keys:
        return read.values
    assert read.keys is not None
    assert known.keys is not None
    _check_same_columns(read.keys, known.keys)
    place = {key: at for at, key in enumerate(read.keys)}
    values = np.zeros((len(read), len(known.keys)), read.values.dtype)
    for at, key in enumerate(known.keys):
        if key in place:
            values[:, at] = read.values[:, place[key]]
    return values


def _check_same_columns(read: Sequence[ColumnKey], known: Sequence[ColumnKey]) -> None:
    """Raise InvalidInputError where columns are lacking or new, or hold numbers in place of categories."""
    are, were = ({key[:2]: key.category is not None for key in keys} for keys in (read, known))
    faults = {
        "lacking": [name for name, _ in were.keys() - are.keys()],
        "new": [name for name, _ in are.keys() - were.keys()],
        "categories when fitted, numbers now": [key[0] for key in were if are.get(key) is False and were[key]],
        "numbers when fitted, categories now": [key[0] for key in were if are.get(key) is True and not were[key]],
    }
    said = [f"{words}: {_some(sorted(names))}" for words, names in faults.items() if names]
    if said:
        raise InvalidInputError(
            f"Features have other columns than those fitted ({'; '.join(said)}).",
            remedy="Pass the columns that were fitted, of the same kinds; astype('category') makes categories.",
        )


def _checked(values: np.ndarray, what: str, index: pd.Index | None, owners: Sequence[str] | None = None) -> Features:
    check_shape(values, what)
    _check_finite(values, what, index, owners)
    return Features(values, index)


def check_shape(values: np.ndarray, what: str = "Features") -> None:
    """Raise InvalidInputError unless *values* has a row an item, in two to four axes."""
    if values.ndim not in (2, 3, 4) or 0 in values.shape:
        hint = " For one number an item: reshape(-1, 1)." if values.ndim == 1 else ""
        raise InvalidInputError(
            f"{what} of shape {list(values.shape)} do not fit: every item needs a row of numbers.",
            remedy=f"Pass {SHAPES}.{hint}",
        )


def _of_array(values: np.ndarray | pd.Series | list, what: str) -> np.ndarray:
    """Of anything but a DataFrame."""
    try:
        array = np.asarray(values)
        array = _stacked(array) if array.dtype == object and array.ndim == 1 else array
    except ValueError as error:
        raise InvalidInputError(
            f"{what} cannot be read as an array: their rows have different lengths.", remedy=f"Pass {SHAPES}."
        ) from error
    numbers = _numbers(array)
    if numbers is None:
        raise InvalidInputError(
            f"{what} are no numbers but {_in_words(array)}.",
            remedy="Pass numbers; texts and images are embedded first, by ntk-labelqa embed or a model of your own.",
        )
    return numbers


def _stacked(rows: np.ndarray) -> np.ndarray:
    """*rows*, object[N], as [N, D] where each is a vector; missing ones become NaN.

    Raises ValueError where their lengths differ.
    """
    vectors = {row: np.asarray(one) for row, one in enumerate(rows) if np.ndim(one)}
    lacking = set(range(len(rows))) - set(vectors)
    if not vectors or any(not _is_missing(rows[row]) for row in lacking):
        return rows
    nothing = np.full_like(next(iter(vectors.values())), np.nan, float)
    return np.stack([vectors.get(row, nothing) for row in range(len(rows))])


@dataclass(frozen=True)
class _Part:
    """What one *column* of a frame became: float[N, d] and d titles; *categories* are d of them, or none of numbers."""

    column: str
    values: np.ndarray
    titles: tuple[str, ...]
    categories: tuple[Hashable, ...] = ()


def _of_frame(frame: pd.DataFrame, what: str) -> list[_Part]:
    parts: list[_Part] = []
    refused: list[str] = []
    for position, name in enumerate(map(str, frame.columns)):
        column = frame.iloc[:, position]
        if isinstance(column.dtype, pd.CategoricalDtype):
            parts.append(_of_category(name, column))
        elif (numbers := _of_column(column)) is not None:
            parts.append(_Part(name, numbers, (name,)))
        else:
            refused.append(f"{name!r} ({_in_words(column.to_numpy())})")
    if refused:
        raise InvalidInputError(
            f"{what} have columns that are no numbers: {_some(refused)}.",
            remedy="Drop them, turn them into numbers, or make categories of them: astype('category').",
        )
    return parts


def _of_category(name: str, column: pd.Series) -> _Part:
    """A column of 0 and 1 for each category: codes would say that some are nearer to each other than others."""
    categories = tuple(column.cat.categories.tolist())
    if not categories:
        return _Part(name, np.full((len(column), 1), np.nan), (name,))
    require_memory(
        8 * len(column) * len(categories),
        f"The column {name!r}, one of zeros and ones for each of its {len(categories):,} categories,",
        remedy="Leave it out if it is an id, or bring it to fewer categories.",
    )
    values = pd.get_dummies(column, dtype=np.float32).to_numpy(np.float32, copy=True)  # pandas 3: read-only
    values[column.isna().to_numpy()] = np.nan
    return _Part(name, values, tuple(f"{name}={value}" for value in categories), categories)


def _of_column(column: pd.Series) -> np.ndarray | None:
    """float[N] with NaN where a value is missing; None of what is no number."""
    if isinstance(column.dtype, np.dtype):
        return _numbers(column.to_numpy())
    is_numeric = pd.api.types.is_numeric_dtype(column.dtype)
    return column.to_numpy(np.float64, na_value=np.nan) if is_numeric else None


def _numbers(array: np.ndarray) -> np.ndarray | None:
    """*array* as float32 or float64; None of what is no number."""
    if array.dtype == object:
        return _of_objects(array)
    if array.dtype.kind not in "biuf" and not np.can_cast(array.dtype, np.float64):  # bfloat16 has a kind of its own
        return None
    exact_in_single = array.dtype.itemsize <= 2 or array.dtype == np.float32
    return array.astype(np.float32 if exact_in_single else np.float64, copy=False)


def _of_objects(array: np.ndarray) -> np.ndarray | None:
    """Numbers of any class, missing ones as NaN. Text is none, even where it reads like one."""
    if any(isinstance(value, str | bytes) for value in array.flat):
        return None
    try:
        return np.where(pd.isna(array), np.nan, array).astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        return None


def _is_missing(value: object) -> bool:
    return value is None or value is pd.NA or value != value


def _in_words(array: np.ndarray) -> str:
    """What *array* holds."""
    if array.dtype == object:
        kinds = {type(value).__name__ for value in array.flat if not (np.ndim(value) == 0 and _is_missing(value))}
        return "text" if "str" in kinds else ", ".join(sorted(kinds)[:3])
    return "text" if array.dtype.kind in "US" else str(array.dtype)


def _check_finite(values: np.ndarray, what: str, index: pd.Index | None, owners: Sequence[str] | None) -> None:
    """Raise InvalidInputError that names the rows, and the columns by *owners*, of what is missing or infinite."""
    rows = values.reshape(len(values), -1)
    panels = [slice(start, start + PANEL) for start in range(0, len(rows), PANEL)]
    broken = np.flatnonzero(np.concatenate([~np.isfinite(rows[panel]).all(axis=1) for panel in panels]))
    if len(broken):
        names = broken if index is None else [repr(name) for name in index[broken]]
        hit = () if owners is None else np.asarray(owners)[~np.isfinite(rows[broken]).all(axis=0)]
        where = f", in the columns {_some(dict.fromkeys(map(repr, map(str, hit))))}" if len(hit) else ""
        raise InvalidInputError(
            f"{len(broken)} of {len(rows)} rows of {within(what)} have missing, NaN or infinite values: "
            f"{_some(names)}{where}.",
            remedy="Correct these items' features, or leave the items out.",
        )


def _some(names: Iterable[object]) -> str:
    words = [str(name) for name in names]
    return ", ".join(words[:10]) + (" …" if len(words) > 10 else "")
