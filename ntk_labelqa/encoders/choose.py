"""Which encoder a data set gets, and what it comes out as."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from ntk_labelqa.dataset import ItemKind, LabeledDataset, with_note
from ntk_labelqa.encoders import registry
from ntk_labelqa.encoders.encoder import FILES, PICTURES, WHOLE, Encoder, Progress
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.inputs.preparation import plain_numbers
from ntk_labelqa.row_store import Rows, kept_rows, row_panels

_BY_KIND: dict[ItemKind, str] = {
    "image": "pixels",
    "crop": "pixels",
    "text": "text",
    "span": "text",
    "row": "fields",
    "audio": "sound",
    "video": "frames",
    "series": "series",
    "audio_segment": "sound",
    "series_segment": "series",
    "pdf": "pdf",
}
OF_TASK_DATA = ("fields", "vector")
"""Encoders that read the task data alone, whatever the items are."""


@dataclass(frozen=True)
class Encoded:
    """Features of the items, and the items they belong to.

    Attributes:
        features: float[N, D] or float[N, H, W, C], finite, no blank row; in a file where a large one was given.
        dataset: the data set without the items that carry nothing; its notes say what the features were made of.
        encoder: the name of the encoder that was used.
        numbers: bool[D], which columns are plain numbers; None where the features are as a kernel is to see them. See
            :mod:`ntk_labelqa.inputs.preparation`.
    """

    features: Rows
    dataset: LabeledDataset
    encoder: str
    numbers: np.ndarray | None = None


def encode(
    dataset: LabeledDataset,
    *,
    encoder: str | None = None,
    features_file: str | os.PathLike[str] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Encoded:
    """Turn the items into features; items that carry nothing (blank image, empty text, zero row) are left out.

    Args:
        dataset: items with ``value``, with ``path`` where they are images or other files, and with ``data`` where they
            are table rows.
        encoder: a name as :func:`ntk_labelqa.encoders.registry.find` takes it; None takes a vector in the task data if
            there is one under a usual key, else the encoder that fits the items.
        features_file: precomputed features, which then go before any encoder.
        seed: for the randomised projection of texts.

    Raises:
        InvalidInputError: no encoder fits, the file does not match the items, or nothing is left.
    """
    if not len(dataset):
        gone = "; ".join(f"{len(left.ids)} {left.of}s: {left.reason}" for left in dataset.left_out)
        raise InvalidInputError(
            "Nothing is left to audit.",
            why=gone or "There is no item.",
            remedy="Correct what is named, then audit again.",
        )
    if features_file is not None:
        name, note = "precomputed", ""
        features: Rows = _from_file(dataset, features_file)
        numbers = plain_numbers(features) if len(features.shape) == 2 else None
    else:
        chosen = _fitting(dataset, encoder or usual_encoder(dataset))
        name = chosen.name
        features, note, numbers = chosen.encode(dataset, seed=seed, progress=progress)
    carries = features_that_carry(features)
    if not carries.any():
        raise InvalidInputError("Every item is blank: there is nothing to compare.", remedy="Check the task data.")
    left = dataset.keep_items(carries, "blank item")
    kept = features if carries.all() else kept_rows(features, np.flatnonzero(carries))
    return Encoded(kept, with_note(left, note) if note else left, name, numbers)


def usual_encoder(dataset: LabeledDataset) -> str:
    """The encoder for items of this kind, with its argument; a vector that lies ready in every task goes first."""
    from ntk_labelqa.encoders.vectors import usual_key

    key = usual_key(dataset.items["data"].tolist()) if dataset.kind in WHOLE and "data" in dataset.items else None
    return f"vector:{key}" if key else _BY_KIND.get(dataset.kind, "")


def reads_files(dataset: LabeledDataset, asked: str | None) -> bool:
    """Whether the encoder called *asked*, None for the usual one, makes its features of what is in the items' files.

    Images are always looked at: a report shows them. Raises InvalidInputError where the encoder does not fit.
    """
    if dataset.kind in PICTURES:
        return True
    return dataset.kind in FILES and _fitting(dataset, asked or usual_encoder(dataset)).name not in OF_TASK_DATA


def _fitting(dataset: LabeledDataset, asked: str) -> Encoder:
    """The encoder called *asked*; raises InvalidInputError where it does not take these items."""
    if not asked and dataset.control:
        control, what = dataset.control, "regions of" if dataset.control.of_regions else "labels of"
        raise InvalidInputError(
            f"Audited are {what} {control.over} {control.to_name!r}, which cannot be compared without features.",
            why="They are made here of an Image, a Table, text in any form, Audio, a Video, a TimeSeries, a Pdf; of "
            "shapes in an Image, tracks in a Video, spans of text, segments of Audio and of a TimeSeries.",
            remedy="Give features that you computed, one row a task"
            + (" and region" if control.of_regions else "")
            + ", with --features.",
        )
    found = registry.find(asked) if asked else None
    if found is None or dataset.kind not in found.kinds:
        raise InvalidInputError(
            f"The encoder {asked!r} does not fit items of kind {dataset.kind!r}.",
            why=f"It reads items of kind {', '.join(sorted(found.kinds))}." if found else "",
            remedy="`ntk-labelqa encoders` lists what fits which; or give a features file with --features.",
        )
    return found


def _from_file(dataset: LabeledDataset, path: str | os.PathLike[str]) -> Rows:
    from ntk_labelqa.encoders.precomputed import read_features

    unused = [task for gone in dataset.left_out if gone.of == "task" for task in gone.ids]
    regions = dataset.item_regions if "region_id" in dataset.items else None
    return read_features(path, dataset.items["task_id"].to_numpy(np.int64), regions, unused_ids=unused)


def features_that_carry(features: Rows) -> np.ndarray:
    """bool[N]: false where a row is zero, or where an image is of one colour: neither has a direction."""
    carries = np.empty(len(features), bool)
    for panel in row_panels(features.shape):
        rows = features[panel].reshape(panel.stop - panel.start, -1)
        carries[panel] = rows.any(axis=1) if len(features.shape) == 2 else rows.max(axis=1) > rows.min(axis=1)
    return carries
