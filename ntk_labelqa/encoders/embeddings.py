"""Embeddings by a sentence-transformers model that lies in a local folder; nothing is ever downloaded."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.images import decoded, eight_bit

BATCH = 32

Progress = Callable[[int, int], None]


def embed_texts(texts: Sequence[str], folder: str, *, progress: Progress | None = None) -> np.ndarray:
    """Embeddings of *texts* by the model in *folder*, float32[N, D]; the row of a blank text is zero.

    Raises InvalidInputError as :func:`embed_images` does.
    """
    features = _embedded(list(texts), folder, lambda text: text, progress)
    features[[not text.strip() for text in texts]] = 0.0
    return features


def embed_images(paths: Sequence[str], folder: str, *, progress: Progress | None = None) -> np.ndarray:
    """Embeddings of the images at *paths* by the model in *folder*, one that reads images (CLIP), float32[N, D].

    Raises InvalidInputError where the extra ``embeddings`` is not installed, where the folder holds no model that can
    be loaded, or where that model cannot read these items.
    """
    return _embedded(list(paths), folder, _image, progress)


def _image(path: str) -> Any:
    return eight_bit(decoded(path)).convert("RGB")


def _embedded(items: list[str], folder: str, prepare: Callable[[str], Any], progress: Progress | None) -> np.ndarray:
    model = _load(folder)
    parts = []
    for start in range(0, len(items), BATCH):
        batch = [prepare(item) for item in items[start : start + BATCH]]
        try:
            parts.append(np.asarray(model.encode(batch, convert_to_numpy=True, show_progress_bar=False), np.float32))
        except (TypeError, ValueError, AttributeError, KeyError) as error:
            raise InvalidInputError(
                f"The model in {folder} cannot read these items: {error}",
                why="A model for texts reads no images, and one for images (CLIP) short texts only.",
                remedy="Name a model for this kind of item.",
            ) from error
        if progress:
            progress(start + len(batch), len(items))
    return np.concatenate(parts)


def _load(folder: str) -> Any:
    if not Path(folder).is_dir():
        raise InvalidInputError(
            f"There is no folder {folder!r} with a sentence-transformers model.",
            why="Models are loaded from local folders; none is downloaded.",
            remedy="Name the folder: --encoder embeddings:FOLDER, one that SentenceTransformer.save has written.",
        )
    try:
        library = importlib.import_module("sentence_transformers")
    except ModuleNotFoundError as error:
        raise InvalidInputError(
            "The encoder 'embeddings' needs sentence-transformers, which is not installed.",
            remedy="Install the extra: pip install 'ntk-labelqa[embeddings]'; or take another encoder.",
        ) from error
    try:
        return library.SentenceTransformer(str(folder), local_files_only=True)
    except Exception as error:
        raise InvalidInputError(
            f"The folder {folder} holds no model that can be loaded: {str(error).splitlines()[0]}",
            remedy="Name a folder that SentenceTransformer.save has written.",
        ) from error
