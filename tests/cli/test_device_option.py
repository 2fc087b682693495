"""What is compiled for a GPU is kept for the next process."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from ntk_labelqa import InvalidInputError, LabelAudit
from ntk_labelqa.cli.options import use_device

KEPT = "JAX_COMPILATION_CACHE_DIR"
VARIABLES = (KEPT, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "JAX_PLATFORMS")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A cache folder of its own, and nothing said to jax; what is said is taken back."""
    monkeypatch.setattr(os, "environ", {"NTK_LABELQA_CACHE": str(tmp_path)})


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """jax's plugin for NVIDIA's GPUs is installed."""
    find = importlib.util.find_spec

    def found(name: str, *args: str) -> importlib.machinery.ModuleSpec | None:
        return importlib.machinery.ModuleSpec(name, None) if name == "jax_cuda12_plugin" else find(name, *args)

    monkeypatch.setattr(importlib.util, "find_spec", found)


@pytest.mark.usefixtures("gpu")
def test_programs_for_a_gpu_are_kept(tmp_path: Path) -> None:
    use_device("auto")
    assert os.environ[KEPT] == str(tmp_path / "programs")


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_said_to_be_missing() -> None:
    with pytest.raises(InvalidInputError, match="jax sees no gpu on this machine"):
        use_device("gpu")
    with pytest.raises(InvalidInputError, match="jax sees no gpu on this machine"):
        LabelAudit(device="gpu").fit(np.eye(4), [0, 0, 1, 1])
    with pytest.raises(InvalidInputError, match="Pass 'auto', 'cpu' or 'gpu'"):
        LabelAudit(device="tpu").fit(np.eye(4), [0, 0, 1, 1])


@pytest.mark.usefixtures("gpu")
def test_what_the_user_said_stays() -> None:
    os.environ[KEPT] = "elsewhere"
    use_device("auto")
    assert os.environ[KEPT] == "elsewhere"


@pytest.mark.usefixtures("gpu")
def test_a_processor_keeps_none_with_a_gpu_at_hand() -> None:
    use_device("cpu")
    assert KEPT not in os.environ


def test_a_processor_keeps_none() -> None:
    use_device("auto")
    assert KEPT not in os.environ


PROGRAMS = """
import os
import jax
import numpy as np
from ntk_labelqa.gram import arrays

compiled = []
jax.monitoring.register_event_duration_secs_listener(
    lambda event, *_, **__: compiled.append(event) if event == "/jax/core/compile/backend_compile_duration" else None
)
hits = []
jax.monitoring.register_event_listener(
    lambda event, **_: hits.append(event) if event == "/jax/compilation_cache/cache_hits" else None
)
arrays.on_accelerator = lambda: True

from ntk_labelqa.gram.choose import invert
from ntk_labelqa.diagnostics.label_issues import find_issues
from ntk_labelqa.label_model.annotations import Annotations

random = np.random.default_rng(0)
codes = random.integers(0, 3, 400)
inverse = invert(np.eye(3)[codes] + random.normal(0, 0.3, (400, 3)), np.eye(3)[codes], architecture="2-L", landmarks=50)
find_issues(inverse, Annotations.of_codes(codes, 3))
print(len(compiled), len(hits))
"""


@pytest.mark.slow
def test_a_second_process_compiles_nothing(tmp_path: Path) -> None:
    """On jax's processor, which takes the way of an accelerator here."""
    environment = {
        **os.environ,
        "PATH": "/usr/bin:/bin",
        KEPT: str(tmp_path / "programs"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, "-c", PROGRAMS]
    runs = [subprocess.run(command, env=environment, check=True, capture_output=True, text=True) for _ in range(2)]
    (first, found), (again, found_again) = (tuple(map(int, run.stdout.split())) for run in runs)
    assert found == 0
    assert first <= 30
    assert first == again, "the same programs are asked for"
    assert found_again == again, "and all of them are found"
