"""`ntk-labelqa audit` on export files: what it writes, and what it says of bad ones."""

from __future__ import annotations

import base64
import copy
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ntk_labelqa.audit_folder import DECISIONS, Audit
from ntk_labelqa.cli.entry import run
from tests.fixtures import noisy_digits

COUNT = 300


def data_uri(pixels: np.ndarray) -> str:
    content = io.BytesIO()
    Image.fromarray((pixels.reshape(8, 8) * 15).astype(np.uint8)).save(content, "PNG")
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()


def task(row: int, image: str, label: Any) -> dict[str, Any]:
    result = {"from_name": "digit", "to_name": "image", "type": "choices", "value": {"choices": [str(label)]}}
    annotation = {
        "id": 5000 + row,
        "completed_by": row % 2 + 1,
        "result": [result],
        "updated_at": "2026-01-01T00:00:00Z",
    }
    return {"id": 1000 + row, "data": {"image": image}, "annotations": [annotation], "predictions": [row]}


@pytest.fixture(scope="module")
def tasks() -> list[dict[str, Any]]:
    features, given, _ = noisy_digits(COUNT)
    return [task(row, data_uri(features[row]), given[row]) for row in range(COUNT)]


@pytest.fixture
def export(tasks, tmp_path, monkeypatch) -> Callable[..., Path]:
    """Write an export file of *tasks*, changed at will."""
    monkeypatch.setenv("NTK_LABELQA_CACHE", str(tmp_path / "cache"))

    def write(changed: Any = None, name: str = "export.json") -> Path:
        path = tmp_path / name
        content = json.dumps(tasks if changed is None else changed).encode()
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    return write


def audited(capfd, *arguments: object) -> tuple[int, str, str]:
    code = run(["audit", *map(str, arguments)])
    out, err = capfd.readouterr()
    return code, out, err


@pytest.mark.parametrize("name", ["export.json", "export.json.gz"])
def test_an_export_becomes_an_audit_folder(export, tmp_path, capfd, name: str) -> None:
    code, out, err = audited(capfd, export(name=name), "--out", tmp_path / "audit", "--arch", "2-L")
    assert code == 0, err
    assert f"of {COUNT} labels are probably wrong" in out
    assert "were inferred from the results" in err
    _, given, right = noisy_digits(COUNT)
    audit = Audit.load(tmp_path / "audit")
    flagged = audit.findings["is_label_issue"].to_numpy()
    assert (flagged & (given != right)).sum() >= 0.8 * (given != right).sum()
    assert audit.findings["annotator"].unique().tolist() == ["user 1", "user 2"]
    assert (tmp_path / "audit" / "report.html").read_text().startswith("<!doctype html>")
    shown = audit.items.set_index("task_id")["thumbnail"][audit.findings.loc[flagged, "task_id"].iloc[0]]
    assert Image.open(io.BytesIO(shown)).width > 0


@pytest.mark.long
def test_an_audit_is_not_replaced_unasked(export, tmp_path, capfd) -> None:
    out = tmp_path / "audit"
    assert audited(capfd, export(), "--out", out, "--arch", "2-L", "--quiet")[0] == 0
    before = (out / "audit.json").read_bytes()
    code, _, err = audited(capfd, export(), "--out", out)
    assert code == 3
    assert "--overwrite" in err
    assert (out / "audit.json").read_bytes() == before
    assert audited(capfd, export(), "--out", out, "--arch", "2-L", "--seed", 1, "--overwrite")[0] == 0
    assert Audit.load(out).manifest["seed"] == 1


@pytest.mark.long
def test_an_update_takes_changed_labels_without_the_kernel(export, tasks, tmp_path, capfd, monkeypatch) -> None:
    out = tmp_path / "audit"
    assert audited(capfd, export(), "--out", out, "--arch", "10-L")[0] == 0
    doubted = Audit.load(out).findings.set_index("annotation_id").query("is_label_issue")
    corrected = copy.deepcopy(tasks)
    for changed in corrected:
        (annotation,) = changed["annotations"]
        if annotation["id"] in doubted.index:
            annotation["result"][0]["value"]["choices"] = [doubted["suggested_label"][annotation["id"]]]
    monkeypatch.setattr("ntk_labelqa.gram.choose.exact_inverse", None)
    code, _, err = audited(capfd, export(corrected), "--out", out, "--update")
    assert code == 0, err
    audit = Audit.load(out)
    assert audit.manifest["options"]["architecture"] == "10-L"
    assert audit.summary["issues"] < len(doubted) / 2


@pytest.mark.long
def test_numbers_of_a_features_file_are_prepared_and_an_update_keeps_to_it(export, tmp_path, capfd) -> None:
    out, features = tmp_path / "audit", tmp_path / "f.npz"
    columns = np.random.default_rng(0).normal(size=(COUNT, 3)) * [1.0, 100.0, 0.01] + [5.0, 1000.0, 0.1]
    _, given, _ = noisy_digits(COUNT)
    np.savez(features, ids=1000 + np.arange(COUNT), features=columns + np.c_[given, 100 * given % 7, given % 2])
    command = (export(), "--out", out, "--arch", "2-L", "--features", features)
    code, _, err = audited(capfd, *command)
    assert code == 0, err
    assert "leave-one-out error on a sample: " in err
    assert ", preparation standardize, architecture 2-L" in err
    code, _, err = audited(capfd, *command, "--preparation", "none", "--overwrite")
    assert code == 0, err
    assert "Numbers are" not in err
    assert audited(capfd, *command, "--update")[0] == 0
    assert Audit.load(out).manifest["options"]["preparation"] == "none"
    other = (export(), "--out", tmp_path / "other", "--features", features)
    assert audited(capfd, *other, "--like", out)[0] == 0
    taken = Audit.load(tmp_path / "other").manifest["options"]
    assert (taken["preparation"], taken["architecture"]) == ("none", "2-L")
    code, _, err = audited(capfd, *other, "--overwrite", "--like", tmp_path)
    assert code == 3
    assert "is not an audit folder" in err


@pytest.mark.long
def test_what_reviewers_decided_puts_the_next_audit_right(export, tmp_path, capfd) -> None:
    command = ["audit", str(export()), "--arch", "2-L", "--out"]
    first, second, third = (str(tmp_path / name) for name in ("first", "second", "third"))
    assert run([*command, first]) == 0
    before = Audit.load(first)
    assert run([*command, second, "--decisions", first]) == 3
    assert "ntk-labelqa decisions" in capfd.readouterr().err
    columns = ["annotation_id", "given_label"]
    asked = pd.concat([before.findings[columns]] * 40, ignore_index=True).head(40)
    stated = asked.assign(review_key=[str(row) for row in range(40)], error_probability=0.9, decision="keep")
    stated.to_parquet(Path(first) / DECISIONS)
    assert run([*command, second, "--decisions", first]) == 0
    assert "re-calibrated by 40 verdicts" in capfd.readouterr().err
    assert run([*command, third]) == 0
    assert "re-calibrated" not in capfd.readouterr().err
    assert run([*command, first, "--update"]) == 0  # the audit that is replaced is asked unasked
    assert "re-calibrated by 40 verdicts" in capfd.readouterr().err
    flagged = before.findings["is_label_issue"]
    after = Audit.load(second).findings.loc[flagged, "error_probability"]
    assert (after < before.findings.loc[flagged, "error_probability"]).all()


def test_quiet_says_nothing_but_the_result(export, tmp_path, capfd) -> None:
    _, out, err = audited(capfd, export(), "--out", tmp_path / "audit", "--arch", "2-L", "--quiet")
    assert err == ""
    assert len(out.splitlines()) == 2


def test_features_from_a_file(export, tmp_path, capfd) -> None:
    features, _, _ = noisy_digits(COUNT)
    np.savez(tmp_path / "f.npz", ids=1000 + np.arange(COUNT)[::-1], features=features[::-1])
    code, _, err = audited(
        capfd, export(), "--features", tmp_path / "f.npz", "--arch", "2-L", "--out", tmp_path / "audit"
    )
    assert code == 0, err
    assert Audit.load(tmp_path / "audit").manifest["options"]["encoder"] == "precomputed"
    np.savez(tmp_path / "short.npz", ids=[1000], features=[[1.0]])
    code, _, err = audited(capfd, export(), "--features", tmp_path / "short.npz", "--out", tmp_path / "other")
    assert code == 3
    assert "Missing tasks" in err


def bad_exports(tasks: list[dict[str, Any]]) -> dict[str, tuple[Any, str]]:
    def with_labels(name: Callable[[int], object]) -> list[dict[str, Any]]:
        return [task(row, each["data"]["image"], name(row)) for row, each in enumerate(tasks)]

    second = json.loads(json.dumps(tasks))
    for each in second:
        each["annotations"][0]["result"].append({**each["annotations"][0]["result"][0], "from_name": "style"})
    unlabelled = [{**each, "annotations": []} for each in tasks]
    broken = [task(row, "data:image/png;base64,AAAA", row % 3) for row in range(40)]
    missing = [task(row, f"images/{row}.png", row % 3) for row in range(40)]
    return {
        "no list": ({"id": 1}, "not a list of Label Studio tasks"),
        "JSON_MIN": ([{"id": 1, "image": "x", "digit": "3", "annotator": 1, "annotation_id": 7}], "JSON_MIN"),
        "no annotation": (unlabelled, "None of the 300 tasks has an annotation"),
        "one class": (with_labels(lambda _: "7"), "with one class no label can look wrong"),
        "two controls": (second, "--control NAME"),
        "unreadable images": (broken, "unreadable image (40, for example task 1000)"),
        "missing images": (missing, "image file missing (40"),
    }


@pytest.mark.parametrize(
    "which",
    ["no list", "JSON_MIN", "no annotation", "one class", "two controls", "unreadable images", "missing images"],
)
def test_exports_that_cannot_be_audited(export, tasks, tmp_path, capfd, which: str) -> None:
    content, said = bad_exports(tasks)[which]
    code, out, err = audited(capfd, export(content), "--out", tmp_path / "audit")
    assert (code, out) == (3, "")
    assert said in " ".join(err.split())
    assert not (tmp_path / "audit").exists()


@pytest.mark.parametrize(("content", "said"), [(b"\x89PNG", "is not JSON"), (b'[{"id": 1, "da', "cut off")])
def test_files_that_are_no_json(tmp_path, capfd, content: bytes, said: str) -> None:
    (tmp_path / "export.json").write_bytes(content)
    code, _, err = audited(capfd, tmp_path / "export.json", "--out", tmp_path / "audit")
    assert code == 3
    assert said in err
    packed = gzip.compress(b"[]" * 1000)[:-8]
    (tmp_path / "export.json.gz").write_bytes(packed)
    assert audited(capfd, tmp_path / "export.json.gz", "--out", tmp_path / "audit")[0] == 3


def test_a_few_bad_images_are_left_out_and_named(export, tasks, tmp_path, capfd) -> None:
    changed = json.loads(json.dumps(tasks))
    changed[3]["data"]["image"] = "data:image/png;base64,AAAA"
    changed[9]["data"]["image"] = "https://elsewhere.example/9.png"
    code, _, err = audited(capfd, export(changed), "--out", tmp_path / "audit", "--arch", "2-L")
    assert code == 0, err
    gone = Audit.load(tmp_path / "audit").manifest["data"]["left_out"]
    assert {(entry["reason"], *entry["ids"]) for entry in gone} >= {("unreadable image", 1003)}
    assert any("--allow-host elsewhere.example" in entry["reason"] and entry["ids"] == [1009] for entry in gone)


def test_a_folder_that_cannot_be_written(export, tmp_path, capfd) -> None:
    (tmp_path / "file").touch()
    code, _, err = audited(capfd, export(), "--out", tmp_path / "file" / "audit")
    assert code == 3
    assert "Traceback" not in err


def test_without_key_or_address(tmp_path, capfd, monkeypatch) -> None:
    monkeypatch.delenv("LABEL_STUDIO_URL", raising=False)
    monkeypatch.delenv("LABEL_STUDIO_API_KEY", raising=False)
    code, _, err = audited(capfd, "--project", 1, "--out", tmp_path / "audit")
    assert code == 2
    assert "LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY must be set" in err


def test_a_server_that_is_not_there(tmp_path, capfd, monkeypatch) -> None:
    monkeypatch.setenv("LABEL_STUDIO_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "a-secret-key")
    code, _, err = audited(capfd, "--project", 1, "--out", tmp_path / "audit")
    assert code == 3
    assert "no server answers" in err
    assert "a-secret-key" not in err


def test_tables_read_by_pandas_alone(export, tmp_path, capfd) -> None:
    audited(capfd, export(), "--out", tmp_path / "audit", "--arch", "linear")
    table = pd.read_parquet(tmp_path / "audit" / "findings.parquet")
    assert len(table) == COUNT
    assert table["task_id"].dtype == np.int64
