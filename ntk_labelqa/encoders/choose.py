"""Which encoder a data set gets, and what it comes out as."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ntk_labelqa.dataset import ItemKind, LabeledDataset, split_span
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.task_data import value_shown

ENCODERS = ("pixels", "text", "fields", "vector[:KEY]", "embeddings:FOLDER")
"""The encoders, and what may follow the name: the key of the task data, the folder of the model."""
_BY_KIND: dict[ItemKind, str] = {"image": "pixels", "crop": "pixels", "text": "text", "span": "text", "row": "fields"}
_TEXTUAL: tuple[ItemKind, ...] = ("text", "span")
_WHOLE: tuple[ItemKind, ...] = ("image", "text", "row", "other")

_FILE_ADDRESS = re.compile(
    r"([a-z][a-z0-9+.-]*://|/data/)\S+\.(txt|text|md|json|jsonl|csv|tsv|xml|html?|pdf|docx?|rtf)(\?\S*)?"
    r"|(?!https?:)[a-z][a-z0-9+.-]*://\S+|/data/\S+",
    re.IGNORECASE,
)
"""Of a file by its ending, or by a scheme that leads nowhere else; web addresses as such may be what is judged."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Encoded:
    """Features of the items, and the items they belong to.

    Attributes:
        features: float[N, D] or float[N, H, W, C], finite, no blank row.
        dataset: the data set without the items that carry nothing; its notes say what the features were made of.
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
        dataset: items with ``value``, with ``path`` where they are images, and with ``data`` where they are table rows.
        encoder: one of :data:`ENCODERS`; None takes a vector in the task data if there is one under a usual key, else
            the encoder that fits the items.
        features_file: precomputed features, which then go before any encoder.
        seed: for the randomised projection of texts.

    Raises:
        InvalidInputError: no encoder fits, the file does not match the items, or nothing is left.
    """
    if not len(dataset):
        gone = "; ".join(f"{len(left.ids)} {left.of}s: {left.reason}" for left in dataset.left_out)
        raise InvalidInputError(
            "Nothing is left to audit.", why=gone or "There is no item.", remedy="Mend what is named, then audit again."
        )
    if features_file is not None:
        name, note = "precomputed", ""
        features = _from_file(dataset, features_file)
    else:
        name, _, argument = (encoder or usual_encoder(dataset)).partition(":")
        features, note = _encoded(dataset, name, argument, seed, progress)
    carries = features_that_carry(features)
    if not carries.any():
        raise InvalidInputError("Every item is blank: there is nothing to compare.", remedy="Check the task data.")
    left = dataset.keep_items(carries, "blank item")
    if note:
        left = replace(left, provenance=replace(left.provenance, notes=(*left.provenance.notes, note)))
    return Encoded(features[carries], left, name)


def usual_encoder(dataset: LabeledDataset) -> str:
    """The encoder for items of this kind, with its argument; a vector that lies ready in every task goes first."""
    from ntk_labelqa.encoders.vectors import usual_key

    key = usual_key(dataset.items["data"].tolist()) if dataset.kind in _WHOLE and "data" in dataset.items else None
    return f"vector:{key}" if key else _BY_KIND.get(dataset.kind, "")


def _encoded(
    dataset: LabeledDataset, name: str, argument: str, seed: int, progress: Progress | None
) -> tuple[np.ndarray, str]:
    """The features, and a note on what they were made of where the encoder's name does not say it."""
    items, textual = dataset.items, dataset.kind in _TEXTUAL
    if name == "pixels" and "path" in items and not argument:
        from ntk_labelqa.encoders.pixels import encode_images

        return encode_images(items["path"].tolist(), progress=progress), ""
    if name == "text" and textual and not argument:
        from ntk_labelqa.encoders.text import encode_spans, encode_texts

        values = items["value"].tolist()
        _refuse_addresses(dataset, values)
        spans = dataset.kind == "span"
        return encode_spans(list(map(split_span, values)), seed=seed) if spans else encode_texts(values, seed=seed), ""
    if name == "fields" and dataset.kind in _WHOLE and "data" in items and not argument:
        from ntk_labelqa.encoders.fields import encode_fields

        features, columns = encode_fields(_rows(dataset), seed=seed)
        return features, f"Features are made of the task data: {columns}."
    if name == "vector" and dataset.kind in _WHOLE and "data" in items:
        from ntk_labelqa.encoders.vectors import USUAL_KEYS, encode_vectors, usual_key

        tasks = items["data"].tolist()
        key = argument or usual_key(tasks) or USUAL_KEYS[0]
        return encode_vectors(tasks, items["task_id"].tolist(), key), f"Features are the task data's vectors {key!r}."
    if name == "embeddings" and (textual or "path" in items):
        from ntk_labelqa.encoders.embeddings import embed_images, embed_texts

        if textual:
            return embed_texts(
                _words(dataset), argument, progress=progress
            ), f"Features are by the model in {argument}."
        return embed_images(items["path"].tolist(), argument, progress=progress), f"Features are by {argument}."
    if not name and dataset.control:
        control, what = dataset.control, "regions of" if dataset.control.of_regions else "labels of"
        raise InvalidInputError(
            f"Audited are {what} {control.over} {control.to_name!r}, which cannot be compared without features.",
            why="Of an Image, a Text or a Table, rectangles in an Image and spans of a Text they are made here.",
            remedy="Give features that you computed, one row a task"
            + (" and region" if control.of_regions else "")
            + ", with --features.",
        )
    raise InvalidInputError(
        f"The encoder {name!r} does not fit items of kind {dataset.kind!r}.",
        remedy=f"Use one of {', '.join(ENCODERS)} where it fits, or give a features file with --features.",
    )


def _refuse_addresses(dataset: LabeledDataset, values: list[str]) -> None:
    """Raise InvalidInputError where most texts are addresses of files: their letters say nothing of what is in them."""
    behind = [row for row, value in enumerate(values) if _FILE_ADDRESS.fullmatch(value.strip())]
    if 2 * len(behind) > len(values):
        raise InvalidInputError(
            f"{len(behind)} of {len(values)} texts are addresses of files, for example that of task "
            f"{dataset.items['task_id'].iloc[behind[0]]}: {values[behind[0]]!r}.",
            why="What is in the files is not read.",
            remedy="Import the texts themselves, or give features of them with --features.",
        )


def _rows(dataset: LabeledDataset) -> list[dict[str, Any]]:
    """The row that each task shows; the whole task data where it shows no single one."""
    control = dataset.control
    shown = [value_shown(data, control) if control else None for data in dataset.items["data"]]
    missing = dataset.kind == "row" and control is not None and control.value_key
    return [
        row if isinstance(row, dict) else {} if missing else data
        for row, data in zip(shown, dataset.items["data"], strict=True)
    ]


def _words(dataset: LabeledDataset) -> list[str]:
    values = dataset.items["value"].tolist()
    return ["".join(split_span(value)) for value in values] if dataset.kind == "span" else values


def _from_file(dataset: LabeledDataset, path: str | Path) -> np.ndarray:
    from ntk_labelqa.encoders.precomputed import read_features

    unused = [task for gone in dataset.left_out if gone.of == "task" for task in gone.ids]
    regions = dataset.item_regions if "region_id" in dataset.items else None
    return read_features(path, dataset.items["task_id"].to_numpy(np.int64), regions, unused_ids=unused)


def features_that_carry(features: np.ndarray) -> np.ndarray:
    """bool[N]: false where a row is zero, or where an image is of one colour: neither has a direction."""
    rows = features.reshape(len(features), -1)
    if features.ndim == 2:
        return np.array(rows.any(axis=1))
    return np.array(rows.max(axis=1) > rows.min(axis=1))
