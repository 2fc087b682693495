"""What others have written reaches a terminal without the characters that steer it, whatever command prints it."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from ntk_labelqa.errors import LabelQAError
from ntk_labelqa.shown import printable
from tests.gate.audits import audit_of, with_findings, write_policy
from tests.labelstudio.reviews import answer
from tests.labelstudio.samples import KEY, USER
from tests.labelstudio.studio import REVIEWER, Studio, served
from tests.labelstudio.test_odd_answers import SOURCE, Case, labelled

pytestmark = pytest.mark.long  # a dozen starts of the program
EVIL = "\x1b]0;FOREIGN\x07\x9b31m\r\u202e\x7f"
SHOWN = "\\u001b]0;FOREIGN"
STEERING = [character.encode() for character in EVIL if not character.isprintable()]
PROGRAM = [sys.executable, "-m", "ntk_labelqa"]


def said(*arguments: object, code: int = 0, **environment: str) -> bytes:
    """Both streams of the command, which must not hold a character that steers a terminal."""
    command = [*PROGRAM, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, check=False, env={**os.environ, **environment})
    out = done.stdout + done.stderr
    assert done.returncode == code, out
    for character in STEERING:
        assert character not in out
    return out


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts, classes and people that hold EVIL; a tenth of the labels is wrong."""
    folder = tmp_path_factory.mktemp("export")
    chance = np.random.default_rng(0)
    right = np.arange(90) % 3
    given = np.where(np.arange(90) % 10 == 0, (right + 1) % 3, right)
    tasks: list[dict[str, Any]] = []
    for row, label in enumerate(given.tolist()):
        value = {"choices": [f"{EVIL}{label}"]}
        result = {"from_name": f"c{EVIL}", "to_name": "text", "type": "choices", "value": value}
        by = {"id": row % 2 + 1, "email": f"{row % 2}{EVIL}@example.org"}
        one = {"id": row + 1, "completed_by": by, "result": [result]}
        tasks.append({"id": row + 1, "data": {"text": f"{EVIL} {row}"}, "annotations": [one]})
    (folder / "export.json").write_text(json.dumps(tasks))
    features = np.eye(3)[right] + chance.normal(0, 0.1, (90, 3))
    np.savez(folder / "features.npz", ids=np.arange(90) + 1, features=features)
    return folder


@pytest.mark.parametrize("form", ["text", "json", "markdown", "junit"])
def test_a_gate(tmp_path: Path, form: str) -> None:
    folder = with_findings(audit_of(wrong=4), annotator=EVIL).save(tmp_path / "audit")
    policy = write_policy(tmp_path, 'check = "annotator_error_rate"\nat_most = 0.0')
    text = said("gate", folder, "--policy", policy, "--format", form, code=1)
    assert b"FOREIGN" in text
    if form == "json":
        assert json.loads(text)["exit_code"] == 1


def test_audits(export: Path, tmp_path: Path) -> None:
    file, features = export / "export.json", export / "features.npz"
    said("audit", file, "--features", features, "--arch", "linear", "--out", tmp_path / "audit")
    said("history", tmp_path / "audit")


def test_schemes(export: Path) -> None:
    text = said("schemes", export / "export.json", "--features", export / "features.npz", "--arch", "linear")
    assert b"FOREIGN" in text


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_an_error_that_names_a_file(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / f"{EVIL}.json"
    path.write_text("{}")
    environment = {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    assert b"FOREIGN" in said("audit", path, "--out", tmp_path / "audit", code=3, **environment)
    assert b"FOREIGN" in said("audit", f"{path}x", "--out", tmp_path / "audit", code=3, **environment)
    assert b"FOREIGN" in said("gate", f"--{EVIL}", code=2, **environment)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Studio]:
    with served(labelled()) as one:
        monkeypatch.setenv("LABEL_STUDIO_URL", one.web.url)
        monkeypatch.setenv("LABEL_STUDIO_API_KEY", KEY)
        monkeypatch.setenv("NTK_LABELQA_CACHE", str(tmp_path / "cache"))
        yield one


def on_a_terminal(*command: str) -> str:
    """What the command writes to a terminal of its own."""
    ours, its = pty.openpty()
    chunks = []
    with subprocess.Popen(command, stdin=its, stdout=its, stderr=its) as process:
        os.close(its)
        with suppress(OSError):  # the other end is closed
            while chunk := os.read(ours, 65536):
                chunks.append(chunk)
        process.wait()
    os.close(ours)
    return b"".join(chunks).decode()


def test_a_server(server: Studio, tmp_path: Path) -> None:
    person = USER | {"email": f"{EVIL}@example.org"}
    told = {"whoami": httpx.Response(200, json=person), "users": httpx.Response(200, json=[person])}
    server.change = lambda name, right: told.get(name, right)
    case = Case(server, tmp_path)
    folder = case.audit.save(tmp_path / "audit")
    case.reviewed()
    for task in list(server.tasks.values()):
        if "suggested_label" in task["data"]:
            server.add_annotation(task["id"], *answer("keep"), by=REVIEWER)
    text = said("decisions", folder)
    assert SHOWN.encode() in text
    refused = httpx.Response(400, json={"detail": f"no {EVIL}"})
    server.change = lambda name, right: refused if name == "project" else right
    text = said("audit", "--project", SOURCE, "--out", tmp_path / "new", code=3)
    assert f"status 400: no {SHOWN}".encode() in text


def test_a_table_in_colours(server: Studio) -> None:
    person = httpx.Response(200, json=USER | {"email": f"{EVIL}@example.org"})
    server.change = lambda name, right: person if name == "whoami" else right
    shown = on_a_terminal(*PROGRAM, "doctor")
    assert "\x1b[32m" in shown, "our own colours are there"
    assert "FOREIGN" in shown
    assert not re.search("\x1b]0;|\x9b|\x07|\u202e|\x7f", shown)


def test_a_note_beside_a_bar() -> None:
    program = f"""
import click
from ntk_labelqa.cli import commands, entry
from ntk_labelqa.progress import Stages
@click.command()
def doctor():
    with Stages().stage("Working") as tick:
        Stages().note({EVIL!r})
        tick(1, 2)
commands.LazyGroup.get_command = lambda *_: doctor
entry.main(["doctor"])
"""
    shown = on_a_terminal(sys.executable, "-c", program)
    assert "\x1b[2K" in shown, "the bar is drawn"
    assert SHOWN in shown
    assert not re.search("\x1b]0;|\x9b|\x07|\u202e|\x7f", shown)


def test_an_error_in_python() -> None:
    error = LabelQAError(f"a{EVIL}", why=EVIL, remedy=EVIL)
    assert str(error) == " ".join([f"a{printable(EVIL)}", printable(EVIL), printable(EVIL)])
    assert str(error).isprintable()
