"""Audits by several processes: the same findings, and no process is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest

from tests.cli.test_interrupts import IN_TIME, START
from tests.exports import digits_export

WAITS_FOR_A_WORKER = """
import os, sys
def asleep(number):
    time.sleep(60)
def working():
    from ntk_labelqa.gram.cluster import client_of
    client = client_of("local")
    print(*client.run(os.getpid).values(), flush=True)
    waited_for = client.map(asleep, range(4))
    running()
    client.gather(waited_for)
"""


def audit(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ntk_labelqa", "audit", *map(str, arguments), "--arch", "2-L", "--landmarks", "60"]
    environment = os.environ | {"NTK_LABELQA_CACHE": str(folder / "cache")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_an_audit_by_workers_finds_the_same(tmp_path: Path) -> None:
    export, features = digits_export(tmp_path, 400)
    for name, more in (("one", ()), ("several", ("--scheduler", "local"))):
        done = audit(tmp_path, export, "--features", features, "--out", name, *more)
        assert done.returncode == 0, done.stderr
    assert "In one panel of 400 items, by " in done.stderr
    one, several = (pd.read_parquet(tmp_path / name / "findings.parquet") for name in ("one", "several"))
    assert one["is_label_issue"].any()
    assert (one["is_label_issue"] == several["is_label_issue"]).all()
    assert (one["error_probability"] - several["error_probability"]).abs().max() < 1e-5
    recorded = [json.loads((tmp_path / name / "audit.json").read_text())["options"] for name in ("one", "several")]
    assert [options["scheduler"] for options in recorded] == [None, "local"]


@pytest.mark.slow
def test_a_scheduler_that_does_not_answer_is_exit_code_3(tmp_path: Path) -> None:
    export, features = digits_export(tmp_path, 120)
    done = audit(tmp_path, export, "--features", features, "--out", "audit", "--scheduler", "tcp://127.0.0.1:9")
    assert done.returncode == 3
    assert "No scheduler answers at tcp://127.0.0.1:9." in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_no_scheduler_is_wrong_usage(tmp_path: Path) -> None:
    done = audit(tmp_path, "export.json", "--out", "audit", "--scheduler", "everywhere")
    assert done.returncode == 2
    assert "'everywhere' is neither 'local' nor an address such as tcp://host:8786" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "words"), [(signal.SIGINT, 130, "Interrupted."), (signal.SIGTERM, 143, "Terminated.")]
)
def test_no_worker_is_left_after_a_signal(number: int, code: int, words: str) -> None:
    """A terminal sends it to all processes of the command."""
    program = [sys.executable, "-c", f'{START}\n{WAITS_FOR_A_WORKER}\nentry.main(["doctor"])']
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        workers = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
        assert workers
        assert process.stdout.readline() == "running\n"
        time.sleep(0.5)
        began = time.monotonic()
        os.killpg(process.pid, number)
        process.wait(timeout=60)
        seconds = time.monotonic() - began
        _, left = psutil.wait_procs(workers, timeout=2)
        said = process.stderr.read() if process.stderr else ""
    assert process.returncode == code
    assert seconds < IN_TIME
    assert not left
    assert said == f"{words}\n"
