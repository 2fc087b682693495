"""Table rows: numbers, categories and short texts of the task data, with what is missing kept apart."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ntk_labelqa.dataset import LabeledDataset
from ntk_labelqa.encoders.encoder import WHOLE, Encoding, Progress, task_data_of
from ntk_labelqa.encoders.text import encode_texts
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.inputs.preparation import plain_numbers
from ntk_labelqa.task_data import value_shown

MOST_CATEGORIES = 50
"""Distinct values up to which a column of strings is one of categories; with more, or nearly one a row, it is text."""
WORDS_OF_A_COLUMN = 50
"""Directions that a column of texts gets."""


@dataclass(frozen=True)
class Columns:
    """Names of the columns by what they hold; those that say nothing, or hold lists and the like, are in none."""

    numbers: tuple[str, ...]
    categories: tuple[str, ...]
    texts: tuple[str, ...]

    def __str__(self) -> str:
        parts = (("numbers", self.numbers), ("categories", self.categories), ("texts", self.texts))
        return "; ".join(f"{what} {', '.join(names)}" for what, names in parts if names)


class Fields:
    """The numbers, categories and short texts of the task data."""

    name, kinds = "fields", WHOLE

    def encode(self, dataset: LabeledDataset, *, seed: int = 0, progress: Progress | None = None) -> Encoding:
        """See :func:`encode_fields`."""
        features, columns = encode_fields(_rows(dataset), seed=seed)
        are_numbers = np.isin(np.arange(features.shape[1]), np.arange(1, 1 + len(columns.numbers)))
        numbers = are_numbers & plain_numbers(features)
        return Encoding(features, f"Features are made of the task data: {columns}.", numbers)


def _rows(dataset: LabeledDataset) -> list[dict[str, Any]]:
    """The row that each task shows; the whole task data where it shows no single one."""
    control, tasks = dataset.control, task_data_of(dataset)
    shown = [value_shown(data, control) if control else None for data in tasks]
    missing = dataset.kind == "row" and control is not None and control.value_key
    return [row if isinstance(row, dict) else {} if missing else data for row, data in zip(shown, tasks, strict=True)]


def encode_fields(rows: Sequence[Mapping[str, Any]], *, seed: int = 0) -> tuple[np.ndarray, Columns]:
    """Features of table rows, float64[N, D], and which columns they come from.

    The first column is constant, and stands for the intercept; then come the numbers, in their units
    (:mod:`ntk_labelqa.inputs.preparation` brings them to one scale), missing ones at their median; then a column for
    each number that is missing somewhere, which says where; one for each category, *missing* one of them; and TF-IDF
    directions of the texts. The row of an item without any value is zero.

    Args:
        rows: one mapping an item, column to value; None, NaN and empty strings are missing.
        seed: for the projection of texts.

    Raises InvalidInputError where no column distinguishes two items.
    """
    table = _scalars(rows)
    columns = sort_columns(table)
    parts = [np.ones((len(table), 1))]
    if columns.numbers or columns.categories:
        parts.append(_transformer(columns).fit_transform(_typed(table, columns)))
    for name in columns.texts:
        parts.append(encode_texts(_as_texts(table[name]), seed=seed, directions=WORDS_OF_A_COLUMN))
    if len(parts) == 1:
        raise InvalidInputError(
            f"None of the {table.shape[1]} fields of the task data distinguishes two items.",
            why="All are missing, hold one value alone, or hold lists.",
            remedy="Give features with --features.",
        )
    features = np.concatenate(parts, axis=1)
    features[table[[*columns.numbers, *columns.categories, *columns.texts]].isna().all(axis=1).to_numpy()] = 0.0
    return features, columns


def sort_columns(table: pd.DataFrame) -> Columns:
    """Which columns of *table* (scalars, None where missing) are numbers, categories and texts."""
    numbers, categories, texts = [], [], []
    for name in table.columns:
        there = table[name].dropna()
        distinct = there.astype(str).nunique()
        if distinct < 2 and (distinct == 0 or len(there) == len(table)):
            continue
        if not there.map(lambda value: isinstance(value, bool)).any() and _as_numbers(there).notna().all():
            numbers.append(name)
        elif distinct <= MOST_CATEGORIES and distinct <= len(there) / 2:
            categories.append(name)
        else:
            texts.append(name)
    return Columns(tuple(numbers), tuple(categories), tuple(texts))


def _scalars(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """A table of the scalar values; None where there is none."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pd.DataFrame({name: pd.Series([_scalar(row.get(name)) for row in rows], dtype=object) for name in names})


def _scalar(value: Any) -> Any:
    missing = not isinstance(value, bool | int | float | str) or value != value or str(value).strip() == ""
    return None if missing or _is_too_large(value) else value


def _is_too_large(value: Any) -> bool:
    """Whether *value* is a whole number beyond what a float holds."""
    return isinstance(value, int) and abs(value) > sys.float_info.max


def _as_texts(values: pd.Series) -> pd.Series:
    """*values* as text, empty where there is none."""
    return values.map(lambda value: "" if value is None or value != value else str(value))


def _as_numbers(values: pd.Series) -> pd.Series:
    """*values* as finite floats, NaN where they are none."""
    return pd.to_numeric(values, errors="coerce").astype(float).replace([np.inf, -np.inf], np.nan)


def _typed(table: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    numbers = {name: _as_numbers(table[name]) for name in columns.numbers}
    return pd.DataFrame({**numbers, **{name: _as_texts(table[name]) for name in columns.categories}})


def _transformer(columns: Columns) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import OneHotEncoder

    return ColumnTransformer(
        [
            ("numbers", SimpleImputer(strategy="median", add_indicator=True), list(columns.numbers)),
            ("categories", OneHotEncoder(sparse_output=False), list(columns.categories)),
        ],
        sparse_threshold=0,
    )
