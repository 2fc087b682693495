"""What an encoder is, and what a pretrained model has to be to become one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from ntk_labelqa.dataset import ItemKind, LabeledDataset
from ntk_labelqa.errors import InvalidInputError

Progress = Callable[[int, int], None]
"""Called with (items done, items)."""
EncodeBatch = Callable[[Sequence[Any]], np.ndarray]
"""Inputs of a model, as many as are given, to its embeddings, float[n, D]."""

WHOLE_FILES: frozenset[ItemKind] = frozenset({"audio", "video", "series", "pdf"})
FILES: frozenset[ItemKind] = WHOLE_FILES | {"audio_segment", "series_segment"}
"""Kinds of items that are what a file holds, and no pictures."""
WHOLE: frozenset[ItemKind] = WHOLE_FILES | {"image", "text", "row", "other"}
"""Kinds of items that are all that a task shows."""
PICTURES: frozenset[ItemKind] = frozenset({"image", "crop"})
TEXTS: frozenset[ItemKind] = frozenset({"text", "span"})


def kinds_read(kinds: Collection[ItemKind]) -> frozenset[ItemKind]:
    """What a model that reads *kinds* can be given besides: frames of videos as images, the text of PDFs as texts."""
    found = set(kinds)
    if "image" in kinds:
        found.add("video")
    if "text" in kinds:
        found.add("pdf")
    return frozenset(found)


class Encoding(NamedTuple):
    """What an encoder makes of items.

    Attributes:
        features: float[N, D] or float[N, H, W, C]; the row of an item that carries nothing is zero, or of one colour.
        note: what is to be said of how they were made; may be empty.
        numbers: bool[D], which columns are plain numbers of whatever unit, for
            :mod:`ntk_labelqa.inputs.preparation`; None where the features are as a kernel is to see them.
    """

    features: np.ndarray
    note: str = ""
    numbers: np.ndarray | None = None


class Encoder(Protocol):
    """Turns items into features.

    Attributes:
        name: what the audit says that it used, without what follows a colon.
        kinds: of items that it takes.
    """

    @property
    def name(self) -> str:
        """See above."""
        ...

    @property
    def kinds(self) -> Collection[ItemKind]:
        """See above."""
        ...

    def encode(self, dataset: LabeledDataset, *, seed: int = 0, progress: Progress | None = None) -> Encoding:
        """Features of the items. Raises InvalidInputError where they cannot be encoded."""
        ...


class Model(Protocol):
    """A pretrained model that embeds each item by itself; what it made is kept and not made again.

    A package offers one by an entry point of the group ``ntk_labelqa.encoders``: a callable that takes what follows
    the name and a colon in ``--encoder NAME:ARGUMENT``, else an empty string, and returns such an object.

    Attributes:
        kinds: of items that it reads. Of images and crops it is given RGB images (PIL), of texts and spans strings.
        identity: changes whenever what it computes changes, such as a digest of its weights.
    """

    @property
    def kinds(self) -> Collection[ItemKind]:
        """See above."""
        ...

    @property
    def identity(self) -> str:
        """See above."""
        ...

    def load(self) -> EncodeBatch:
        """Bring the model into memory. Raises InvalidInputError where that cannot be."""
        ...


def paths_of(dataset: LabeledDataset) -> list[str]:
    """The files of the items; raises InvalidInputError where they were not fetched."""
    if "path" not in dataset.items:
        raise InvalidInputError(
            f"The {'images' if dataset.kind in PICTURES else 'files'} of this data set have not been fetched.",
            remedy="Fetch them first (ntk_labelqa.labelstudio.media.fetch.fetch_media), or give features.",
        )
    return list(dataset.items["path"])


def task_data_of(dataset: LabeledDataset) -> list[dict[str, Any]]:
    """The task data of the items; raises InvalidInputError for items that do not come from tasks."""
    if "data" not in dataset.items:
        raise InvalidInputError("These items have no task data.", remedy="Give features with --features.")
    return list(dataset.items["data"])
