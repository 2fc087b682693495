"""The action's steps, run one after another as a runner runs them, with the shell that they name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from tests.exports import digits_export

ACTION = yaml.safe_load((Path(__file__).parent / "action.yml").read_text())
STRICT = 'version = 1\n[[check]]\ncheck = "suspects"\nat_most = 0\n'
LENIENT = 'version = 1\n[[check]]\ncheck = "error_rate"\nat_most = 0.5\n'


@dataclass(frozen=True)
class Job:
    """What a run of the action left: the last step's exit code, outputs, summary, and all that was printed."""

    code: int
    outputs: dict[str, str]
    summary: str
    log: str


def run_action(folder: Path, **given: str) -> Job:
    """Run the composite action in *folder* with the inputs *given*, as a runner does: up to the first failing step."""
    inputs = {name: given.get(name.replace("-", "_"), spec["default"]) for name, spec in ACTION["inputs"].items()}
    files = {name: folder / name.lower() for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for file in files.values():
        file.touch()
    base = {
        **os.environ,
        **{name: str(file) for name, file in files.items()},
        "RUNNER_TEMP": str(folder),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    code, log = 0, ""
    for step in ACTION["runs"]["steps"]:
        assert step["shell"] == "bash"
        env = {name: expression(value, inputs) for name, value in step["env"].items()}
        assert "${{" not in step["run"], "an input that is pasted into a script could run as one"
        # The runner's own command line for `shell: bash`.
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        done = subprocess.run(command, cwd=folder, env={**base, **env}, capture_output=True, text=True, check=False)
        code, log = done.returncode, log + done.stdout + done.stderr
        if code:
            break
    outputs = dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines())
    return Job(code, outputs, files["GITHUB_STEP_SUMMARY"].read_text(), log)


def expression(text: str, inputs: dict[str, str]) -> str:
    return re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda found: inputs[found[1]], text)


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A repository with an export, its features and a policy."""
    digits_export(tmp_path, 300)
    (tmp_path / "labelqa.toml").write_text(STRICT)
    return tmp_path


OPTIONS = "--features features.npz --arch 2-L"


@pytest.mark.long
def test_the_job_fails_with_the_gate_and_says_why(checkout) -> None:
    job = run_action(checkout, source="export.json", options=OPTIONS)
    assert job.code == 1, job.log
    assert job.outputs == {"exit-code": "1"}
    assert job.summary.startswith("### Gate failed")
    assert "| FAILED | suspects |" in job.summary
    suite = ElementTree.parse(checkout / "label-audit.xml").getroot()
    assert suite.get("failures") == "1"
    assert (checkout / "label-audit" / "report.html").exists()
    assert "FAILED" in job.log


@pytest.mark.long
@pytest.mark.slow
def test_the_job_passes_with_the_gate(checkout) -> None:
    (checkout / "limits.toml").write_text(LENIENT)
    job = run_action(checkout, source="export.json", options=OPTIONS, policy="limits.toml", out="found")
    assert job.code == 0, job.log
    assert job.outputs == {"exit-code": "0"}
    assert (checkout / "found.xml").exists()


@pytest.mark.long
def test_what_cannot_run_fails_the_job_otherwise(checkout) -> None:
    assert run_action(checkout, source="missing.json").code == 3
    assert run_action(checkout).code == 2
    assert run_action(checkout, source="export.json; touch owned").code == 3
    assert not (checkout / "owned").exists()


@pytest.mark.parametrize(("given", "asked_for"), [("ntk-labelqa==0.1.0", "ntk-labelqa==0.1.0"), ("", "/action/../..")])
def test_the_installation_step_asks_for_what_it_says(checkout, given: str, asked_for: str) -> None:
    """With a stand-in for Python that writes down what it is asked, since a test installs nothing."""
    stand_in = checkout / "python"
    stand_in.write_text('#!/bin/sh\necho "$@" >> "$RUNNER_TEMP/asked"\n')
    stand_in.chmod(0o755)
    env = {"PATH": f"{checkout}:/usr/bin:/bin", "RUNNER_TEMP": str(checkout), "GITHUB_ACTION_PATH": "/action"}
    script = ACTION["runs"]["steps"][0]["run"]
    subprocess.run(["bash", "-eo", "pipefail", "-c", script], env={**env, "INSTALL": given}, check=True)
    assert (checkout / "asked").read_text() == f"-m pip install --quiet {asked_for}\n"
