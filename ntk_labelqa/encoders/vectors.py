"""Vectors that lie in the task data, such as embeddings computed before the tasks were imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ntk_labelqa.dataset import LabeledDataset
from ntk_labelqa.encoders.encoder import WHOLE, Encoding, Progress, task_data_of
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.inputs.preparation import plain_numbers

USUAL_KEYS = ("embedding", "embeddings", "vector", "features")
"""Keys under which a vector is used without being asked for."""
SHORTEST = 2


class Vector:
    """Vectors that lie ready in the task data.

    Args:
        key: under which they lie; empty for the first of :data:`USUAL_KEYS` that every task has.
    """

    name, kinds = "vector", WHOLE

    def __init__(self, key: str = "") -> None:
        self.key = key

    def encode(self, dataset: LabeledDataset, *, seed: int = 0, progress: Progress | None = None) -> Encoding:
        """See :func:`encode_vectors`."""
        tasks = task_data_of(dataset)
        key = self.key or usual_key(tasks) or USUAL_KEYS[0]
        vectors = encode_vectors(tasks, dataset.items["task_id"].tolist(), key)
        return Encoding(vectors, f"Features are the vectors {key!r}.", plain_numbers(vectors))


def usual_key(tasks: Sequence[Mapping[str, Any]]) -> str | None:
    """The first of :data:`USUAL_KEYS` under which every task holds a vector of one length; None if there is none."""
    return next((key for key in USUAL_KEYS if tasks and _length(tasks, key)), None)


def encode_vectors(tasks: Sequence[Mapping[str, Any]], task_ids: Sequence[int], key: str) -> np.ndarray:
    """The vectors under *key* of the task data, float32[N, D].

    Raises InvalidInputError where a task has none there, where it is of another length, or is not of finite numbers;
    the message names the first such tasks.
    """
    lengths = [len(task[key]) if _is_vector(task.get(key)) else 0 for task in tasks]
    length = max(lengths, default=0)
    wrong = [number for number, found in zip(task_ids, lengths, strict=True) if found != length or not found]
    if wrong:
        shown = ", ".join(map(str, wrong[:10])) + (f" and {len(wrong) - 10} more" if len(wrong) > 10 else "")
        raise InvalidInputError(
            f"{len(wrong)} of {len(tasks)} tasks have no vector of {length or 'finite'} numbers under {key!r}: "
            f"{shown}.",
            remedy="Name the key with --encoder vector:KEY, or give the features with --features.",
        )
    return np.array([task[key] for task in tasks], np.float32)


def _length(tasks: Sequence[Mapping[str, Any]], key: str) -> int:
    """The common length of the vectors under *key*; 0 where a task has none, or another length."""
    first = tasks[0].get(key)
    if first is None or not _is_vector(first):
        return 0
    alike = all(_is_vector(task.get(key)) and len(task[key]) == len(first) for task in tasks)
    return len(first) if alike else 0


def _is_vector(value: Any) -> bool:
    if not isinstance(value, list) or len(value) < SHORTEST:
        return False
    numbers = all(isinstance(number, int | float) and not isinstance(number, bool) for number in value)
    return numbers and bool(np.isfinite(np.array(value, float)).all())
