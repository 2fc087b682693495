"""The page that ``python -m benchmarks.gpu`` writes, at sizes that say nothing of speed."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest

from benchmarks.gpu import table1
from benchmarks.gpu.__main__ import SECTIONS, Section, written
from benchmarks.gpu.correctness import compared
from ntk_labelqa import runtime
from ntk_labelqa.gram import arrays
from ntk_labelqa.gram.matrix import prepare

MACHINE = SECTIONS[0]


def test_what_fails_or_takes_too_long_leaves_the_other_sections(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    sections = (
        MACHINE,
        Section("shares --no-such-option", "Broken", 60),
        Section("audits", "Slow", 0.2),
        Section("machine", "Last", 60),
    )
    assert not written(sections, tmp_path / "page.md", ["--small"], None, 600)
    page = (tmp_path / "page.md").read_text()
    parts = dict(part.split("\n", 1) for part in page.split("\n## ")[1:])
    assert "tiny sizes" in parts["The machine"]
    assert "status 2" in parts["Broken"]
    assert "no-such-option" in parts["Broken"]
    assert "stopped after 0 s, its limit" in parts["Slow"]
    assert "| device | cpu" in parts["Last"]


def test_a_section_without_time_left_is_left_out_and_the_page_says_so(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.setattr("benchmarks.gpu.__main__.LEAST", 1000.0)
    sections = (MACHINE, Section("machine", "Second", 2000))
    assert not written(sections, tmp_path / "page.md", ["--small"], None, 300)
    assert "## Second\n\nLeft out: " in (tmp_path / "page.md").read_text()


def test_without_a_gpu_full_sizes_are_not_begun(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert not written(SECTIONS, tmp_path / "page.md", [], None, 600)
    page = (tmp_path / "page.md").read_text()
    assert "jax sees no GPU here" in page
    assert page.count("\n## ") == 1


def test_a_clone_that_is_not_installed_has_versions(monkeypatch) -> None:
    def version(name: str) -> str:
        if name == "ntk-labelqa":
            raise PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(runtime, "version", version)
    assert runtime.versions()["ntk-labelqa"] == "not installed"
    assert runtime.versions()["jax"] == "1.0"


def test_a_probability_may_differ_by_rounding_and_a_flag_where_it_is_a_tie_alone(capsys) -> None:
    exact = {"probability/float32": np.array([0.2, 0.5, 0.9]), "flag/float32": np.array([False, False, True])}
    tie = {"probability/float32": np.array([0.2, 0.500001, 0.9]), "flag/float32": np.array([False, True, True])}
    assert compared("probability/float32", tie, exact)
    for field, values in (("probability", [0.2, 0.5, 0.9001]), ("probability", [0.2, 0.5, np.nan])):
        assert not compared("probability/float32", exact | {f"{field}/float32": np.array(values)}, exact)
    assert not compared("probability/float32", exact | {"flag/float32": np.array([True, False, True])}, exact)
    assert "1 otherwise than on the processor, 0 no ties" in capsys.readouterr().out


def test_float32_is_compared_with_float64(capsys) -> None:
    exact = {"kernel/2-L/float32": np.array([[9.0]]), "kernel/2-L/float64": np.array([[2.0]])}
    assert compared("kernel/2-L/float32", {"kernel/2-L/float32": np.array([[2.00001]], np.float32)}, exact)
    assert not compared("kernel/2-L/float32", {"kernel/2-L/float32": np.array([[2.0001]], np.float32)}, exact)


def test_what_is_not_computed_in_time_is_said_to_be_a_share(monkeypatch) -> None:
    monkeypatch.setattr(arrays, "on_accelerator", lambda: True)
    monkeypatch.setattr(table1, "TILES", 2)
    kernel, inputs = prepare(np.random.default_rng(0).normal(size=(24, 5, 5)), "CNN-1", "float32")
    monkeypatch.setattr("ntk_labelqa.gram.tiles.ACCELERATOR_TILE", 8**2 * kernel.bytes_per_pair(inputs))
    there = arrays.to_device(inputs[:])
    assert table1.added(kernel, inputs[:], there, 0)[1] == 2 / 6
    assert table1.added(kernel, inputs[:], there, 60)[1] == 1
    corners = arrays.to_device(table1.corners_of(24, 8))
    total = float(table1.tiles_added(kernel, 8, there, corners))
    whole = kernel.block(inputs[:])
    expected = sum(whole[a : a + 8, b : b + 8].sum(dtype=float) for a in (0, 8, 16) for b in (0, 8, 16) if b >= a)
    assert total == pytest.approx(expected, rel=1e-6)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_all_sections_go_through(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    page = tmp_path / "page.md"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu", "--out", str(page), "--small", "--minutes", "24"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, page.read_text() + done.stderr
    parts = dict(part.split("\n", 1) for part in page.read_text().split("\n## ")[1:])
    assert list(parts) == [section.title for section in SECTIONS]
    assert "**no**" not in parts["Correctness"]
    for architecture in ("2-L", "10-L", "CNN-1", "CNN-2", "CNN-3"):
        assert f"\n| {architecture} | " in parts["The paper's Table 1"]
    assert "from arrays to findings" in parts["Whole audits of 60,000 images"]
    assert "\n| second moment | " in parts["Shares of the card's limits"]
