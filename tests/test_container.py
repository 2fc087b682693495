"""The image of the command line: what goes into it, and, where a Docker daemon is, what it does."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.exports import digits_export

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TAG = "ntk-labelqa:test"


def docker(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False)


def why_not() -> str:
    """Why no image can be built here; empty where one can."""
    if not shutil.which("docker"):
        return "there is no docker"
    asked = docker("info")
    return "" if asked.returncode == 0 else f"docker info: {(asked.stderr.strip().splitlines() or ['failed'])[-1]}"


def test_what_it_copies_is_there_and_nothing_else_is_sent() -> None:
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
        for source in line.split()[:-1]
    }
    assert all((ROOT / source).exists() for source in copied)
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    assert {line[1:] for line in ignored if line.startswith("!")} == copied


def test_it_runs_our_program_as_a_user_without_rights() -> None:
    *_, user = re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE)
    assert user not in ("root", "0")
    (program,) = re.findall(r'^ENTRYPOINT \["(.*)"\]$', DOCKERFILE, re.MULTILINE)
    assert program in PROJECT["scripts"]
    (python,) = re.findall(r"^ARG PYTHON=(.*)$", DOCKERFILE, re.MULTILINE)
    assert f"Programming Language :: Python :: {python}" in PROJECT["classifiers"]


@pytest.fixture(scope="module")
def image() -> str:
    if reason := why_not():
        pytest.skip(reason)
    built = docker("build", "--tag", TAG, ".")
    assert built.returncode == 0, built.stderr
    return TAG


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_it_audits_what_is_mounted(image, tmp_path) -> None:
    export, features = digits_export(tmp_path, 200)
    tmp_path.chmod(0o777)
    volume = ("run", "--rm", "--volume", f"{tmp_path}:/data", image)
    done = docker(*volume, "audit", export.name, "--features", features.name, "--arch", "2-L", "--out", "audit")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "audit/report.html").stat().st_uid != 0
    assert docker(*volume, "gate", "audit", "--policy", "missing.toml").returncode == 3


@pytest.mark.slow
def test_it_helps_whoever_the_user_is(image) -> None:
    done = docker("run", "--rm", "--user", "4321:4321", image, "doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Usage: ntk-labelqa" in docker("run", "--rm", image).stdout
