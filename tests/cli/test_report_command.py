"""The report, and the tables beside it as CSV."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from ntk_labelqa.cli.entry import run
from tests.report.audits import digits_audit


def test_tables_as_csv_files(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    audit = digits_audit()
    folder = audit.save(tmp_path / "audit")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "own.txt").write_text("mine")
    for _again in range(2):
        assert run(["report", str(folder), "--csv", str(tmp_path / "tables")]) == 0
    found = pd.read_csv(tmp_path / "tables" / "findings.csv", dtype={"given_label": str})
    assert found["given_label"].tolist() == audit.findings["given_label"].tolist()
    names = {path.name for path in (tmp_path / "tables").iterdir()}
    assert "own.txt" in names
    assert "agreement.csv" not in names  # nobody labelled an item twice
    assert f"{len(names) - 1} tables in" in capfd.readouterr().out


def test_a_folder_that_cannot_be_written(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = digits_audit().save(tmp_path / "audit")
    (tmp_path / "file").write_text("")
    assert run(["report", str(folder), "--csv", str(tmp_path / "file")]) == 3
    assert "could not be written" in capfd.readouterr().err
