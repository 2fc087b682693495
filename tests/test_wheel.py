"""What the wheel says of itself, and what is in it."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from email import message_from_string
from email.message import Message
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    return ZipFile(next(folder.glob("*.whl")))


@pytest.fixture(scope="module")
def said(wheel) -> Message:
    return message_from_string(wheel.read(next(n for n in wheel.namelist() if n.endswith("/METADATA"))).decode())


def test_it_says_what_it_is(said) -> None:
    assert said["Name"] == "ntk-labelqa"
    assert said["Requires-Python"].replace(" ", "") in ("<3.14,>=3.11", ">=3.11,<3.14")
    assert said["Description-Content-Type"] == "text/markdown"
    assert said.get_payload().startswith("# ntk-labelqa")
    assert "label noise" in said["Keywords"]
    classifiers = said.get_all("Classifier")
    assert "Typing :: Typed" in classifiers
    versions = [c.rsplit(" ", 1)[1] for c in classifiers if c.startswith("Programming Language :: Python :: 3.")]
    assert versions == ["3.11", "3.12", "3.13"]


def test_a_plain_installation_is_lean(said) -> None:
    needed = [line for line in said.get_all("Requires-Dist") if "extra ==" not in line]
    assert len(needed) == len(PROJECT["dependencies"])
    heavy = ("neural-tangents", "tensorflow", "torch", "dask", "sentence-transformers", "onnxruntime", "label-studio>")
    assert not [line for line in needed if line.startswith(heavy)]
    assert set(said.get_all("Provides-Extra")) == set(PROJECT["optional-dependencies"])


def test_every_file_of_the_package_is_inside_and_nothing_else(wheel) -> None:
    inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
    tracked = subprocess.run(["git", "ls-files", "ntk_labelqa"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert inside >= set(tracked.stdout.split())
    assert all(name.startswith("ntk_labelqa/") for name in inside)
    assert {"ntk_labelqa/py.typed", "ntk_labelqa/gate/labelqa.toml", "ntk_labelqa/report/templates/report.js"} <= inside
    assert not [name for name in inside if name.endswith((".pyc", ".ipynb"))]


def test_its_program_is_the_command_line(wheel) -> None:
    points = wheel.read(next(n for n in wheel.namelist() if n.endswith("/entry_points.txt"))).decode()
    assert "ntk-labelqa = ntk_labelqa.cli.entry:main" in points
