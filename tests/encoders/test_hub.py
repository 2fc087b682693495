"""Models from a Hub on this machine: fetched on a yes, checked, and read without it afterwards."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ntk_labelqa.cli.entry import run
from ntk_labelqa.encoders import hub, models
from ntk_labelqa.encoders.choose import encode
from ntk_labelqa.encoders.model_folder import MANIFEST
from ntk_labelqa.encoders.registry import find
from ntk_labelqa.errors import InvalidInputError, LabelQAError
from tests.encoders.hub_server import COMMIT, Hub, hub_with
from tests.encoders.test_pretrained import QUESTIONS, texts


@pytest.fixture
def server(sentence_model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub that has MiniLM as its real repository does: ONNX in a folder, settings beside it, a pickle among them."""
    files = {
        "onnx/model.onnx": (sentence_model / "model.onnx").read_bytes(),
        "pytorch_model.bin": b"a pickle",
        "modeling_own.py": b"raise SystemExit",
    }
    for name in ("tokenizer.json", "tokenizer_config.json", "sentence_bert_config.json", "1_Pooling/config.json"):
        files[name] = (sentence_model / name).read_bytes()
    with hub_with({"org/minilm": files, "org/pickles": {"pytorch_model.bin": b"a pickle"}}) as running:
        monkeypatch.setenv(hub.ADDRESS, running.address)
        yield running


def known(server: Hub, monkeypatch: pytest.MonkeyPatch, *, digest: str = "") -> hub.Wanted:
    """``minilm`` with the digest of what *server* has, or with *digest*."""
    right = hashlib.sha256(server.repositories["org/minilm"]["onnx/model.onnx"]).hexdigest()
    here = replace(models.KNOWN[2], repository="org/minilm", revision=COMMIT, sha256=digest or right)
    monkeypatch.setattr(models, "KNOWN", (*models.KNOWN[:2], here, *models.KNOWN[3:]))
    found = hub.wanted("minilm")
    assert found is not None
    return found


@pytest.mark.long
def test_a_known_model_is_fetched_on_a_yes_and_needs_no_network_then(
    server: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known(server, monkeypatch)
    with pytest.raises(InvalidInputError, match=r"not on this machine.*ntk-labelqa encoders fetch minilm"):
        find("minilm")
    assert server.asked == []
    assert run(["encoders", "fetch", "minilm"]) == 0
    fetched = {address.partition(f"{COMMIT}/")[2] for address in server.asked if "resolve" in address}
    assert fetched == {
        "onnx/model.onnx",
        "tokenizer.json",
        "tokenizer_config.json",
        "sentence_bert_config.json",
        "1_Pooling/config.json",
    }
    server.asked.clear()
    features = encode(texts(QUESTIONS), encoder="minilm").features
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    assert (unit @ unit.T)[0, 1] > 0.7
    assert run(["encoders", "fetch", "minilm"]) == 0
    assert server.asked == []


@pytest.mark.long
def test_weights_that_are_not_those_of_the_known_model_are_refused_and_deleted(
    server: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = known(server, monkeypatch, digest="0" * 64)
    with pytest.raises(InvalidInputError, match=r"onnx/model\.onnx.*is not what it was to be"):
        hub.fetch(model)
    assert not (model.folder / "onnx" / "model.onnx").exists()
    assert not model.is_here
    with pytest.raises(InvalidInputError, match="not on this machine"):
        find("minilm")


@pytest.mark.long
def test_any_other_model_by_its_name_and_the_commit_is_kept(server: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    model = hub.wanted("hf:org/minilm")
    assert model is not None
    assert hub.fetched() == []
    origin = json.loads((hub.fetch(model) / MANIFEST).read_text())
    assert (origin["repository"], origin["revision"]) == ("org/minilm", COMMIT)
    assert encode(texts(QUESTIONS), encoder="hf:org/minilm").features.shape == (4, 384)
    assert hub.fetched() == ["hf:org/minilm"]
    assert run(["encoders"]) == 0
    assert re.search(r"^hf:org/minilm\s.*on this machine", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.long
def test_what_was_cut_off_is_fetched_again_and_only_what_is_whole_counts(server: Hub) -> None:
    model = hub.wanted("hf:org/minilm")
    assert model is not None
    hub.fetch(model)
    (model.folder / MANIFEST).unlink()
    server.asked.clear()
    assert not model.is_here
    hub.fetch(model)
    assert not any(asked.startswith("GET") and "model.onnx" in asked for asked in server.asked)
    assert model.is_here


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("hf:org/pickles", "holds no model that is read.*pickles"),
        ("hf:org/missing", "could not be fetched: 404"),
        ("hf:org/../etc", "names no model"),
        ("hf:minilm", "names no model"),
    ],
)
def test_what_cannot_be_fetched_is_said_with_its_reason(server: Hub, name: str, said: str) -> None:
    with pytest.raises(LabelQAError, match=said):
        hub.fetch(hub.wanted(name))  # type: ignore[arg-type] # None would be no LabelQAError


def test_a_hub_that_cannot_be_reached_ends_in_an_error_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], empty_cache: Path
) -> None:
    monkeypatch.setenv(hub.ADDRESS, "http://127.0.0.1:9")
    assert run(["encoders", "fetch", "hf:org/minilm"]) == 3
    assert "could not be fetched" in capsys.readouterr().err
    assert not list(empty_cache.rglob("*.onnx"))


def test_a_file_that_leads_out_of_the_folder_and_our_own_manifest_are_not_fetched(
    server: Hub, empty_cache: Path
) -> None:
    files = {"config.json": b'{"model_type": "bert"}', "tokenizer.json": b"{}", "model.safetensors": b"weights"}
    strange = {"../../../out.json": b"{}", "a/../../out.json": b"{}", "/out.json": b"{}", MANIFEST: b'{"files": {}}'}
    server.repositories["org/strange"] = {**files, **strange}
    model = hub.wanted("hf:org/strange")
    assert model is not None
    hub.fetch(model)
    assert not list(empty_cache.parent.rglob("out.json"))
    assert set(json.loads((model.folder / MANIFEST).read_text())["files"]) == set(files)
    assert not any(MANIFEST in asked or "out.json" in asked for asked in server.asked)


def test_a_cache_folder_that_cannot_be_written_is_said_to_be_that(
    server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NTK_LABELQA_CACHE", str(tmp_path / "file" / "cache"))
    assert run(["encoders", "fetch", "hf:org/minilm"]) == 3
    said = capsys.readouterr().err
    assert "cannot be written: Not a directory" in said
    assert "NTK_LABELQA_CACHE" in said
    assert "The Hub cannot be reached" not in said


def test_a_model_that_came_without_its_settings_is_not_said_to_be_of_use(
    server: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    server.repositories["org/bare"] = {"model.onnx": b"weights"}
    assert run(["encoders", "fetch", "hf:org/bare"]) == 3
    assert "neither preprocessor_config.json nor tokenizer.json" in capsys.readouterr().err
