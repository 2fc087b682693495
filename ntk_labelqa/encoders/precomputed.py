"""Features that the user computed elsewhere, matched to the items by task and region id and never by position."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.files import whole_file
from ntk_labelqa.parquet import read_parquet
from ntk_labelqa.paths import real_place
from ntk_labelqa.row_store import row_panels

_FORM = "An .npz needs `ids` (task ids) and `features`; a parquet file needs a `task_id` column and numeric columns."
_FORM_OF_REGIONS = (
    "Beside its task each row needs its region: `region_ids` of an .npz, a `region_id` column of a parquet file, with "
    "the ids that Label Studio's results have."
)


def read_features(
    path: str | os.PathLike[str],
    task_ids: np.ndarray,
    region_ids: np.ndarray | None = None,
    *,
    unused_ids: Iterable[int] = (),
) -> np.ndarray:
    """Rows of a features file in the order of *task_ids*, float[N, …].

    Args:
        path: ``.npz`` with ``ids`` and ``features``, or ``.parquet`` with ``task_id`` and one numeric column a feature
            (or one column of equally long lists). For regions, ``region_ids`` or ``region_id`` beside them.
        task_ids: int64[N].
        region_ids: str[N], where the items are regions; the file may then have rows for more regions of these tasks.
        unused_ids: tasks of the source that the audit leaves out; the file may have rows for them.

    Raises:
        InvalidInputError: not readable, or rows missing, extra, duplicate or not finite; the message names them.
    """
    path = Path(path)
    tasks, regions, features = _read(path)
    if len(tasks) != len(features) or (regions is not None and len(regions) != len(tasks)):
        raise InvalidInputError(f"{path} has {len(tasks)} ids and {len(features)} rows of features.", remedy=_FORM)
    ids, wanted, what = tasks, task_ids, "tasks"
    if region_ids is not None:
        if regions is None:
            raise InvalidInputError(f"{path} has a row a task, but the audit is of regions.", remedy=_FORM_OF_REGIONS)
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
    finite = np.empty(len(features), bool)
    for panel in row_panels(features.shape):
        finite[panel] = np.isfinite(features[panel].reshape(len(features[panel]), -1)).all(axis=1)
    _refuse(path, f"{what.capitalize()} with NaN or infinite features", ids[~finite], "Correct them or leave them out.")
    rows = np.argsort(ids)[np.searchsorted(unique, wanted)]
    return features if np.array_equal(rows, np.arange(len(features))) else features[rows]


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


def _read(path: Path) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    try:
        if path.suffix == ".parquet":
            return _read_parquet(path)
        with np.load(path, allow_pickle=False) as archive:
            return _as_ids(path, archive["ids"]), archive.get("region_ids"), _as_floats(path, archive["features"])
    except FileNotFoundError:
        raise InvalidInputError(f"There is no features file {path}.", remedy="Check the path.") from None
    except KeyError as error:
        raise InvalidInputError(f"{path} lacks {error}.", remedy=_FORM) from error
    except InvalidInputError:
        raise
    except Exception as error:  # NumPy, zipfile and Arrow let whatever damaged files cause through
        raise InvalidInputError(f"{path} cannot be read as a features file: {error}", remedy=_FORM) from error


def _read_parquet(path: Path) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    table = read_parquet(path)
    regions = table.pop("region_id").to_numpy(str) if "region_id" in table else None
    ids = _as_ids(path, table.pop("task_id").to_numpy())
    if table.shape[1] == 1 and table.dtypes.iloc[0] == np.dtype(object):
        return ids, regions, np.stack(table.iloc[:, 0].tolist()).astype(float)
    return ids, regions, _as_floats(path, table.to_numpy())


def _as_ids(path: Path, ids: np.ndarray) -> np.ndarray:
    if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer):
        raise InvalidInputError(
            f"The ids in {path} are {ids.dtype}{list(ids.shape)}, not a list of integers.", remedy=_FORM
        )
    return ids.astype(np.int64)


def _as_floats(path: Path, features: np.ndarray) -> np.ndarray:
    kind = features.dtype
    if features.ndim < 2 or not np.issubdtype(kind, np.number) or np.issubdtype(kind, np.complexfloating):
        raise InvalidInputError(
            f"The features in {path} are {features.dtype}{list(features.shape)}, not numbers with a row an item.",
            remedy=_FORM,
        )
    return features if np.issubdtype(features.dtype, np.floating) else features.astype(np.float32)


def _refuse(path: Path, which: str, ids: Iterable[int], remedy: str) -> None:
    ids = list(ids)
    if ids:
        shown = ", ".join(str(i) for i in ids[:10]) + (f" and {len(ids) - 10} more" if len(ids) > 10 else "")
        raise InvalidInputError(f"{which} in {path} ({len(ids)}): {shown}.", remedy=remedy)
