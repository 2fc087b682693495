"""No key, token, password or login in anything that a run prints or leaves behind."""

from __future__ import annotations

import gzip
import json
import logging
import os
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import jwt
import pandas as pd
import pytest
from label_studio_sdk.core.api_error import ApiError

from ntk_labelqa import shown
from ntk_labelqa.cli import commands, entry, run_log
from ntk_labelqa.cli.entry import run
from ntk_labelqa.demo import environment
from ntk_labelqa.demo import server as demo_server
from ntk_labelqa.progress import Stages
from tests.labelstudio.samples import CONFIG, choice
from tests.labelstudio.studio import OWNER, Studio, accept_all, served

LOGIN = "me:hu5h-p4ssword"
WORDS = {"sport": "goal team match ball player", "space": "orbit moon rocket launch star", "cars": "engine wheel road"}


EXPIRES = 4_102_444_800
"""In 2100, in seconds since 1970: tests are called after tokens, in each worker alike."""


def token(kind: str, number: int) -> str:
    claims = {"token_type": kind, "exp": EXPIRES, "jti": f"{number}"}
    return jwt.encode(claims, "x" * 32)


REFRESH, ACCESS = token("refresh", 1), token("access", 2)
SECRETS = (REFRESH, ACCESS, ACCESS.rsplit(".", 1)[1], "hu5h-p4ssword", "hu5h-hook", "0123456789abcdef0123456789abcdef")


def refuse_secrets(text: str, where: object) -> None:
    for secret in SECRETS:
        assert secret not in text, where


def left_in(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every file below, as text."""
    for path in (path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        yield path, content.decode("utf-8", "replace")
        if path.suffix == ".parquet":
            yield path, pd.read_parquet(path).to_csv()
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as bundle:
                yield from ((path / name, bundle.read(name).decode()) for name in bundle.namelist())


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Studio]:
    """Texts of three topics, of which some have a wrong label."""
    one = Studio()
    one.access = ACCESS
    one.add_project("Topics", CONFIG, id=7)
    names = list(WORDS)
    for row in range(90):
        right = names[row % 3]
        given = names[(row + 1) % 3] if row % 15 == 0 else right
        words = WORDS[right].split()
        one.add_annotation(one.add_task(7, {"text": f"{words[row % len(words)]} {WORDS[right]}"}), choice(given))
    with served(one):
        monkeypatch.setenv("LABEL_STUDIO_URL", one.web.url)
        monkeypatch.setenv("LABEL_STUDIO_API_KEY", REFRESH)
        monkeypatch.setenv("NTK_LABELQA_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        monkeypatch.chdir(tmp_path)
        yield one


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Command line and environment of every program that is started, as text."""
    started: list[str] = []
    start = subprocess.Popen.__init__

    def noted(process: subprocess.Popen[bytes], args: object, *rest: Any, **how: Any) -> None:
        env = how.get("env")
        started.append(f"{args} {dict(os.environ) if env is None else env}")
        start(process, args, *rest, **how)  # type: ignore[arg-type, call-overload]

    monkeypatch.setattr(subprocess.Popen, "__init__", noted)
    return started


@pytest.mark.long
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_whole_loop_leaves_no_secret_behind(
    server: Studio, tmp_path: Path, monkeypatch, capfd, children: list[str], form: str
) -> None:
    monkeypatch.setenv("LABELQA_LOG", form)
    assert run(["audit", "--project", "7", "--arch", "linear", "--out", "audit", "--since", "last"]) == 0
    assert run(["push", "audit"]) == 0
    for project in server.projects:
        accept_all(server, project, OWNER)
    doctor = ["doctor", "--bundle", "report.zip", "--audit", "audit"]
    for command in (["decisions", "audit", "--apply"], ["decisions", "audit", "--undo"], doctor):
        assert run(command) == 0, command
    said = capfd.readouterr()
    refuse_secrets("".join(said), "what was printed")
    assert said.err.count('"event": "summary"') == (5 if form == "json" else 0)
    refuse_secrets("\n".join(children), "a program that was started")
    names = set()
    for path, text in left_in(tmp_path):
        refuse_secrets(text, path)
        names.add(path.name)
    assert {"audit.json", "report.html", "audit.corrections.jsonl", "environment.json"} <= names
    assert f"Bearer {ACCESS}" in {request.headers.get("authorization") for request in server.web.requests}


@pytest.mark.parametrize(
    "command",
    [
        ["audit", "--project", "7", "--out", "audit"],
        ["push", "made"],
        ["decisions", "made"],
        ["decisions", "made", "--apply"],
        ["decisions", "made", "--undo"],
        ["doctor"],
    ],
)
def test_an_address_with_a_login_gets_nowhere(server: Studio, tmp_path: Path, monkeypatch, capfd, command) -> None:
    from tests.labelstudio.test_odd_answers import audit

    audit().save(tmp_path / "made")
    monkeypatch.setenv("LABEL_STUDIO_URL", server.web.url.replace("://", f"://{LOGIN}@"))
    assert run(command) == 3
    said = "".join(capfd.readouterr())
    assert "comes with a login" in " ".join(said.split())
    refuse_secrets(said, "what was printed")
    for path, text in left_in(tmp_path):
        refuse_secrets(text, path)
    assert server.web.requests == []


CRASHES = [
    f"refused: {REFRESH}",
    f"headers {{'Authorization': 'Bearer {ACCESS}'}}",
    "authorization: Token 0123456789abcdef0123456789abcdef",
    "Token 0123456789abcdef0123456789abcdef",
    f"no route to https://{LOGIN}@labels.example.org/team",
    "login failed for me:hu5h-p4ssword",
    "{'username': 'me', 'password': 'hu5h-p4ssword'}",
    '{"access": "0123456789abcdef0123456789abcdef"}',
    "https://files.example.org/a.png?X-Amz-Signature=0123456789abcdef0123456789abcdef&x=1",
    "POST https://hooks.example.org/hu5h-hook",
    "Set-Cookie: sessionid=0123456789abcdef0123456789abcdef; HttpOnly",
]


@pytest.mark.parametrize("text", CRASHES)
@pytest.mark.parametrize("kind", ["crash", "of the server", "usage", "of click"])
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_crash_shows_no_secret(monkeypatch, tmp_path: Path, capfd, text: str, kind: str, form: str) -> None:
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", REFRESH)
    monkeypatch.setenv("LABEL_STUDIO_URL", f"https://{LOGIN}@labels.example.org")
    monkeypatch.setenv("NTK_LABELQA_NOTIFY", "https://hooks.example.org/hu5h-hook")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def crash() -> None:
        if kind == "usage":
            raise click.UsageError(text)
        if kind == "of click":
            raise click.ClickException(text)
        try:
            raise ApiError(status_code=500, headers={"Set-Cookie": "x"}, body=text)
        except ApiError as error:
            raise (RuntimeError(text) if kind == "crash" else error) from error

    monkeypatch.setattr(commands.LazyGroup, "get_command", lambda *_: click.Command("doctor", callback=crash))
    assert entry.run(["--log", form, "doctor"]) == (2 if kind == "usage" else 3)
    refuse_secrets("".join(capfd.readouterr()), "what was printed")
    logs = list(tmp_path.glob("*.log"))
    assert len(logs) == (kind in ("crash", "of the server"))
    for log in logs:
        assert "ApiError" in log.read_text()
        assert "ApiError" in log.read_text().splitlines()[0], "where it was, without what it said"
        refuse_secrets(log.read_text(), log)


@pytest.mark.parametrize("text", CRASHES)
def test_the_log_for_machines_shows_no_secret(monkeypatch, capfd, text: str) -> None:
    """Whoever says it: notes of ours, other packages, stages, figures, and what was typed in a command's place."""
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", REFRESH)
    monkeypatch.setenv("LABEL_STUDIO_URL", f"https://{LOGIN}@labels.example.org")
    monkeypatch.setenv("NTK_LABELQA_NOTIFY", "https://hooks.example.org/hu5h-hook")

    def action() -> None:
        stages = Stages()
        stages.note(text)
        with stages.stage(text):
            logging.getLogger("httpx").warning("Sent %s", text)
        try:
            raise ValueError(text)
        except ValueError:
            logging.getLogger("httpx").exception("Not sent")
        warnings.warn(text, stacklevel=1)
        print(text, file=sys.stderr)
        run_log.did(said={text: [text]})

    monkeypatch.setattr(commands.LazyGroup, "get_command", lambda *_: click.Command("doctor", callback=action))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert run(["--log", "json", text]) == 0
    said = capfd.readouterr().err
    refuse_secrets(said, "the log")
    assert len(said.splitlines()) == 9
    refuse_secrets(json.dumps([json.loads(line) for line in said.splitlines()], ensure_ascii=False), "the log")


def test_programs_that_are_started_get_no_secret(monkeypatch, children: list[str]) -> None:
    """Label Studio of the demonstration, and what installs it."""
    for number, name in enumerate(shown.SECRETS):
        monkeypatch.setenv(name, SECRETS[number % len(SECRETS)])
    monkeypatch.setenv("LABEL_STUDIO_URL", f"https://{LOGIN}@labels.example.org")
    environment._run([sys.executable, "-c", "pass"])
    subprocess.run(
        [sys.executable, "-c", "pass"], env=demo_server._variables(Path("/"), demo_server.Login("t", "p")), check=True
    )
    assert len(children) == 2
    refuse_secrets("\n".join(children), "a program that was started")
