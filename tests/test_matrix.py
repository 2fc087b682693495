"""The table of `make test-matrix` tells what was run, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import matrix


@pytest.fixture
def table(tmp_path, monkeypatch) -> Path:
    """Where the table goes, on a machine without Python 3.13, whose environments are made and tested in no time."""
    monkeypatch.setattr(matrix, "TABLE", tmp_path / "reference/test-matrix.md")
    monkeypatch.setattr(matrix, "interpreter", lambda python: None if python == "3.13" else f"python{python}")
    monkeypatch.setattr(matrix, "install", lambda path, name, resolution: Path(name))
    monkeypatch.setattr(matrix, "versions", lambda python: ["1.0"] * len(matrix.SHOWN))
    monkeypatch.setattr(matrix, "outcome", lambda python, tests: "7 passed, 0 failed, 1 skipped")
    return tmp_path / "reference/test-matrix.md"


def rows(table: Path) -> dict[tuple[str, str], str]:
    cells = [line.split(" | ") for line in table.read_text().splitlines() if line.startswith("| 3.")]
    return {(cell[0].removeprefix("| "), cell[1]): cell[-2] for cell in cells}


def test_what_was_not_run_is_said(table, monkeypatch) -> None:
    assert matrix.main(["--python", "3.11", "3.13", "--resolution", "oldest"]) == 0
    found = rows(table)
    assert len(found) == len(matrix.PYTHONS) * len(matrix.RESOLUTIONS)
    assert found["3.11", "oldest"] == "7 passed, 0 failed, 1 skipped"
    assert found["3.11", "newest"] == found["3.12", "oldest"] == "not run"
    assert found["3.13", "oldest"] == "not run: no such Python here"


def test_a_later_run_replaces_its_own_lines_alone(table, monkeypatch) -> None:
    matrix.main(["--python", "3.11"])
    monkeypatch.setattr(matrix, "outcome", lambda python, tests: "6 passed, 1 failed, 1 skipped")
    assert matrix.main(["--python", "3.11", "--resolution", "newest"]) == 1
    found = rows(table)
    assert found["3.11", "oldest"] == "7 passed, 0 failed, 1 skipped"
    assert found["3.11", "newest"] == "6 passed, 1 failed, 1 skipped"
    assert table.read_text().startswith(matrix.HEAD)
