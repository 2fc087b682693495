"""The package as a user installs it: its wheel in an environment of its own, without the tools of its developers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.exports import digits_export

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
UV = [sys.executable, "-m", "uv"]
SMALL = ("embeddings", "audio", "video", "pdf", "ml-backend")
"""Extras that are installed and run; the others weigh gigabytes and are resolved alone."""
FIND = """
import numpy as np
import ntk_labelqa
rows = np.random.default_rng(0).normal(size=(60, 5)) + 3 * (-1) ** np.arange(60)[:, None]
labels = np.array(["cat", "dog"] * 30)
labels[7] = "cat"
issues = ntk_labelqa.find_label_issues(rows, labels)
print(issues["label_score"].idxmin(), issues["suggested_label"][7])
"""
NETWORK = "from neural_tangents import stax\nnetwork = stax.serial(stax.Dense(1), stax.Relu(), stax.Dense(1))\n"


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel, and a folder to work in, away from the repository."""

    home: Path
    wheel: Path

    def run(self, *command: object, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a *command* of the environment with nothing of ours on its path."""
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "LABEL_STUDIO_URL")}
        program = self.home / "venv/bin" / str(command[0])
        return subprocess.run(
            [str(program), *map(str, command[1:])],
            cwd=self.home,
            env={**kept, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def succeed(self, *command: object, **environment: str) -> str:
        done = self.run(*command, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def uv(self, *command: object) -> str:
        """Run uv on the environment; from its own folder, so that it reads none of the repository's settings."""
        whole = [*UV, "pip", *map(str, command), "--python", str(self.home / "venv/bin/python")]
        done = subprocess.run(whole, cwd=self.home, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Installed:
    home = tmp_path_factory.mktemp("installed")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(home)]
    subprocess.run(build, cwd=ROOT, capture_output=True, check=True)
    subprocess.run([*UV, "venv", "--quiet", "--python", sys.executable, "venv"], cwd=home, check=True)
    environment = Installed(home, next(home.glob("*.whl")))
    environment.uv("install", "--constraint", ROOT / "constraints.txt", environment.wheel)
    return environment


@pytest.fixture(scope="module")
def audited(installed) -> Path:
    """The folder of an audit of an export, made by the installed program."""
    export, features = digits_export(installed.home, 200)
    installed.succeed("ntk-labelqa", "audit", export, "--features", features, "--arch", "2-L", "--out", "audit")
    return installed.home / "audit"


def test_it_brings_nothing_that_it_does_not_need(installed) -> None:
    names = {one["name"] for one in json.loads(installed.uv("list", "--quiet", "--format", "json"))}
    assert "jax" in names
    assert not names & {"tensorflow", "tf2jax", "neural-tangents", "torch", "pytest", "onnxruntime", "label-studio"}
    installed.uv("check")


def test_the_program_helps_and_looks_around(installed) -> None:
    assert "audit" in installed.succeed("ntk-labelqa", "--help")
    assert "not configured" in installed.succeed("ntk-labelqa", "doctor", COLUMNS="200")
    assert "pixels" in installed.succeed("ntk-labelqa", "encoders", COLUMNS="200")


def test_an_audit_and_its_gate(installed, audited) -> None:
    assert "2-L" in (audited / "report.html").read_text()
    installed.succeed("ntk-labelqa", "init")
    policy = installed.home / "strict.toml"
    policy.write_text('version = 1\n[[check]]\ncheck = "suspects"\nat_most = 0\n')
    assert installed.run("ntk-labelqa", "gate", audited, "--policy", policy).returncode == 1
    policy.write_text('version = 1\n[[check]]\ncheck = "error_rate"\nat_most = 0.5\n')
    assert installed.run("ntk-labelqa", "gate", audited, "--policy", policy).returncode == 0


def test_python_finds_the_wrong_label(installed) -> None:
    assert installed.succeed("python", "-c", FIND) == "7 dog\n"


def test_networks_of_ones_own_without_tensorflow(installed, audited) -> None:
    (installed.home / "mine.py").write_text(NETWORK)
    options = ("--features", "features.npz", "--arch", "mine:network", "--out", "by-my-network")
    refused = installed.run("ntk-labelqa", "audit", "export.json", *options)
    assert refused.returncode == 3
    assert "pip install --no-deps neural-tangents frozendict" in refused.stderr
    installed.uv("install", "--no-deps", "neural-tangents", "frozendict")
    installed.succeed("ntk-labelqa", "audit", "export.json", *options)


@pytest.mark.parametrize("extra", ["networks", "torch", "cuda12", "cuda13"])
def test_a_heavy_extra_can_be_resolved(installed, extra: str) -> None:
    said = installed.uv("install", "--dry-run", f"{installed.wheel}[{extra}]")
    assert "Would install" in said
    assert "warning" not in said


def test_small_extras_work_together(installed) -> None:
    installed.uv("install", "--constraint", ROOT / "constraints.txt", f"{installed.wheel}[{','.join(SMALL)}]")
    listed = installed.succeed("ntk-labelqa", "encoders", COLUMNS="200")
    assert "pip install" not in listed
    assert "needs the extra" not in listed
    served = installed.run("python", ROOT / "integrations/ml-backend/app.py", LABELQA_AUDIT="")
    assert "LABELQA_AUDIT must name an audit folder" in served.stderr
    others = installed.run("uvicorn", "--factory", "app:create", "--app-dir", ROOT / "integrations/ml-backend")
    assert "LABELQA_PASSWORD and LABELQA_WEBHOOK_SECRET must be set" in others.stderr
