"""Ctrl-C and SIGTERM end every stage within two seconds, with one line, and with nothing half-written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.labelstudio.samples import annotation, choice, task
from tests.labelstudio.web import Reply, serving

IN_TIME = 2.0
START = """
import click, sys, threading, time
from ntk_labelqa.cli import commands, entry
@click.command()
def doctor():
    try:
        working()
    finally:
        print("cleaned up", flush=True)
def running():
    print("running", flush=True)
commands.LazyGroup.get_command = lambda *_: doctor
"""
SLEEPS = """
def working():
    running()
    time.sleep(60)
"""
INVERTS = """
import numpy as np
def working():
    matrix = np.eye(7000) + 1e-4
    running()
    np.linalg.inv(matrix)
"""
THREAD_HANGS = """
from concurrent.futures import ThreadPoolExecutor
def working():
    pool = ThreadPoolExecutor(1)
    hanging = pool.submit(threading.Event().wait)
    running()
    try:
        hanging.result()
    finally:
        pool.shutdown(wait=False)
"""
SWALLOWED = """
class Swallows:
    def __del__(self):
        time.sleep(60)
def working():
    running()
    Swallows()
    time.sleep(60)
"""
READS = """
from pathlib import Path
from ntk_labelqa.labelstudio.reading.export_file import read_export
def working():
    running()
    read_export(Path({path!r}))
"""
SIGNALS = [(signal.SIGINT, 130, "Interrupted."), (signal.SIGTERM, 143, "Terminated.")]


def ended(process: subprocess.Popen[str], number: int) -> tuple[float, str, str]:
    """Seconds until *process* ends after the signal, and what it has printed and said by then."""
    began = time.monotonic()
    process.send_signal(number)
    out, said = process.communicate(timeout=120)
    return time.monotonic() - began, out, said


@pytest.mark.long
@pytest.mark.parametrize(("number", "code", "words"), SIGNALS)
@pytest.mark.parametrize(
    ("work", "unwinds"), [(SLEEPS, True), (INVERTS, False), (THREAD_HANGS, True), (SWALLOWED, True)]
)
def test_whatever_is_being_done(work: str, unwinds: bool, number: int, code: int, words: str) -> None:
    program = [sys.executable, "-c", f'{START}\n{work}\nentry.main(["doctor"])']
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        time.sleep(0.2)
        seconds, out, said = ended(process, number)
    assert process.returncode == code
    assert seconds < IN_TIME
    assert words in said.splitlines()
    assert ("cleaned up" in out) is unwinds
    if unwinds:
        assert said == f"{words}\n"


@pytest.mark.long
@pytest.mark.parametrize(("number", "code", "words"), SIGNALS)
def test_while_a_large_export_is_read(tmp_path: Path, number: int, code: int, words: str) -> None:
    one = json.dumps(task(1, annotation(1, choice("a"))) | {"meta": ["x"] * 20}).encode()
    path = tmp_path / "export.json"
    path.write_bytes(b"[" + b",".join([one] * 800_000) + b"]")
    program = [sys.executable, "-c", f'{START}\n{READS.format(path=str(path))}\nentry.main(["doctor"])']
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        time.sleep(1.0)
        seconds, out, said = ended(process, number)
    path.unlink()  # 200 MB
    assert (process.returncode, out, said) == (code, "cleaned up\n", f"{words}\n")
    assert seconds < IN_TIME


@pytest.mark.long
@pytest.mark.parametrize("work", [SLEEPS, THREAD_HANGS])
def test_the_log_for_machines_ends_with_a_record(work: str) -> None:
    program = [sys.executable, "-c", f'{START}\n{work}\nentry.main(["--log", "json", "doctor"])']
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        _, _, said = ended(process, signal.SIGTERM)
    records = [json.loads(line) for line in said.splitlines()]
    assert "Terminated." in {record["message"] for record in records}
    assert (records[-1]["event"], records[-1]["exit_code"]) == ("summary", 143)


@pytest.mark.long
@pytest.mark.parametrize(("number", "code", "words"), SIGNALS)
def test_while_images_are_waited_for(tmp_path: Path, number: int, code: int, words: str) -> None:
    with serving(lambda _request: Reply(b"x" * 100, pause=0.5)) as web:
        images = [task(row, annotation(row, choice("ab"[row % 2], to_name="image"))) for row in range(1, 9)]
        for row, one in enumerate(images):
            one["data"] = {"image": f"{web.url}/{row}.png"}
        (tmp_path / "export.json").write_text(json.dumps(images))
        command = [sys.executable, "-m", "ntk_labelqa", "audit", "export.json", "--out", "audit"]
        command += ["--allow-host", "127.0.0.1"]
        environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment
        ) as process:
            while len(web.requests) < 4:
                time.sleep(0.02)
                assert process.poll() is None, process.communicate()
            seconds, out, said = ended(process, number)
    assert process.returncode == code
    assert seconds < IN_TIME
    assert out == ""
    assert said.splitlines()[-1] == words
    assert "Traceback" not in said
    assert {path.name for path in tmp_path.iterdir()} <= {"cache", "export.json"}
