"""The audit folder: whole or not there, and readable by others."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ntk_labelqa import audit_folder, findings
from ntk_labelqa.audit_folder import STALE, Audit, check_target, mark_stale, stale_since
from ntk_labelqa.errors import InvalidInputError, LabelQAError
from tests.disks import full_disk
from tests.gate.audits import audit_of

ISSUES = findings.SCHEMAS["region_issues"]


def manifest_of(issues: int) -> dict[str, Any]:
    return audit_of(wrong=issues).manifest


@pytest.fixture
def audit() -> Audit:
    tables = {name: findings.empty(name) for name in findings.SCHEMAS}
    tables["findings"] = pd.DataFrame(
        {
            "task_id": [7, 8],
            "annotation_id": [70, 80],
            "annotator": ["ann", "bob"],
            "given_label": ["a", "b"],
            "predicted_label": ["a", "a"],
            "suggested_label": [None, "a"],
            "label_score": [0.9, 0.1],
            "error_probability": [0.1, 0.9],
            "is_label_issue": [False, True],
            "margin": [-0.5, 0.5],
            "bde_gain": [-1.0, 2.0],
            "region_id": ["", ""],
            "model_probability": [0.2, float("nan")],
        }
    )
    items = pd.DataFrame({"task_id": [7, 8], "value": ["x", "y"], "thumbnail": [b"png", None]})
    saved = pd.DataFrame({"annotation_id": [70, 80], "updated_at": ["2026-01-01T00:00:00Z", ""]})
    return Audit(manifest_of(1), items=items, annotations=saved, **tables)


def test_what_is_saved_is_what_is_loaded(audit, tmp_path) -> None:
    folder = audit.save(tmp_path / "deep" / "audit", report="<html>")
    loaded = Audit.load(folder)
    for name in (*findings.SCHEMAS, "items", "annotations"):
        pd.testing.assert_frame_equal(getattr(loaded, name), getattr(audit, name), check_dtype=False)
    assert loaded.summary["issues"] == 1
    assert (folder / "report.html").read_text() == "<html>"
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["audit"]


@pytest.mark.parametrize("vanishes", [False, True])
def test_what_is_replaced_while_it_is_read_is_read_anew(audit, tmp_path, monkeypatch, vanishes) -> None:
    folder = audit.save(tmp_path / "audit")
    newer = replace(
        audit, manifest=audit.manifest | {"summary": audit.summary | {"issues": 2}}, findings=audit.findings.iloc[:1]
    )
    reading, read = audit_folder.read_parquet, []

    def replaced_meanwhile(path: Path) -> pd.DataFrame:
        read.append(path)
        if len(read) == 1:
            newer.save(folder, overwrite=True)
            if vanishes:
                raise FileNotFoundError(path)
        return reading(path)

    monkeypatch.setattr(audit_folder, "read_parquet", replaced_meanwhile)
    loaded = Audit.load(folder)
    assert (loaded.summary["issues"], len(loaded.findings)) == (2, 1)


def test_the_files_and_columns_are_those_of_the_contract(audit, tmp_path) -> None:
    folder = audit.save(tmp_path / "audit")
    ours = ("findings", "influences", "classes", "entanglement", "schemes", "annotators", "consensus")
    tables = (*ours, "agreement", "region_faults", "region_issues", "items", "annotations")
    assert {path.name for path in folder.iterdir()} == {"audit.json", *(f"{name}.parquet" for name in tables)}
    assert pd.read_parquet(folder / "findings.parquet").columns.tolist() == [
        "task_id",
        "annotation_id",
        "annotator",
        "given_label",
        "predicted_label",
        "suggested_label",
        "label_score",
        "error_probability",
        "is_label_issue",
        "margin",
        "bde_gain",
        "region_id",
        "model_probability",
    ]


def test_an_audit_gives_way_only_to_overwrite(audit, tmp_path) -> None:
    folder = audit.save(tmp_path / "audit")
    with pytest.raises(LabelQAError, match="--overwrite"):
        audit.save(folder)
    replace(audit, manifest=manifest_of(5)).save(folder, overwrite=True)
    assert Audit.load(folder).summary["issues"] == 5


def test_a_folder_of_somebody_else_is_never_replaced(audit, tmp_path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    with pytest.raises(LabelQAError, match="is not an audit folder"):
        audit.save(tmp_path / "photos", overwrite=True)
    assert (tmp_path / "photos" / "cat.jpg").exists()


def test_a_failed_save_leaves_the_old_audit(audit, tmp_path, monkeypatch) -> None:
    folder = audit.save(tmp_path / "audit")
    monkeypatch.setattr(Path, "write_text", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(LabelQAError, match="No space left"):
        audit.save(folder, overwrite=True)
    monkeypatch.undo()
    assert Audit.load(folder).summary["issues"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["audit"]


def test_a_table_with_gaps_is_never_written(audit, tmp_path) -> None:
    broken = replace(audit, findings=audit.findings.assign(predicted_label=[None, "a"]))
    with pytest.raises(InvalidInputError, match="missing values in predicted_label"):
        broken.save(tmp_path / "audit")
    assert list(tmp_path.iterdir()) == []


def test_no_permission_is_said_before_any_work(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(LabelQAError, match="cannot be written to"):
        check_target(tmp_path / "audit", overwrite=False)


def test_what_is_no_audit_is_said(audit, tmp_path) -> None:
    with pytest.raises(InvalidInputError, match=r"no audit\.json"):
        Audit.load(tmp_path)
    folder = audit.save(tmp_path / "audit")
    (folder / "classes.parquet").write_bytes(b"PAR1")
    with pytest.raises(InvalidInputError, match="cannot be read"):
        Audit.load(folder)
    (folder / "classes.parquet").unlink()
    with pytest.raises(InvalidInputError, match="cannot be read"):
        Audit.load(folder)
    (folder / "audit.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(InvalidInputError, match="another format"):
        Audit.load(folder)
    (folder / "audit.json").write_text("{")
    with pytest.raises(InvalidInputError, match="cannot be read"):
        Audit.load(folder)


EARLIER, BEGAN, LATER = (f"2026-03-03T04:05:{second}+00:00" for second in ("05", "06", "07"))


@pytest.mark.parametrize(("last", "stale"), [(EARLIER, ""), (BEGAN, BEGAN), (LATER, LATER)])
def test_an_audit_takes_over_a_change_that_came_while_it_was_made(audit, tmp_path, last: str, stale: str) -> None:
    folder = audit.save(tmp_path / "audit")
    mark_stale(folder, EARLIER)
    mark_stale(folder, last)
    assert stale_since(folder) == EARLIER, "the first change is when the audit became stale"
    next_one = replace(audit, manifest={**audit.manifest, "began_at": BEGAN})
    assert Audit.load(next_one.save(folder, overwrite=True)).stale == stale


def test_an_audit_replaces_one_whose_note_cannot_be_read(audit, tmp_path) -> None:
    folder = audit.save(tmp_path / "audit")
    (folder / STALE).write_text("{")
    assert stale_since(folder) == "an unknown time"
    next_one = replace(audit, manifest={**audit.manifest, "began_at": BEGAN})
    assert not Audit.load(next_one.save(folder, overwrite=True)).stale


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_followed_to_where_it_leads(audit, tmp_path, there: bool) -> None:
    (tmp_path / "disk").mkdir()
    if there:
        audit.save(tmp_path / "disk" / "audit")
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "audit")
    assert audit.save(tmp_path / "link", overwrite=True) == tmp_path / "link"
    assert (tmp_path / "link").is_symlink()
    assert Audit.load(tmp_path / "disk" / "audit").summary["issues"] == 1
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["audit"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk", "link"]


def test_a_link_to_itself_is_refused(audit, tmp_path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "link")
    with pytest.raises(LabelQAError, match="leads back to itself"):
        audit.save(tmp_path / "link")


@pytest.mark.parametrize("name", [".", "./", "../audit"])
def test_the_working_folder_stays_the_working_folder(audit, tmp_path, monkeypatch, name: str) -> None:
    folder = tmp_path / "audit"
    folder.mkdir()
    monkeypatch.chdir(folder)
    number = folder.stat().st_ino
    audit.save(name)
    (folder / "decisions.parquet").touch()
    (folder / "more").mkdir()
    replace(audit, manifest=manifest_of(5)).save(name, overwrite=True)
    assert folder.stat().st_ino == number
    assert Audit.load(".").summary["issues"] == 5
    assert not {"decisions.parquet", "more"} & set(os.listdir())
    assert os.listdir(tmp_path) == ["audit"]
    assert not any(name.startswith(".") for name in os.listdir())


def test_a_folder_that_has_to_stay_keeps_its_audit_where_there_is_no_room(audit, tmp_path, monkeypatch) -> None:
    folder = audit.save(tmp_path / "audit")
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == folder)
    before = sorted(os.listdir(folder))
    with full_disk(), pytest.raises(LabelQAError, match="File too large"):
        replace(audit, manifest=manifest_of(5)).save(folder, overwrite=True)
    monkeypatch.undo()
    assert Audit.load(folder).summary["issues"] == 1
    assert sorted(os.listdir(folder)) == before
    assert os.listdir(tmp_path) == ["audit"]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("created_at",), "yesterday"),
        (("options",), None),
        (("options", "encoder"), 5),
        (("timings",), {"Encoding": "long"}),
        (("data", "class_names"), [None]),
        (("data", "control"), {"name": "c"}),
        (("data", "left_out"), [{"reason": "x"}]),
        (("data", "project_id"), "7"),
        (("summary", "items"), -1),
        (("summary", "items"), 10**400),
        (("summary", "error_rate"), float("nan")),
        (("summary", "error_rate"), 1.5),
        (("summary", "self_measurement"), []),
        (("summary", "self_measurement", "recall"), {"value": "high"}),
    ],
)
def test_a_manifest_with_odd_values_is_refused_by_the_place_of_the_first(audit, tmp_path, place, value) -> None:
    folder = audit.save(tmp_path / "audit")
    manifest = json.loads((folder / "audit.json").read_text())
    around = manifest
    for key in place[:-1]:
        around = around[key]
    around[place[-1]] = value
    (folder / "audit.json").write_text(json.dumps(manifest))
    with pytest.raises(InvalidInputError, match=re.escape(".".join(place))) as raised:
        Audit.load(folder)
    assert raised.value.remedy


def test_half_a_character_and_endless_lists_in_a_manifest(audit, tmp_path) -> None:
    folder = audit.save(tmp_path / "audit")
    text = (folder / "audit.json").read_text()
    (folder / "audit.json").write_text(text.replace("Animals", "Animals \\ud83d"))
    assert Audit.load(folder).manifest["data"]["project_title"] == "Animals \ufffd"
    (folder / "audit.json").write_text("[" * 100_000)
    with pytest.raises(InvalidInputError, match="cannot be read"):
        Audit.load(folder)


@pytest.mark.parametrize(
    ("table", "column", "values", "said"),
    [
        ("findings", "annotator", [1, 2], "has what is no text"),
        ("findings", "error_probability", [0.1, 7.0], "no shares of 1"),
        ("findings", "margin", [0.1, float("inf")], "infinite"),
        ("findings", "margin", ["a", "b"], "no number"),
        ("findings", "is_label_issue", [1, 0], "neither true nor false"),
        ("findings", "task_id", [0.5, 1.0], "fraction"),
        ("findings", "given_label", [None, "a"], "missing values"),
        ("items", "value", [1, 2], "no text"),
        ("items", "thumbnail", ["a", None], "no picture"),
        ("annotations", "annotation_id", ["x", "y"], "no number"),
    ],
)
def test_a_table_with_odd_values_is_refused_by_its_column(audit, tmp_path, table, column, values, said) -> None:
    folder = audit.save(tmp_path / "audit")
    path = folder / f"{table}.parquet"
    pd.read_parquet(path).assign(**{column: values}).to_parquet(path)
    with pytest.raises(InvalidInputError, match=f"{column}.*{table}.*{said}") as raised:
        Audit.load(folder)
    assert raised.value.remedy


def test_a_table_of_words_has_those_that_are_known(audit, tmp_path) -> None:
    folder = audit.save(tmp_path / "audit")
    row = {name: {"str": "x", "int64": 1, "float64": 0.5, "bool": True}.get(kind) for name, kind in ISSUES.items()}
    pd.DataFrame([row]).to_parquet(folder / "region_issues.parquet")
    with pytest.raises(InvalidInputError, match="has other words than 'missing', 'shifted', 'spurious'"):
        Audit.load(folder)
