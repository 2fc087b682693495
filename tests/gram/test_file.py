"""The Gram matrix in a file: whole or not there, and resumed after a kill."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ntk_labelqa.errors import InvalidInputError, MemoryBudgetError
from ntk_labelqa.gram.file import gram_file
from ntk_labelqa.gram.matrix import gram_matrix

LIMIT = 12 * 100
"""Tiles of ten items."""


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(95, 8))


def test_the_same_values_as_in_memory(features, tmp_path: Path) -> None:
    mapped = gram_file(tmp_path / "gram.npy", features, memory_limit=LIMIT)
    assert isinstance(mapped, np.memmap)
    assert np.abs(mapped - gram_matrix(features, dtype="float32")).max() < 1e-6
    assert [path.name for path in tmp_path.iterdir()] == ["gram.npy"]


@pytest.mark.long
def test_a_killed_run_goes_on_where_it_was(features, tmp_path: Path) -> None:
    script = f"""
import time, numpy as np
from ntk_labelqa.gram.file import gram_file
features = np.random.default_rng(0).normal(size=(95, 8))
def slowly(done, strips):
    print(done, flush=True)
    time.sleep(1)
gram_file("gram.npy", features, memory_limit={LIMIT}, progress=slowly)
"""
    with subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        for line in run.stdout:
            if int(line) == 4:
                run.send_signal(signal.SIGKILL)
                break
    assert not (tmp_path / "gram.npy").exists()
    steps: list[int] = []
    mapped = gram_file(tmp_path / "gram.npy", features, memory_limit=LIMIT, progress=lambda done, _: steps.append(done))
    assert steps == list(range(5, 13))
    assert np.abs(mapped - gram_matrix(features, dtype="float32")).max() < 1e-6


def test_parts_of_other_items_are_not_taken_up(features, tmp_path: Path) -> None:
    def stop(done: int, _: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gram_file(tmp_path / "gram.npy", features, memory_limit=LIMIT, progress=stop)
    mapped = gram_file(tmp_path / "gram.npy", -(features[:50] ** 2), memory_limit=LIMIT)
    assert np.abs(mapped - gram_matrix(-(features[:50] ** 2), dtype="float32")).max() < 1e-6


def test_a_file_that_is_there_is_kept(features, tmp_path: Path) -> None:
    (tmp_path / "gram.npy").write_text("mine")
    with pytest.raises(InvalidInputError, match="exists"):
        gram_file(tmp_path / "gram.npy", features)
    assert (tmp_path / "gram.npy").read_text() == "mine"


def test_a_disk_too_small_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MemoryBudgetError, match="on disk"):
        gram_file(tmp_path / "gram.npy", np.ones((5_000_000, 1)))
    assert not list(tmp_path.iterdir())
