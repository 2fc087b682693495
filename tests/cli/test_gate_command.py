"""`ntk-labelqa gate` as scripts use it: on folders and sources, its formats, and what it must never answer."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from ntk_labelqa.cli.entry import run
from tests.exports import digits_export
from tests.gate.audits import audit_of, write_policy

PROGRAM = [sys.executable, "-m", "ntk_labelqa"]
LENIENT = 'check = "error_rate"\nat_most = 0.5'


@pytest.mark.long
def test_a_saved_audit_is_read_without_jax(tmp_path) -> None:
    folder = audit_of().save(tmp_path / "audit")
    policy = write_policy(tmp_path, LENIENT)
    program = f"""
import sys
from ntk_labelqa.cli.entry import run
assert run(["gate", {str(folder)!r}, "--policy", {str(policy)!r}]) == 0
print(sorted({{"jax", "label_studio_sdk", "sklearn", "matplotlib", "neural_tangents"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.long
def test_a_source_is_audited_first(tmp_path, capfd) -> None:
    source, features = digits_export(tmp_path, 240)
    common = [str(source), "--features", str(features), "--arch", "2-L", "--format", "json"]
    lenient = write_policy(tmp_path, LENIENT)
    assert run(["gate", *common, "--policy", str(lenient)]) == 0
    judged = json.loads(capfd.readouterr().out)
    assert judged["outcome"] == "passed"
    assert 0.02 < judged["checks"][1]["value"] < 0.3
    strict = write_policy(tmp_path, 'check = "suspects"\nat_most = 0\nprobability = 0.5')
    assert run(["gate", *common, "--policy", str(strict)]) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"export.json", "features.npz", "labelqa.toml"}


def test_a_source_of_forty_items_is_no_pass(tmp_path, capfd) -> None:
    source, features = digits_export(tmp_path, 40)
    policy = write_policy(tmp_path, LENIENT)
    assert run(["gate", str(source), "--features", str(features), "--arch", "2-L", "--policy", str(policy)]) == 3
    assert "40 items are too few to judge" in capfd.readouterr().out


@pytest.mark.parametrize("form", ["text", "json", "junit", "markdown"])
def test_every_format_has_the_same_exit_code(tmp_path, form: str) -> None:
    folder = audit_of(wrong=5).save(tmp_path / "audit")
    policy = write_policy(tmp_path, 'check = "suspects"\nat_most = 0')
    assert run(["gate", str(folder), "--policy", str(policy), "--format", form]) == 1


def test_what_cannot_run_is_neither_a_pass_nor_a_failure(tmp_path, capfd, monkeypatch) -> None:
    policy = str(write_policy(tmp_path, LENIENT))
    folder = audit_of().save(tmp_path / "audit")
    monkeypatch.chdir(tmp_path / "audit")
    assert run(["gate", str(folder)]) == 3  # no labelqa.toml here
    assert "ntk-labelqa init" in capfd.readouterr().err
    assert run(["gate", "--policy", policy]) == 2
    assert run(["gate", str(folder), "--project", "3", "--arch", "2-L", "--policy", policy]) == 2
    assert "--project, --arch cannot change it" in capfd.readouterr().err
    assert run(["gate", str(folder), "--policy", policy, "--format", "yaml"]) == 2
    assert run(["gate", str(tmp_path / "nothing.json"), "--policy", policy]) == 3
    (folder / "findings.parquet").write_bytes(b"PAR1")
    assert run(["gate", str(folder), "--policy", policy]) == 3
    (folder / "audit.json").unlink()
    assert run(["gate", str(folder), "--policy", policy]) == 3


@pytest.mark.long
@pytest.mark.parametrize(
    ("fault", "code"),
    [("raise ZeroDivisionError", 3), ("raise MemoryError", 3), ("raise KeyboardInterrupt", 130)],
)
def test_a_crash_is_neither_a_pass_nor_a_failure(tmp_path, fault: str, code: int) -> None:
    folder, policy = audit_of().save(tmp_path / "audit"), write_policy(tmp_path, LENIENT)
    program = f"""
from ntk_labelqa.cli.entry import main
from ntk_labelqa.gate import verdict
def judge(*_, **__):
    {fault}
verdict.judge = judge
main(["gate", {str(folder)!r}, "--policy", {str(policy)!r}])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == code
    assert done.stdout == ""


@pytest.mark.long
def test_a_closed_pipe_is_no_verdict(tmp_path) -> None:
    folder, policy = audit_of(wrong=5).save(tmp_path / "audit"), write_policy(tmp_path, LENIENT)
    command = [*PROGRAM, "gate", str(folder), "--policy", str(policy), "--format", "json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(timeout=300) == 141
    assert process.stderr is not None
    process.stderr.close()
