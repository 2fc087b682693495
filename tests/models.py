"""Pretrained models as fixtures: brought into ONNX once a process, and an empty cache for each test."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ntk_labelqa.encoders import hub, models
from ntk_labelqa.encoders.model_folder import MANIFEST
from tests import pretrained


@pytest.fixture(scope="session")
def photo_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pretrained.photo_model(tmp_path_factory.mktemp("photo-model"))


@pytest.fixture(scope="session")
def sentence_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pretrained.sentence_model(tmp_path_factory.mktemp("sentence-model"))


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NTK_LABELQA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def dinov2(photo_model: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> hub.Wanted:
    """``dinov2`` as if it had been fetched; its weights are those of the photo model."""
    digest = hashlib.sha256((photo_model / "model.onnx").read_bytes()).hexdigest()
    here = replace(models.KNOWN[0], weights="model.onnx", sha256=digest)
    monkeypatch.setattr(models, "KNOWN", (here, *models.KNOWN[1:]))
    found = hub.wanted("dinov2")
    assert found is not None
    shutil.copytree(photo_model, found.folder)
    (found.folder / MANIFEST).write_text(json.dumps({"files": {"model.onnx": digest}}))
    return found
