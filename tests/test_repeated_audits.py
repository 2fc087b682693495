"""A process that audits again and again, each time one text more, takes no more memory than after its tenth audit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "repeated_audits.py"


@pytest.mark.slow
def test_a_hundred_audits_in_one_process() -> None:
    asked = ["--audits", "100", "--items", "60", "--arch", "linear", "--growing", "--most", "1.05"]
    done = subprocess.run([sys.executable, str(SCRIPT), *asked], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
