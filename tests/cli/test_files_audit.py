"""Sounds, videos, time series and PDFs from an export to findings: no features, no download."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.cli.entry import run
from ntk_labelqa.encoders import files
from tests.media_files import KINDS, media_export, save_sound, series_of, task, write_export

COUNT = 60
WRONG = (7, 30)
DAMAGED = 12


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NTK_LABELQA_CACHE", str(tmp_path / "cache"))


def arguments(export: Path, *more: str) -> list[str]:
    folder = export.parent
    return [
        str(export),
        "--label-config",
        str(folder / "config.xml"),
        "--arch",
        "2-L",
        "--out",
        str(folder / "a"),
        *more,
    ]


def flagged(audit: Audit) -> set[int]:
    return set(audit.findings[audit.findings["is_label_issue"]]["task_id"])


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_planted_errors_are_found_and_a_damaged_file_is_left_out(kind: str, tmp_path: Path, capfd) -> None:
    export = media_export(tmp_path, kind, COUNT, WRONG)
    (tmp_path / f"{DAMAGED}.{KINDS[kind].ending}").write_bytes(KINDS[kind].damaged)
    code = run(["audit", *arguments(export)])
    _, err = capfd.readouterr()
    assert code == 0, err
    audit = Audit.load(tmp_path / "a")
    assert set(WRONG) <= flagged(audit)
    assert len(flagged(audit)) <= len(WRONG) + 1
    assert audit.manifest["options"]["encoder"] == KINDS[kind].encoder
    [gone] = audit.manifest["data"]["left_out"]
    assert (gone["reason"], gone["ids"]) == (KINDS[kind].reason, [DAMAGED])
    assert KINDS[kind].reason in err
    assert audit.items["content"].nunique() == COUNT - 1
    assert "Traceback" not in err


def test_series_that_lie_in_the_task_data_need_no_file(tmp_path: Path, capfd) -> None:
    random = np.random.default_rng(0)
    export = write_export(tmp_path, "series", [series_of(row % 2, random) for row in range(COUNT)], WRONG)
    assert run(["audit", *arguments(export)]) == 0, capfd.readouterr().err
    audit = Audit.load(tmp_path / "a")
    assert flagged(audit) == set(WRONG)
    assert audit.items["content"].nunique() == COUNT


@pytest.mark.parametrize(("kind", "extra"), [("audio", "audio"), ("video", "video"), ("pdf", "pdf")])
def test_a_missing_library_is_named_before_anything_is_fetched(
    kind: str, extra: str, tmp_path: Path, capfd, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = write_export(tmp_path, kind, [f"{row}.bin" for row in range(4)])  # no such files
    monkeypatch.setattr(files, "find_spec", lambda _name: None)
    assert run(["audit", *arguments(export)]) == 3
    _, err = capfd.readouterr()
    assert f"pip install 'ntk-labelqa[{extra}]'" in err
    assert "--features" in err
    assert run(["encoders"]) == 0
    assert f"after pip install 'ntk-labelqa[{extra}]'" in capfd.readouterr().out


@pytest.mark.long
def test_vectors_and_fields_of_the_task_data_need_no_file(tmp_path: Path, capfd, monkeypatch) -> None:
    monkeypatch.setattr(files, "find_spec", lambda _name: None)
    export = write_export(tmp_path, "audio", ["gone.wav"] * COUNT, WRONG)
    tasks = json.loads(export.read_text())
    for row, one in enumerate(tasks):
        one["data"]["seconds"] = 10 * (row % 2) + row / COUNT
        one["data"]["speech"] = [row % 2, 1 - row % 2, row / COUNT]
    export.write_text(json.dumps(tasks))
    for encoder in ("fields", "vector:speech"):
        assert run(["audit", *arguments(export, "--encoder", encoder, "--overwrite")]) == 0, capfd.readouterr().err
        assert set(WRONG) <= flagged(Audit.load(tmp_path / "a"))


def test_an_encoder_for_other_items_is_refused_before_anything_is_fetched(tmp_path: Path, capfd) -> None:
    export = write_export(tmp_path, "audio", ["gone.wav"] * 4)
    assert run(["audit", *arguments(export, "--encoder", "pixels")]) == 3
    assert "'pixels' does not fit items of kind 'audio'" in capfd.readouterr().err


@pytest.mark.long
def test_silent_sounds_are_blank_items(tmp_path: Path, capfd) -> None:
    export = media_export(tmp_path, "audio", COUNT, WRONG)
    save_sound(tmp_path / "12.wav", np.zeros(8000))
    save_sound(tmp_path / "13.wav", np.zeros(0))
    assert run(["audit", *arguments(export)]) == 0, capfd.readouterr().err
    [gone] = Audit.load(tmp_path / "a").manifest["data"]["left_out"]
    assert (gone["reason"], gone["ids"]) == ("blank item", [12, 13])


@pytest.mark.long
def test_files_are_ranked_among_encoders(tmp_path: Path, capfd) -> None:
    export = media_export(tmp_path, "series", COUNT)
    tasks = [task(row, f"{row}.csv", ("low", "high")[row % 2]) for row in range(COUNT)]
    for one in tasks:
        one["data"]["station"] = "north" if one["id"] % 3 else "south"
    export.write_text(json.dumps(tasks))
    names = ["--encoder", "series", "--encoder", "fields"]
    config = ["--label-config", str(tmp_path / "config.xml")]
    assert run(["encoders", "compare", str(export), *config, *names, "--budget", "1"]) == 0
    assert "Take --encoder series" in capfd.readouterr().out
