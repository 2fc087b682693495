"""The cache is optional: without a home folder nothing is kept, and everything works."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from ntk_labelqa import cache
from ntk_labelqa.cli.entry import run
from ntk_labelqa.errors import LabelQAError
from tests.exports import digits_export


def nobody(number: int) -> None:
    raise KeyError(number)


@pytest.fixture
def homeless(monkeypatch, tmp_path) -> None:
    """A user without a home folder and without an entry among the system's users."""
    for name in ("HOME", "XDG_CACHE_HOME", cache.VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.chdir(tmp_path)


def test_without_a_home_the_cache_is_one_that_goes_with_the_process(homeless) -> None:
    root = cache.cache_root()
    assert root.is_absolute()
    assert root == cache.cache_root()
    assert root.is_dir()
    assert cache.lasting_root() is None


def test_a_home_that_cannot_be_written_to_is_as_good_as_none(homeless, monkeypatch, tmp_path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    assert cache.lasting_root() is None
    assert tmp_path not in cache.cache_root().parents


def test_without_any_folder_it_is_said(homeless, monkeypatch) -> None:
    cache._of_this_process.cache_clear()
    monkeypatch.setattr("tempfile.gettempdir", lambda: (_ for _ in ()).throw(FileNotFoundError(2, "No usable folder")))
    with pytest.raises(LabelQAError, match=cache.VARIABLE):
        cache.cache_root()


def test_what_was_named_is_taken(monkeypatch) -> None:
    monkeypatch.setenv(cache.VARIABLE, "some/where")
    assert cache.cache_root() == cache.lasting_root() == Path("some/where")


@pytest.mark.long
def test_an_audit_without_a_home(tmp_path) -> None:
    source, _ = digits_export(tmp_path, 60)
    program = f"""
import pwd
def nobody(number):
    raise KeyError(number)
pwd.getpwuid = nobody
from ntk_labelqa.cli.entry import main
main(["audit", {str(source)!r}, "--out", "audit", "--arch", "linear", "--quiet"])
"""
    gone = ("HOME", "XDG_CACHE_HOME", "MPLCONFIGDIR", cache.VARIABLE)
    environment = {name: value for name, value in os.environ.items() if name not in gone}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "~").exists()


def test_a_model_is_not_fetched_to_be_thrown_away(homeless, capfd) -> None:
    assert run(["encoders", "fetch", "hf:nobody/nothing"]) == 3
    assert "no folder to keep models in" in capfd.readouterr().err
