"""Labelling schemes from files: columns of a CSV, and earlier exports; matched to the items by task id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from ntk_labelqa.dataset import LabeledDataset
from ntk_labelqa.diagnostics.schemes import Scheme, majority_of
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.labelstudio.reading.export_file import read_export

TASK = "task_id"
SHOWN = 5
"""Unknown labels that a note names."""


def table_schemes(path: Path, dataset: LabeledDataset) -> tuple[list[Scheme], list[str]]:
    """A scheme for every column of the CSV at *path* besides ``task_id``, and notes on what of it was not used.

    Raises InvalidInputError: not readable, no ``task_id`` or no other column, an id that is no number or comes twice,
    or a column none of whose labels can be used.
    """
    table = _read(path)
    ids = pd.to_numeric(table[TASK], errors="coerce")
    if ids.isna().any() or ids.duplicated().any():
        broken = table.loc[ids.isna() | ids.duplicated(), TASK].iloc[0]
        raise InvalidInputError(f"{path} has a {TASK} that is no number, or comes twice: {broken!r}.")
    schemes, notes = [], []
    for column in table.columns.drop(TASK):
        labelled = table[column] != ""
        scheme, said = _matched(str(column), ids[labelled].astype(np.int64), table.loc[labelled, column], dataset, path)
        schemes.append(scheme)
        notes += said
    return schemes, notes


def earlier_scheme(path: Path, dataset: LabeledDataset, control: str | None) -> tuple[Scheme, list[str]]:
    """The majority of the export at *path* as a scheme of *dataset*, and notes on what of it was not used."""
    before = read_export(path, control=control)
    majority = majority_of(before)
    ids = before.items["task_id"].to_numpy(np.int64)[majority.items]
    names = np.asarray(before.class_names, object)[majority.labels]
    return _matched(f"earlier: {path.name}", ids, names, dataset, path)


def _read(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except FileNotFoundError:
        raise InvalidInputError(f"There is no file {path}.", remedy="Check the path.") from None
    except (OSError, ValueError) as error:  # pandas' parser errors and UnicodeDecodeError derive from ValueError
        raise InvalidInputError(f"{path} cannot be read as CSV: {error}", remedy="Save it as UTF-8 CSV.") from error
    if TASK not in table or table.shape[1] < 2:
        raise InvalidInputError(
            f"{path} has the columns {', '.join(map(str, table.columns))}.",
            remedy=f"It needs {TASK}, and one column a labelling scheme.",
        )
    return table


def _matched(
    name: str, ids: Iterable[int], labels: Iterable[str], dataset: LabeledDataset, path: Path
) -> tuple[Scheme, list[str]]:
    """Labels by task as a scheme of *dataset*; those of other tasks and of unknown classes are left out, and said."""
    if dataset.control is not None and dataset.control.of_regions:
        raise InvalidInputError(
            f"The labels in {path} are of whole tasks, those of the source of regions.",
            remedy="Rank the annotators and model versions of the source alone.",
        )
    row_of = {task: row for row, task in enumerate(dataset.items["task_id"].tolist())}
    code_of = {label: code for code, label in enumerate(dataset.class_names)}
    pairs = list(zip(ids, labels, strict=True))
    known = [(row_of[task], code_of[label]) for task, label in pairs if task in row_of and label in code_of]
    unknown = Counter(label for task, label in pairs if label not in code_of)
    elsewhere = sum(task not in row_of for task, _ in pairs)
    if not known:
        raise InvalidInputError(
            f"No label of {name!r} in {path} belongs to a task and a class of the source.",
            why="The task ids or the class names are of another project.",
            remedy="Use the ids and class names of the source.",
        )
    notes = [f"{path}, {name}: {elsewhere} tasks that are not in the source are left out."] if elsewhere else []
    if unknown:
        shown = ", ".join(f"{label!r} ({count})" for label, count in unknown.most_common(SHOWN))
        notes.append(f"{path}, {name}: labels that the source does not have are left out: {shown}.")
    items, codes = np.array(known, np.int64).T
    return Scheme(name, items, codes), notes
