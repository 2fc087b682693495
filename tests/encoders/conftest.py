"""Pretrained models for the tests of this folder, brought into ONNX once a process; and an empty cache for each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import pretrained


@pytest.fixture(scope="session")
def photo_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pretrained.photo_model(tmp_path_factory.mktemp("photo-model"))


@pytest.fixture(scope="session")
def sentence_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pretrained.sentence_model(tmp_path_factory.mktemp("sentence-model"))


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NTK_LABELQA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"
