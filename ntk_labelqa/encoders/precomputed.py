"""Features that the user computed elsewhere, matched to the items by task id and never by position."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ntk_labelqa.errors import InvalidInputError

_FORM = "An .npz needs `ids` (task ids) and `features`; a parquet file needs a `task_id` column and numeric columns."


def read_features(path: str | Path, task_ids: np.ndarray, *, unused_ids: Iterable[int] = ()) -> np.ndarray:
    """Rows of a features file in the order of *task_ids*, float[N, …].

    Args:
        path: ``.npz`` with ``ids`` and ``features``, or ``.parquet`` with ``task_id`` and one numeric column a feature
            (or one column of equally long lists).
        task_ids: int64[N].
        unused_ids: tasks of the source that the audit leaves out; the file may have rows for them.

    Raises:
        InvalidInputError: not readable, or rows missing, extra, duplicate or not finite; the message names them.
    """
    path = Path(path)
    ids, features = _read(path)
    if len(ids) != len(features):
        raise InvalidInputError(f"{path} has {len(ids)} ids and {len(features)} rows of features.", remedy=_FORM)
    unique, counts = np.unique(ids, return_counts=True)
    _refuse(path, "Duplicate tasks", unique[counts > 1], "Keep one row a task.")
    _refuse(path, "Missing tasks", np.setdiff1d(task_ids, ids), "Compute features for every labelled task.")
    extra = np.setdiff1d(ids, np.concatenate([task_ids, np.fromiter(unused_ids, np.int64)]))
    _refuse(
        path,
        "Tasks that are not in the source",
        extra,
        "Take these rows out, or check that the file belongs to this source.",
    )
    finite = np.isfinite(features.reshape(len(features), -1)).all(axis=1)
    _refuse(path, "Tasks with NaN or infinite features", ids[~finite], "Mend or leave out these items.")
    return features[np.argsort(ids)][np.searchsorted(unique, task_ids)]


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        if path.suffix == ".parquet":
            return _read_parquet(path)
        with np.load(path, allow_pickle=False) as archive:
            return _as_ids(path, archive["ids"]), _as_floats(path, archive["features"])
    except FileNotFoundError:
        raise InvalidInputError(f"There is no features file {path}.", remedy="Check the path.") from None
    except KeyError as error:
        raise InvalidInputError(f"{path} lacks {error}.", remedy=_FORM) from error
    except (OSError, ValueError, TypeError, zipfile.BadZipFile) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise InvalidInputError(f"{path} cannot be read as a features file: {error}", remedy=_FORM) from error


def _read_parquet(path: Path) -> tuple[np.ndarray, np.ndarray]:
    import pandas as pd

    table = pd.read_parquet(path)
    values = table.drop(columns="task_id")
    if values.shape[1] == 1 and values.dtypes.iloc[0] == np.dtype(object):
        return _as_ids(path, table["task_id"].to_numpy()), np.stack(values.iloc[:, 0].tolist()).astype(float)
    return _as_ids(path, table["task_id"].to_numpy()), _as_floats(path, values.to_numpy())


def _as_ids(path: Path, ids: np.ndarray) -> np.ndarray:
    if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer):
        raise InvalidInputError(
            f"The ids in {path} are {ids.dtype}{list(ids.shape)}, not a list of integers.", remedy=_FORM
        )
    return ids.astype(np.int64)


def _as_floats(path: Path, features: np.ndarray) -> np.ndarray:
    if features.ndim < 2 or not np.issubdtype(features.dtype, np.number):
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
