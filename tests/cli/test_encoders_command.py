"""Photos from a first audit by pixels to one by a pretrained model: what is said, taken, kept and shown."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.cli.entry import run
from ntk_labelqa.encoders import hub
from ntk_labelqa.encoders.onnx import OnnxModel
from tests.models import dinov2, empty_cache, photo_model
from tests.photos import photo_export

__all__ = ["dinov2", "empty_cache", "photo_model"]
WRONG = (8, 41, 78, 121)
COUNT = 124


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photo_export(tmp_path_factory.mktemp("photos") / "export", COUNT, WRONG)


@pytest.fixture(autouse=True)
def _empty_cache(empty_cache: Path) -> None:
    """No embedding of another test is found."""


def arguments(export: Path, *more: str) -> list[str]:
    return [str(export), "--label-config", str(export.with_name("config.xml")), *more]


def flagged(folder: Path) -> set[int]:
    found = Audit.load(folder).findings
    return set(found[found["is_label_issue"]]["task_id"])


@pytest.mark.long
def test_a_model_by_name_finds_what_is_wrong(export: Path, dinov2: hub.Wanted, tmp_path: Path, capfd) -> None:
    code = run(["audit", *arguments(export, "--encoder", "dinov2", "--arch", "2-L", "--out", str(tmp_path / "a"))])
    _, err = capfd.readouterr()
    assert code == 0, err
    assert len(flagged(tmp_path / "a") & set(WRONG)) >= 3
    assert len(flagged(tmp_path / "a") - set(WRONG)) <= 1
    assert "embeddings by onnx-community/dinov2-small" in err


@pytest.mark.long
def test_without_an_encoder_the_model_that_is_here_is_taken_and_that_is_said(
    export: Path, dinov2: hub.Wanted, tmp_path: Path, capfd
) -> None:
    assert run(["audit", *arguments(export, "--out", str(tmp_path / "a"))]) == 0
    _, err = capfd.readouterr()
    manifest = Audit.load(tmp_path / "a").manifest
    assert manifest["options"]["encoder"] == "dinov2"
    assert "Encoder dinov2, by what of a sample is predicted right: dinov2 9" in err
    assert any("pixels" in note for note in manifest["data"]["notes"])
    # An update stays with it, even where a comparison would no longer be made.
    assert run(["audit", *arguments(export, "--out", str(tmp_path / "a"), "--update")]) == 0
    assert Audit.load(tmp_path / "a").manifest["options"]["encoder"] == "dinov2"
    assert "by what of a sample" not in capfd.readouterr().err


@pytest.mark.long
def test_an_update_opens_no_model_by_path_unless_it_is_named_again(
    export: Path, photo_model: Path, tmp_path: Path, capfd
) -> None:
    given = arguments(export, "--arch", "2-L", "--out", str(tmp_path / "a"))
    named = ["--encoder", f"onnx:{photo_model}"]
    assert run(["audit", *given, *named]) == 0
    capfd.readouterr()
    assert run(["audit", *given, "--update"]) == 3
    assert "nothing is run or opened because a file says so" in capfd.readouterr().err
    assert run(["audit", *given, *named, "--update"]) == 0
    assert Audit.load(tmp_path / "a").manifest["options"]["encoder"] == f"onnx:{photo_model}"


@pytest.mark.long
def test_an_update_says_so_where_the_model_is_gone(export: Path, dinov2: hub.Wanted, tmp_path: Path, capfd) -> None:
    given = arguments(export, "--arch", "2-L", "--out", str(tmp_path / "a"))
    assert run(["audit", *given, "--encoder", "dinov2"]) == 0
    shutil.rmtree(dinov2.folder)
    capfd.readouterr()
    assert run(["audit", *given, "--update"]) == 0
    assert "was made with --encoder dinov2, and is now made without. The model" in capfd.readouterr().err
    assert Audit.load(tmp_path / "a").manifest["options"]["encoder"] == "pixels"


@pytest.mark.long
def test_a_model_that_was_damaged_since_it_was_fetched_is_named_where_it_would_have_been_tried(
    export: Path, dinov2: hub.Wanted, tmp_path: Path, capfd
) -> None:
    (dinov2.folder / "model.onnx").write_bytes(b"damaged")
    assert run(["audit", *arguments(export, "--arch", "2-L", "--out", str(tmp_path / "a"))]) == 0
    said = capfd.readouterr().err
    assert "dinov2 could not be judged" in said
    assert "is not the file that was fetched" in said


@pytest.mark.long
def test_where_a_features_file_cannot_be_written_nothing_is_embedded_first(export: Path, tmp_path: Path, capfd) -> None:
    for name in ("f.npz", "f.parquet"):
        assert run(["embed", *arguments(export, "--out", str(tmp_path / "missing" / name))]) == 3
        assert f"There is no folder {tmp_path / 'missing'}" in capfd.readouterr().err


@pytest.mark.long
def test_without_a_model_here_pixels_are_compared_and_nothing_is_downloaded(
    export: Path, tmp_path: Path, capfd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "_library", lambda: pytest.fail("the Hub was asked"))
    assert run(["audit", *arguments(export, "--arch", "2-L", "--out", str(tmp_path / "a"))]) == 0
    assert Audit.load(tmp_path / "a").manifest["options"]["encoder"] == "pixels"
    monkeypatch.setattr(
        "ntk_labelqa.labelstudio.reading.export_file.read_export", lambda *_, **__: pytest.fail("it was read")
    )
    code = run(["audit", *arguments(export, "--encoder", "clip", "--out", str(tmp_path / "b"))])
    assert code == 3
    assert "ntk-labelqa encoders fetch clip; or add --download" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--encoder", "dino"], "There is no encoder 'dino'"),
        (["--encoder", "hf:minilm"], "names no model"),
        (["--encoder", "pixels:3"], "takes nothing after a colon"),
        (["--download"], "--download needs a model's name"),
        (["--encoder", "pixels", "--features", "features.npz"], "exclude each other"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(export: Path, tmp_path: Path, capfd, given: list[str], said: str) -> None:
    assert run(["audit", *arguments(export, *given, "--out", str(tmp_path / "a"))]) == 2
    assert said in capfd.readouterr().err


def test_the_list_says_what_is_here(dinov2: hub.Wanted, capfd) -> None:
    assert run(["encoders"]) == 0
    out, _ = capfd.readouterr()
    [line] = [line for line in out.splitlines() if line.startswith("dinov2")]
    assert "Apache-2.0, on this machine" in line
    [line] = [line for line in out.splitlines() if line.startswith("clip")]
    assert "352 MB, MIT, not fetched yet" in line
    for name in ("pixels", "text", "fields", "vector", "minilm", "e5", "onnx:PATH", "hf:ORG/NAME"):
        assert f"\n{name}" in f"\n{out}"


@pytest.mark.long
def test_encoders_are_ranked_with_the_network_that_suits_each(
    export: Path, dinov2: hub.Wanted, tmp_path: Path, capfd
) -> None:
    page = tmp_path / "page.html"
    assert run(["encoders", "compare", *arguments(export, "--arch", "2-L", "--out", str(page))]) == 0
    out, _ = capfd.readouterr()
    lines = out.splitlines()
    assert (lines[1].split()[0], lines[2].split()[0]) == ("dinov2", "pixels")
    assert "Take --encoder dinov2 --arch" in out
    for said in ("Compare the items by dinov2.", "Encoders, most accurate first", "Architectures, most accurate first"):
        assert said in page.read_text()


def test_an_encoder_that_cannot_be_judged_is_left_out_with_its_reason(export: Path, capfd) -> None:
    names = ["--encoder", "pixels", "--encoder", "text", "--encoder", "clip", "--arch", "2-L"]
    assert run(["encoders", "compare", *arguments(export, *names)]) == 0
    out, _ = capfd.readouterr()
    assert "left out: text. The encoder 'text' does not fit items of kind 'image'." in out
    assert "left out: clip. The model 'clip' is not on this machine" in out
    assert run(["encoders", "compare", *arguments(export, "--encoder", "text")]) == 3


@pytest.mark.long
@pytest.mark.parametrize("ending", ["npz", "parquet"])
def test_embeddings_in_a_file_give_the_same_audit_with_its_pictures(
    export: Path, dinov2: hub.Wanted, tmp_path: Path, capfd, ending: str
) -> None:
    file = tmp_path / f"features.{ending}"
    assert run(["embed", *arguments(export, "--encoder", "dinov2", "--out", str(file))]) == 0
    assert f"{COUNT} rows of 1280 features by dinov2" in capfd.readouterr().out
    assert run(["embed", *arguments(export, "--encoder", "dinov2", "--out", str(file))]) == 3
    how = ("--arch", "2-L", "--out")
    assert run(["audit", *arguments(export, "--features", str(file), *how, str(tmp_path / "a"))]) == 0
    assert run(["audit", *arguments(export, "--encoder", "dinov2", *how, str(tmp_path / "b"))]) == 0
    by_file, by_name = Audit.load(tmp_path / "a"), Audit.load(tmp_path / "b")
    columns = ["task_id", "predicted_label", "is_label_issue"]
    pd.testing.assert_frame_equal(by_file.findings[columns], by_name.findings[columns])
    drawn = by_file.items["thumbnail"].notna()
    assert drawn[by_file.items["task_id"].isin(flagged(tmp_path / "a"))].all()
    assert (drawn == by_name.items["thumbnail"].notna()).all()


def test_with_features_an_image_that_is_gone_costs_its_picture_alone(export: Path, tmp_path: Path) -> None:
    tasks = json.loads(export.read_text())
    for task in tasks:
        task["data"]["image"] = "gone/" + task["data"]["image"]
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    (tmp_path / "config.xml").write_text(export.with_name("config.xml").read_text())
    rows = np.random.default_rng(0).normal(size=(COUNT, 8)) + np.arange(COUNT)[:, None] % 2 * 3
    np.savez(tmp_path / "f.npz", ids=np.arange(1, COUNT + 1), features=rows)
    given = arguments(tmp_path / "export.json", "--features", str(tmp_path / "f.npz"), "--out", str(tmp_path / "a"))
    assert run(["audit", *given]) == 0
    audit = Audit.load(tmp_path / "a")
    assert (len(audit.items), audit.items["thumbnail"].notna().sum()) == (COUNT, 0)


@pytest.mark.long
def test_a_second_audit_embeds_nothing(
    export: Path, dinov2: hub.Wanted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = arguments(export, "--encoder", "dinov2", "--arch", "2-L", "--out")
    assert run(["audit", *given, str(tmp_path / "a")]) == 0
    monkeypatch.setattr(OnnxModel, "load", lambda _self: pytest.fail("the model was loaded"))
    assert run(["audit", *given, str(tmp_path / "b")]) == 0
