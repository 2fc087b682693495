"""Where commands read from and write to: standard input, links, the working folder."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import numpy as np
import pytest

from ntk_labelqa.cli.entry import run
from ntk_labelqa.cli.notify import deliver
from ntk_labelqa.encoders.precomputed import write_features
from ntk_labelqa.labelstudio.corrections.clean_export import write_export
from ntk_labelqa.labelstudio.corrections.journal import journal_path
from tests.exports import digits_export
from tests.gate.audits import write_policy

PROGRAM = [sys.executable, "-m", "ntk_labelqa"]


@pytest.mark.long
@pytest.mark.parametrize(
    ("command", "packed"), [("audit", True), ("gate", False), ("schemes", True), ("architectures", False)]
)
def test_an_export_by_standard_input(tmp_path, capfd, monkeypatch, command: str, packed: bool) -> None:
    source, _ = digits_export(tmp_path, 60)
    options = {
        "audit": ["--out", "audit", "--arch", "linear"],
        "gate": ["--policy", str(write_policy(tmp_path, 'check = "coverage"\nat_least = 0.5')), "--arch", "linear"],
        "schemes": ["--arch", "linear", "--format", "json"],
        "architectures": ["--arch", "linear", "--out", "fit.html"],
    }[command]
    content = source.read_bytes()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(gzip.compress(content) if packed else content)))
    code = run([command, "-", "--features", "features.npz", *options])
    said = capfd.readouterr()
    assert code == (3 if command == "gate" else 0), said.err  # sixty items are too few to judge
    if command == "audit":
        manifest = json.loads((tmp_path / "audit" / "audit.json").read_text())
        assert manifest["data"]["source"] == "standard input"
    if command == "gate":
        assert "coverage" in said.out


@pytest.mark.long
@pytest.mark.parametrize(
    ("given", "said"), [(b"", "standard input is not JSON"), (b"\x1f\x8b-", "standard input cannot be unpacked")]
)
def test_what_is_no_export_is_said_of_standard_input(tmp_path, given: bytes, said: str) -> None:
    done = subprocess.run(
        [*PROGRAM, "audit", "-", "--out", "audit"], input=given, capture_output=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 3
    assert said in done.stderr.decode()


@pytest.mark.long
def test_a_closed_input_is_said(tmp_path) -> None:
    command = ["sh", "-c", 'exec "$@" <&-', "sh", *PROGRAM, "audit", "-", "--out", "audit"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 3
    assert "Standard input is closed" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["audit", "export.json", "--out", "-"],
        ["architectures", "export.json", "--out", "-"],
        ["encoders", "compare", "export.json", "--out", "-"],
        ["history", "audit", "--out", "-"],
        ["embed", "export.json", "--out", "-"],
        ["export", "audit", "--out", "-"],
        ["demo", "--out", "-"],
        ["init", "-"],
        ["audit", "export.json", "--out", "audit", "--notify", "-"],
    ],
)
def test_no_result_is_written_to_a_place_called_dash(arguments: list[str], tmp_path, capfd, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    assert "standard output" in capfd.readouterr().err
    assert os.listdir() == []


@pytest.mark.long
def test_an_audit_into_the_working_folder(tmp_path, capfd, monkeypatch) -> None:
    source, features = digits_export(tmp_path, 60)
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for more in ([], ["--overwrite"], ["--update"]):
        code = run(["audit", str(source), "--features", str(features), "--arch", "linear", "--out", "./", *more])
        said = capfd.readouterr()
        assert code == 0, said.err
        assert "Report: report.html" in said.out
        assert (folder / "audit.json").is_file()
    assert not [name for name in (*os.listdir(tmp_path), *os.listdir(folder)) if name.startswith(".")]


def test_files_are_written_where_links_lead(tmp_path) -> None:
    (tmp_path / "disk").mkdir()
    writers = {
        "export.json": lambda path: write_export([], path),
        "features.npz": lambda path: write_features(path, np.arange(2), np.ones((2, 3))),
        "summary.json": lambda path: deliver({}, str(path)),
    }
    for name, write in writers.items():
        link = tmp_path / name
        link.symlink_to(Path("disk") / name)
        for _ in range(2):
            write(link)
            assert link.is_symlink()
            assert (tmp_path / "disk" / name).stat().st_size
    assert sorted(os.listdir(tmp_path / "disk")) == sorted(writers)


def test_an_audit_has_one_journal_whatever_it_is_called(tmp_path, monkeypatch) -> None:
    (tmp_path / "audit").mkdir()
    (tmp_path / "link").symlink_to("audit")
    monkeypatch.chdir(tmp_path / "audit")
    names = (".", "./", "../link", str(tmp_path / "audit"))
    assert {journal_path(Path(name)) for name in names} == {tmp_path / "audit.corrections.jsonl"}
