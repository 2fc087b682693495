"""Features files: arrays of any type and shape, and bytes that are hardly files any more."""

from __future__ import annotations

import io
import random
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ntk_labelqa.encoders.precomputed import read_features
from tests.fuzz.odd import NUMBERS, TEXTS, damaged
from tests.fuzz.runs import Unexpected, seeded

TASKS = np.array([3, 1, 2])
REGIONS = np.array(["r", "r", "s"])
KINDS = ["float16", "float32", "float64", "int8", "uint64", "bool", "complex64", "object", "U3", "S3", "M8[s]", "V2"]


class File(NamedTuple):
    """The file's bytes and its ending, and whether the items are regions."""

    content: bytes
    ending: str
    of_regions: bool


class Features:
    """Files, as :func:`~ntk_labelqa.encoders.precomputed.read_features` reads them."""

    together = 1

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self, seed: int) -> File:
        rng = seeded("features", seed)
        ids, features = _ids(rng), _features(rng)
        regions = rng.choice([REGIONS, REGIONS, REGIONS[:2], np.array(["\ud83d", "r", "s"]), np.array([1, 2, 3])])
        of_regions = rng.random() < 0.3
        parquet = rng.random() < 0.4
        write = _parquet if parquet else _npz
        content = write(ids, features, regions if of_regions or rng.random() < 0.1 else None, rng)
        if rng.random() < 0.5:
            content = damaged(content, rng)
        usual = ".parquet" if parquet else ".npz"
        return File(
            content, usual if rng.random() < 0.97 else rng.choice([".npy", ".csv", "", ".npz", ".parquet"]), of_regions
        )

    def read(self, some: list[File]) -> str:
        [made] = some
        path = self.folder / f"features{made.ending}"
        path.write_bytes(made.content)
        rows = read_features(path, TASKS, REGIONS if made.of_regions else None, unused_ids=[9])
        if len(rows) != len(TASKS) or not np.isfinite(rows).all():
            raise Unexpected(f"features {rows.dtype}{rows.shape}")
        return "read"


def _ids(rng: random.Random) -> np.ndarray:
    ids: Any = [1, 2, 3]
    kind = rng.random()
    if kind < 0.2:
        ids = rng.sample([1, 2, 3, 4, 9, 2, 2**62], rng.randint(0, 5))
    if kind > 0.9:
        ids = [rng.choice([*NUMBERS, *TEXTS, None, [1], {}]) for _ in range(3)]
    return _array(ids, rng.choice([None, None, "int64", "int32", "uint64", "float64", "U3", "object"]))


def _features(rng: random.Random) -> np.ndarray:
    shape = rng.choice(
        [(3, 2), (3, 2), (3, 4, 4), (3, 2, 2, 3), (3,), (0, 2), (3, 0), (2, 2), (4, 2), (), (1, 3, 2, 1, 2)]
    )
    values = np.arange(np.prod(shape, dtype=int), dtype=float).reshape(shape) / 7
    flat = values.reshape(-1)
    if flat.size and rng.random() < 0.3:
        flat[rng.randrange(flat.size)] = rng.choice([np.nan, np.inf, -np.inf, 1e308, 5e-324])
    made = _array(values, rng.choice(["float32", "float64", "int64", *KINDS]))
    if made.dtype == object and made.size and rng.random() < 0.8:
        made.flat[rng.randrange(made.size)] = rng.choice([*NUMBERS, *TEXTS[:20], None, [1.0], {"a": 1}])
    return made


def _array(values: Any, kind: str | None) -> np.ndarray:
    """*values* as an array of *kind*, or of what they can be."""
    try:
        with np.errstate(all="ignore"):
            return np.asarray(values, kind)
    except (ValueError, TypeError, OverflowError):
        found = np.empty(len(values), object)
        found[:] = values
        return found


def _npz(ids: np.ndarray, features: np.ndarray, regions: np.ndarray | None, rng: random.Random) -> bytes:
    arrays: dict[str, Any] = {"ids": ids, "features": features}
    if regions is not None:
        arrays["region_ids"] = regions
    if rng.random() < 0.1:
        arrays[rng.choice(["x", "a/b", "ids "])] = arrays.pop(rng.choice(list(arrays)))
    written = io.BytesIO()
    if rng.random() < 0.05:
        np.save(written, features, allow_pickle=True)
    else:
        (np.savez_compressed if rng.random() < 0.2 else np.savez)(written, **arrays)
    return written.getvalue()


def _parquet(ids: np.ndarray, features: np.ndarray, regions: np.ndarray | None, rng: random.Random) -> bytes:
    columns: dict[str, Any] = {"task_id": list(ids)}
    rows = (
        np.stack([np.asarray(row).reshape(-1) for row in features])
        if features.ndim and len(features)
        else np.empty((0, 1))
    )
    if rng.random() < 0.3:
        columns["vector"] = [list(row) for row in rows]
    else:
        columns |= {f"f{at}": list(rows[:, at]) for at in range(rows.shape[1])}
    if regions is not None:
        columns["region_id"] = list(regions)
    if rng.random() < 0.1:
        columns[rng.choice(["x", "", "task_id "])] = columns.pop(rng.choice(list(columns)))
    written = io.BytesIO()
    try:
        table = pd.DataFrame({name: pd.Series(list(values), dtype=object) for name, values in columns.items()})
        if rng.random() < 0.9:
            table = table.infer_objects()
        table.to_parquet(written, index=rng.random() < 0.1)
    except Exception:  # noqa: BLE001 what nobody can write, nobody reads
        pd.DataFrame({"task_id": [1, 2, 3], "f0": [0.1, 0.2, 0.3]}).to_parquet(written)
    return written.getvalue()
