"""What works where the packages of the extras are not installed, and that each extra is what the texts say it is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import metadata, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.exports import digits_export

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
TEXTS = [
    ROOT / "README.md",
    *(path for folder in ("ntk_labelqa", "docs", "integrations") for path in sorted((ROOT / folder).rglob("*.*"))),
]
HIDE = """
# Python runs a module of this name at every start.
from importlib.machinery import PathFinder
from importlib.metadata import Distribution, PackageNotFoundError

find_spec, from_name = PathFinder.find_spec, Distribution.from_name

def find_others(name, path=None, target=None):
    return None if name.partition(".")[0] == "neural_tangents" else find_spec(name, path, target)

def others(name):
    if name == "neural-tangents":
        raise PackageNotFoundError(name)
    return from_name(name)

PathFinder.find_spec, Distribution.from_name = find_others, others
"""


@pytest.fixture
def without(tmp_path):
    """Runs a program of Python in *tmp_path* as where neural-tangents is not installed."""
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden/sitecustomize.py").write_text(HIDE)
    places = [str(tmp_path / "hidden"), str(ROOT), os.environ.get("PYTHONPATH", "")]

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)

    return run


def test_neural_tangents_is_hidden_from_these_programs(without) -> None:
    assert "ModuleNotFoundError" in without("-c", "import neural_tangents").stderr
    asked = without("-c", "from importlib.metadata import version; version('neural-tangents')")
    assert "PackageNotFoundError" in asked.stderr


@pytest.mark.long
def test_an_audit_needs_no_neural_tangents(without, tmp_path) -> None:
    export, features = digits_export(tmp_path, 120)
    done = without("-m", "ntk_labelqa", "audit", export, "--features", features, "--arch", "2-L", "--out", "audit")
    assert done.returncode == 0, done.stderr
    versions = json.loads((tmp_path / "audit/audit.json").read_text())["versions"]
    assert "jax" in versions
    assert "neural-tangents" not in versions
    assert "jax" in (tmp_path / "audit/report.html").read_text()


@pytest.mark.long
def test_doctor_needs_no_neural_tangents(without) -> None:
    done = without("-m", "ntk_labelqa", "doctor")
    assert done.returncode == 0, done.stderr
    assert "scikit-learn" in done.stdout
    assert "neural-tangents" not in done.stdout


@pytest.mark.long
def test_a_network_of_ones_own_names_what_is_missing(without, tmp_path) -> None:
    (tmp_path / "mine.py").write_text("from neural_tangents import stax\nnetwork = stax.serial(stax.Dense(1))\n")
    export, features = digits_export(tmp_path, 120)
    done = without(
        "-m", "ntk_labelqa", "audit", export, "--features", features, "--arch", "mine:network", "--out", "audit"
    )
    assert done.returncode == 3
    assert "pip install 'ntk-labelqa[networks]'" in done.stderr
    assert "pip install --no-deps neural-tangents frozendict" in done.stderr


@pytest.mark.parametrize("extra", EXTRAS)
def test_every_extra_brings_what_some_code_imports(extra: str) -> None:
    code = "\n".join(path.read_text() for path in TEXTS if path.suffix == ".py")
    for needed in map(Requirement, EXTRAS[extra]):
        # jax is always here, in a release that may be too old for the extra.
        if needed.extras and needed.specifier.contains(version(needed.name)):
            assert needed.extras <= set(metadata(needed.name).get_all("Provides-Extra"))
        name = needed.name.replace("-", "_")
        assert re.search(rf'(?:import|from) {name}\b|"{name}"', code), f"nothing uses {needed.name}"


def test_every_extra_that_a_text_names_exists() -> None:
    named = {
        extra
        for path in TEXTS
        if path.suffix in (".py", ".md", ".yml", ".yaml")
        for extra in re.findall(r"(?:ntk-labelqa|\.)\[([\w,-]+)\]'", path.read_text())
    }
    assert "embeddings" in named
    assert {one for each in named for one in each.split(",")} <= EXTRAS.keys()
