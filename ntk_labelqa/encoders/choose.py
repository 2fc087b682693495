"""Which encoder a data set gets, and what it comes out as."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ntk_labelqa.dataset import LabeledDataset
from ntk_labelqa.errors import InvalidInputError

ENCODERS = ("pixels", "text")
_BY_KIND = {"image": "pixels", "text": "text"}

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Encoded:
    """Features of the items, and the items they belong to.

    Attributes:
        features: float[N, D] or float[N, H, W, C], finite, no blank row.
        dataset: the data set without the items that carry nothing.
        encoder: the name of the encoder that was used.
    """

    features: np.ndarray
    dataset: LabeledDataset
    encoder: str


def encode(
    dataset: LabeledDataset,
    *,
    encoder: str | None = None,
    features_file: str | Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Encoded:
    """Turn the items into features; items that carry nothing (blank image, empty text, zero row) are left out.

    Args:
        dataset: items with ``value``, and ``path`` where they are images.
        encoder: one of :data:`ENCODERS`; None takes the one that fits the items.
        features_file: precomputed features, which then go before any encoder.
        seed: for the randomised projection of texts.

    Raises:
        InvalidInputError: no encoder fits, the file does not match the items, or nothing is left.
    """
    name = "precomputed" if features_file is not None else encoder or _BY_KIND.get(dataset.kind)
    if name == "precomputed" and features_file is not None:
        from ntk_labelqa.encoders.precomputed import read_features

        unused = [task for gone in dataset.left_out if gone.of == "task" for task in gone.ids]
        features = read_features(features_file, dataset.items["task_id"].to_numpy(np.int64), unused_ids=unused)
    elif name == "pixels" and "path" in dataset.items:
        from ntk_labelqa.encoders.pixels import encode_images

        features = encode_images(dataset.items["path"].tolist(), progress=progress)
    elif name == "text" and dataset.kind == "text":
        from ntk_labelqa.encoders.text import encode_texts

        features = encode_texts(dataset.items["value"].tolist(), seed=seed)
    else:
        raise InvalidInputError(
            f"The encoder {name!r} does not fit items of kind {dataset.kind!r}.",
            remedy=f"Use one of {', '.join(ENCODERS)} where it fits, or give a features file with --features.",
        )
    carries = features_that_carry(features)
    if not carries.any():
        raise InvalidInputError("Every item is blank: there is nothing to compare.", remedy="Check the task data.")
    return Encoded(features[carries], dataset.keep_items(carries, "blank item"), name)


def features_that_carry(features: np.ndarray) -> np.ndarray:
    """bool[N]: false where a row is zero, or where an image is of one colour: neither has a direction."""
    rows = features.reshape(len(features), -1)
    if features.ndim == 2:
        return np.array(rows.any(axis=1))
    return np.array(rows.max(axis=1) > rows.min(axis=1))
