"""`ntk-labelqa decisions` and `export` where they cannot do anything: the exit codes, and what they say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ntk_labelqa.cli.entry import run
from tests.gate.audits import audit_of


@pytest.fixture
def folder(tmp_path, monkeypatch) -> str:
    monkeypatch.delenv("LABEL_STUDIO_URL", raising=False)
    monkeypatch.delenv("LABEL_STUDIO_API_KEY", raising=False)
    return str(_of(7).save(tmp_path / "audit"))


def _of(project: int | None, **data):
    audit = audit_of()
    control = {"name": "topic", "to_name": "text", "tag": "Choices", "value_key": "text"}
    known = audit.manifest["data"] | {"project_id": project, "control": control} | data
    return replace(audit, manifest=audit.manifest | {"data": known})


def failing(capsys, *arguments: str) -> tuple[int, str]:
    code = run(list(arguments))
    return code, capsys.readouterr().err


def test_apply_and_undo_together_are_wrong_usage(folder, capsys) -> None:
    code, said = failing(capsys, "decisions", folder, "--apply", "--undo")
    assert code == 2
    assert "exclude each other" in said


@pytest.mark.parametrize("command", [["decisions"], ["export", "--out", "clean.json"]])
def test_without_a_server_it_says_what_to_set(folder, capsys, command, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = failing(capsys, *command, folder)
    assert code == 2
    assert "LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY must be set" in said
    assert not (tmp_path / "clean.json").exists()


def test_an_audit_of_a_file_needs_the_project(tmp_path, capsys) -> None:
    code, said = failing(capsys, "decisions", str(_of(None).save(tmp_path / "audit")))
    assert code == 3
    assert "--project" in said


def test_an_audit_of_arrays_has_no_decisions(tmp_path, capsys) -> None:
    code, said = failing(capsys, "decisions", str(_of(None, control=None).save(tmp_path / "audit")), "--project", "7")
    assert code == 3
    assert "plain arrays" in said


def test_export_replaces_a_file_only_when_told_to(folder, capsys, tmp_path) -> None:
    out = tmp_path / "clean.json"
    out.write_text("mine")
    code, said = failing(capsys, "export", folder, "--out", str(out))
    assert code == 3
    assert "--overwrite" in said
    assert out.read_text() == "mine"


@pytest.mark.parametrize("command", [["push"], ["push", "--project", "3"], ["decisions"]])
def test_an_audit_of_plain_arrays_has_no_project(tmp_path, capsys, monkeypatch, command: list[str]) -> None:
    monkeypatch.delenv("LABEL_STUDIO_URL", raising=False)
    audit = audit_of()
    plain = audit.manifest["data"] | {"project_id": None, "control": None}
    folder = str(replace(audit, manifest=audit.manifest | {"data": plain}).save(tmp_path / "audit"))
    code, err = failing(capsys, command[0], folder, *command[1:])
    assert code == 3
    assert "The audit is of plain arrays, not of a Label Studio project" in err
