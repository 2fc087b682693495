"""Two audits into one folder: one runs, the other says who does; a killed one is in nobody's way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ntk_labelqa.audit_lock import only_audit
from ntk_labelqa.errors import LabelQAError
from tests.exports import digits_export

HOLD = """
import sys, time
from pathlib import Path
from ntk_labelqa.audit_lock import only_audit
with only_audit(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """A process of its own that holds the lock of ``audit``."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "audit")], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def audit(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ntk_labelqa", "audit", str(folder / "export.json"), "--arch", "linear", "--quiet"]
    return subprocess.run(
        [*command, "--out", str(folder / "audit"), *options], capture_output=True, text=True, check=False, timeout=400
    )


@pytest.mark.long
def test_the_second_audit_says_who_runs_and_leaves(tmp_path, holder) -> None:
    digits_export(tmp_path, 60)
    done = audit(tmp_path)
    assert done.returncode == 3
    assert f"under way: process {holder.pid} on " in done.stderr
    assert not (tmp_path / "audit").exists()


@pytest.mark.long
def test_a_killed_audit_leaves_nothing_that_needs_a_hand(tmp_path, holder) -> None:
    digits_export(tmp_path, 60)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / ".audit.lock").exists()
    done = audit(tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "audit" / "audit.json").exists()
    assert not (tmp_path / ".audit.lock").exists()


@pytest.mark.long
def test_two_real_audits_started_at_once(tmp_path) -> None:
    path, _ = digits_export(tmp_path, 60)
    command = [sys.executable, "-m", "ntk_labelqa", "audit", str(path), "--arch", "linear", "--quiet", "--out"]
    both = [
        subprocess.Popen([*command, str(tmp_path / "audit")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=400)[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 3]
    # Whichever was late finds the other at it, or, on a slow start, its finished audit.
    assert any("is under way" in text or "already holds an audit" in text for text in said)


def test_the_lock_is_given_back_and_taken_again(tmp_path) -> None:
    for _ in range(3):
        with only_audit(tmp_path / "deep" / "audit"):
            signed = json.loads((tmp_path / "deep" / ".audit.lock").read_text())
            assert signed["process"] == os.getpid()
            with pytest.raises(LabelQAError, match="under way"), only_audit(tmp_path / "deep" / "audit"):
                pass
        assert os.listdir(tmp_path / "deep") == []


def test_a_failing_audit_gives_the_lock_back(tmp_path) -> None:
    with pytest.raises(ZeroDivisionError), only_audit(tmp_path / "audit"):
        raise ZeroDivisionError
    with only_audit(tmp_path / "audit"):
        pass
