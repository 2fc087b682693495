"""A login in an address that an early version kept comes out nowhere."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ntk_labelqa.audit_folder import MANIFEST, Audit
from ntk_labelqa.cli.entry import run
from tests.gate.audits import audit_of, write_policy
from tests.labelstudio.samples import KEY, USER
from tests.labelstudio.web import as_json, serving
from tests.report.audits import digits_audit

PASSED = 'check = "error_rate"\nat_most = 0.5'
ADDRESS = "https://me:hush@labels.example.org"


def of_an_early_version(audit: Audit, folder: Path) -> Path:
    data = audit.manifest["data"] | {"server_url": ADDRESS, "source": ADDRESS}
    saved = replace(audit, manifest=audit.manifest | {"data": data}).save(folder)
    assert "hush" in (saved / MANIFEST).read_text()
    return saved


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An audit folder of an early version."""
    return of_an_early_version(audit_of(wrong=4), tmp_path / "audit")


def test_a_gate_does_not_send_it(folder: Path, tmp_path: Path, capfd) -> None:
    policy, summary = write_policy(tmp_path, PASSED), tmp_path / "summary.json"
    assert run(["gate", str(folder), "--policy", str(policy), "--format", "json", "--notify", str(summary)]) == 0
    assert "hush" not in "".join(capfd.readouterr()) + summary.read_text()


def test_a_report_does_not_show_it(tmp_path: Path, capfd) -> None:
    folder = of_an_early_version(digits_audit(), tmp_path / "audit")
    assert run(["report", str(folder)]) == 0
    page = (folder / "report.html").read_text()
    assert "https://labels.example.org/projects/7/data" in page
    assert "hush" not in "".join(capfd.readouterr()) + page


def test_a_history_does_not_show_it(folder: Path, tmp_path: Path, capfd) -> None:
    other = audit_of(created="2026-03-03T00:00:00+00:00").save(tmp_path / "other")
    assert run(["history", str(folder), str(other), "--out", str(tmp_path / "trend.html")]) == 0
    said = "".join(capfd.readouterr())
    assert "7 of https://labels.example.org" in said
    assert "hush" not in said + (tmp_path / "trend.html").read_text()


def test_an_undo_does_not_show_it(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd) -> None:
    entry = {"event": "written", "at": "2026-03-02T00:00:00+00:00", "key": "a", "server": ADDRESS, "project": 7}
    control = {"name": "topic", "to_name": "text", "tag": "Choices", "value_key": "text"}
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["data"]["control"] = control
    (folder / MANIFEST).write_text(json.dumps(manifest))
    (tmp_path / "audit.corrections.jsonl").write_text(json.dumps(entry) + "\n")
    with serving(lambda _: as_json(USER)) as web:
        monkeypatch.setenv("LABEL_STUDIO_URL", web.url)
        monkeypatch.setenv("LABEL_STUDIO_API_KEY", KEY)
        assert run(["decisions", str(folder), "--undo"]) == 3
    said = "".join(capfd.readouterr())
    assert "were written to https://labels.example.org" in said
    assert "hush" not in said
