"""Nothing that is read decides what is run: neither an audit folder of somebody else's, nor the current folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.cli.entry import run
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.kernels.architectures import NAMES, recorded
from ntk_labelqa.suggestions import Suggester, audited_dataset
from tests.exports import digits_export
from tests.gate.audits import audit_of

EVIL = "open('was run', 'w')\nnetwork = 3\n"


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An audit folder that names code which lies in it, in the current folder."""
    monkeypatch.chdir(tmp_path)
    digits_export(tmp_path, 60)
    assert run(["audit", "export.json", "--features", "features.npz", "--arch", "linear", "--out", "audit", "-q"]) == 0
    (tmp_path / "audit" / "evil.py").write_text(EVIL)
    return tmp_path / "audit"


def names(folder: Path, **options: object) -> None:
    """Have the manifest of the audit name *options*."""
    manifest = json.loads((folder / "audit.json").read_text())
    manifest["options"].update(options)
    (folder / "audit.json").write_text(json.dumps(manifest))


def test_an_update_runs_no_architecture_that_the_audit_names(audit: Path, capfd) -> None:
    names(audit, architecture="audit.evil:network")
    assert run(["audit", "export.json", "--features", "features.npz", "--out", "audit", "--update"]) == 3
    assert not (audit.parent / "was run").exists()
    said = capfd.readouterr().err
    assert "names the architecture 'audit.evil:network'" in said
    assert "nothing is run because a file says so" in said


def test_what_a_person_names_is_run(audit: Path) -> None:
    names(audit, architecture="audit.evil:network")
    given = ["export.json", "--features", "features.npz", "--out", "audit", "--update", "--arch", "audit.evil:network"]
    assert run(["audit", *given]) == 3  # it is no network, but it was run
    assert (audit.parent / "was run").exists()


@pytest.mark.long
@pytest.mark.parametrize("encoder", ["onnx:audit/model.onnx", "embeddings:audit", "other-package:audit"])
def test_an_update_opens_nothing_that_the_audit_names(audit: Path, capfd, encoder: str) -> None:
    names(audit, encoder=encoder)
    assert run(["audit", "export.json", "--out", "audit", "--update"]) == 3
    assert f"names the encoder {encoder!r}" in capfd.readouterr().err


def test_suggestions_run_nothing_that_the_audit_names(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("evil.py").write_text(EVIL)
    saved = audit_of(wrong=5).save("audit")
    names(saved, architecture="evil:network", encoder="text", seed=0, ridge=1e-3, dtype="float32")
    loaded = Audit.load(saved)
    with pytest.raises(InvalidInputError, match="because a file says so"):
        Suggester.fit(audited_dataset(loaded), loaded.manifest["options"])
    assert not Path("was run").exists()


@pytest.mark.parametrize("named", ["evil:network", "auto", "", None, 3, ["2-L"], "os:system"])
def test_a_file_may_name_our_architectures_alone(named: object) -> None:
    with pytest.raises(InvalidInputError):
        recorded(named)


def test_a_file_may_name_each_of_our_architectures() -> None:
    assert [recorded(name) for name in NAMES] == list(NAMES)


@pytest.mark.long
def test_charts_are_drawn_without_the_programs_that_a_file_in_the_current_folder_names(audit: Path) -> None:
    (audit.parent / "matplotlibrc").write_text("text.usetex: True\nfigure.facecolor: red\n")
    (audit.parent / "bin").mkdir()
    for program in ("latex", "pdflatex", "kpsewhich", "dvipng"):
        (audit.parent / "bin" / program).write_text(f"#!/bin/sh\ntouch '{audit.parent / 'was run'}'\nexit 1\n")
        (audit.parent / "bin" / program).chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-m", "ntk_labelqa", "history", "audit", "--out", "trend.html"],
        cwd=audit.parent,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "PATH": f"{audit.parent / 'bin'}{os.pathsep}{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not (audit.parent / "was run").exists()


@pytest.mark.long
def test_a_file_in_the_current_folder_is_not_taken_for_a_library(audit: Path) -> None:
    for library in ("pandas", "pyarrow", "httpx"):
        (audit.parent / f"{library}.py").write_text(EVIL)
    done = subprocess.run(
        [sys.executable, "-m", "ntk_labelqa", "history", "audit"],
        cwd=audit.parent,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not (audit.parent / "was run").exists()
