"""Features that the user computed elsewhere, matched to the items by task and region id and never by position."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ntk_labelqa.encoders.features_files import FeaturesFile, opened
from ntk_labelqa.errors import InvalidInputError, LabelQAError
from ntk_labelqa.files import whole_file
from ntk_labelqa.paths import real_place
from ntk_labelqa.row_store import RowFile, row_store

_FORM = "An .npz or .zarr needs `ids` (task ids) and `features`, a parquet file a `task_id` column and numeric columns."
_FORM_OF_REGIONS = (
    "Beside its task each row needs its region: `region_ids` beside `ids`, a `region_id` column of a parquet file, "
    "with the ids that Label Studio's results have."
)


def read_features(
    path: str | os.PathLike[str],
    task_ids: np.ndarray,
    region_ids: np.ndarray | None = None,
    *,
    unused_ids: Iterable[int] = (),
) -> np.ndarray | RowFile:
    """Rows of a features file in the order of *task_ids*, float[N, …].

    The file is read a panel of rows at a time; what is large goes to a temporary file, and is never held as a whole.

    Args:
        path: ``.npz``, or a folder ``.zarr``, with ``ids`` and ``features``, or ``.parquet`` with ``task_id`` and one
            numeric column a feature (or one column of equally long lists). For regions, ``region_ids`` or ``region_id``
            beside them.
        task_ids: int64[N].
        region_ids: str[N], where the items are regions; the file may then have rows for more regions of these tasks.
        unused_ids: tasks of the source that the audit leaves out; the file may have rows for them.

    Raises:
        InvalidInputError: not readable, or rows missing, extra, duplicate or not finite; the message names them.
    """
    path = Path(path)
    with _in_words(path), opened(path) as file:
        tasks, regions = _as_ids(path, file.ids), file.region_ids
        _check_numbers(path, file.shape, file.dtype)
        if len(tasks) != file.shape[0] or (regions is not None and len(regions) != len(tasks)):
            raise InvalidInputError(f"{path} has {len(tasks)} ids and {file.shape[0]} rows of features.", remedy=_FORM)
        ids, wanted, what = tasks, task_ids, "tasks"
        if region_ids is not None:
            if regions is None:
                raise InvalidInputError(
                    f"{path} has a row a task, but the audit is of regions.", remedy=_FORM_OF_REGIONS
                )
            ids, wanted, what = _of_regions(tasks, regions), _of_regions(task_ids, region_ids), "regions"
        unique, counts = np.unique(ids, return_counts=True)
        _refuse(path, f"Duplicate {what}", unique[counts > 1], f"Keep one row a {what[:-1]}.")
        _refuse(path, f"Missing {what}", np.setdiff1d(wanted, ids), f"Compute features for every labelled {what[:-1]}.")
        extra = np.setdiff1d(tasks, np.concatenate([task_ids, np.fromiter(unused_ids, np.int64)]))
        _refuse(
            path,
            "Tasks that are not in the source",
            extra,
            "Take these rows out, or check that the file belongs to this source.",
        )
        features, finite = _in_order(file, np.argsort(ids)[np.searchsorted(unique, wanted)])
    _refuse(path, f"{what.capitalize()} with NaN or infinite features", ids[~finite], "Correct them or leave them out.")
    return features


def _in_order(file: FeaturesFile, rows: np.ndarray) -> tuple[np.ndarray | RowFile, np.ndarray]:
    """The *rows* of *file*, in this order, and which of all its rows are finite, bool[n]."""
    kind = file.dtype if np.issubdtype(file.dtype, np.floating) else np.dtype(np.float32)
    features, finite = row_store((len(rows), *file.shape[1:]), kind), np.zeros(file.shape[0], bool)
    by_row = np.argsort(rows, kind="stable")
    ascending, start = rows[by_row], 0
    for panel in file.panels():
        stop = start + len(panel)
        finite[start:stop] = np.isfinite(panel.reshape(len(panel), -1)).all(axis=1)
        first, last = np.searchsorted(ascending, [start, stop])
        features[by_row[first:last]] = panel[ascending[first:last] - start]
        start = stop
    return features, finite


def write_features(path: Path, task_ids: np.ndarray, features: np.ndarray, region_ids: Any = None) -> None:
    """Write a file that :func:`read_features` reads; images are flattened in a ``.parquet``. It appears whole.

    Args:
        path: ``.npz`` or ``.parquet``.
        task_ids: int64[N].
        features: float[N, …].
        region_ids: str[N], where the items are regions.

    Raises LabelQAError where it cannot be written.
    """
    regions = None if region_ids is None else np.asarray(region_ids, str)
    with whole_file(real_place(path)) as stream:
        if path.suffix == ".parquet":
            import pandas as pd

            columns = {"task_id": task_ids, **({} if regions is None else {"region_id": regions})}
            rows = features.reshape(len(features), -1)
            pd.DataFrame({**columns, **{f"f{at}": rows[:, at] for at in range(rows.shape[1])}}).to_parquet(stream)
        else:
            arrays: dict[str, Any] = {"ids": task_ids, "features": features}
            np.savez(stream, **arrays if regions is None else {**arrays, "region_ids": regions})


def _of_regions(tasks: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Names of regions, str[N], distinct across tasks."""
    return np.array([f"task {task} region {region}" for task, region in zip(tasks, regions, strict=True)], str)


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    """InvalidInputError for whatever goes wrong in the body because of what *path* holds."""
    try:
        yield
    except FileNotFoundError:
        raise InvalidInputError(f"There is no features file {path}.", remedy="Check the path.") from None
    except KeyError as error:
        raise InvalidInputError(f"{path} lacks {error}.", remedy=_FORM) from error
    except LabelQAError:
        raise
    except Exception as error:  # NumPy, zipfile and Arrow let whatever damaged files cause through
        raise InvalidInputError(f"{path} cannot be read as a features file: {error}", remedy=_FORM) from error


def _as_ids(path: Path, ids: np.ndarray) -> np.ndarray:
    if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer):
        raise InvalidInputError(
            f"The ids in {path} are {ids.dtype}{list(ids.shape)}, not a list of integers.", remedy=_FORM
        )
    return ids.astype(np.int64)


def _check_numbers(path: Path, shape: tuple[int, ...], kind: np.dtype) -> None:
    if len(shape) < 2 or not np.issubdtype(kind, np.number) or np.issubdtype(kind, np.complexfloating):
        raise InvalidInputError(
            f"The features in {path} are {kind}{list(shape)}, not numbers with a row an item.",
            remedy=_FORM,
        )


def _refuse(path: Path, which: str, ids: Iterable[int], remedy: str) -> None:
    ids = list(ids)
    if ids:
        shown = ", ".join(str(i) for i in ids[:10]) + (f" and {len(ids) - 10} more" if len(ids) > 10 else "")
        raise InvalidInputError(f"{which} in {path} ({len(ids)}): {shown}.", remedy=remedy)
