"""Embeddings by a model in a local folder: what is asked of the library, and what is said where that cannot be."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from ntk_labelqa.encoders.embeddings import embed_images, embed_texts
from ntk_labelqa.errors import InvalidInputError


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A library in the place of sentence-transformers, whose model counts letters; gives back what it was asked."""
    asked: list[Any] = []

    class SentenceTransformer:
        def __init__(self, folder: str, *, local_files_only: bool) -> None:
            asked.append((folder, local_files_only))

        def encode(self, batch: list[Any], *, convert_to_numpy: bool, show_progress_bar: bool) -> np.ndarray:
            asked.append(batch)
            return np.array([[len(item) if isinstance(item, str) else item.size[0], 1.0] for item in batch])

    module = ModuleType("sentence_transformers")
    module.SentenceTransformer = SentenceTransformer  # type: ignore[attr-defined] # a stand-in has what it is given
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)
    return asked


def test_texts_in_batches_by_a_local_model_alone(library: list[Any], tmp_path: Path) -> None:
    texts = ["x" * (1 + i) for i in range(40)] + ["  "]
    features = embed_texts(texts, str(tmp_path))
    assert library[0] == (str(tmp_path), True)
    assert features[:, 0].tolist() == [*range(1, 41), 0]
    assert (features.dtype, features[40].any()) == (np.float32, np.False_)


def test_images_are_given_as_images(library: list[Any], tmp_path: Path) -> None:
    from PIL import Image

    Image.new("L", (7, 5)).save(tmp_path / "a.png")
    assert embed_images([str(tmp_path / "a.png")], str(tmp_path)).tolist() == [[7, 1]]
    assert library[1][0].mode == "RGB"


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(InvalidInputError, match=r"ntk-labelqa\[embeddings\]"):
        embed_texts(["a"], str(tmp_path))


def test_a_model_name_is_not_downloaded(library: list[Any]) -> None:
    with pytest.raises(InvalidInputError, match=r"no folder 'all-MiniLM-L6-v2'.*none is downloaded"):
        embed_texts(["a"], "all-MiniLM-L6-v2")
    assert library == []
