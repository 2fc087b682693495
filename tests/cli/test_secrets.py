"""No key, token, password or login in anything that a run prints or leaves behind."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from pathlib import Path

import click
import jwt
import pandas as pd
import pytest
from label_studio_sdk.core.api_error import ApiError

from ntk_labelqa.cli import commands, entry
from ntk_labelqa.cli.entry import run
from tests.labelstudio.reviews import answer
from tests.labelstudio.samples import CONFIG, annotation, choice, task
from tests.labelstudio.studio import SAVED, Studio, studio

LOGIN = "me:hu5h-p4ssword"
WORDS = {"sport": "goal team match ball player", "space": "orbit moon rocket launch star", "cars": "engine wheel road"}


def token(kind: str, number: int) -> str:
    claims = {"token_type": kind, "exp": int(time.time()) + 86_400, "jti": f"{number}"}
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


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Studio]:
    """Texts of three topics, of which some have a wrong label."""
    one = Studio()
    names = list(WORDS)
    tasks = []
    for row in range(90):
        right = names[row % 3]
        given = names[(row + 1) % 3] if row % 15 == 0 else right
        made = annotation(row + 101, choice(given), updated_at=SAVED)
        words = WORDS[right].split()
        tasks.append(task(row + 1, made, data={"text": f"{words[row % len(words)]} {WORDS[right]}"}))
    one.add_project(7, tasks, title="Topics", label_config=CONFIG)
    one.access = ACCESS
    with studio(one):
        monkeypatch.setenv("LABEL_STUDIO_URL", one.web.url)
        monkeypatch.setenv("LABEL_STUDIO_API_KEY", REFRESH)
        monkeypatch.setenv("NTK_LABELQA_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        monkeypatch.chdir(tmp_path)
        yield one


@pytest.mark.long
def test_a_whole_loop_leaves_no_secret_behind(server: Studio, tmp_path: Path, capfd) -> None:
    assert run(["audit", "--project", "7", "--arch", "linear", "--out", "audit", "--since", "last"]) == 0
    assert run(["push", "audit"]) == 0
    for one in [one for project in server.projects for one in server.tasks(project)]:
        if "suggested_label" in one["data"]:
            server.annotate(one, answer("accept"))
    for command in (["decisions", "audit", "--apply"], ["decisions", "audit", "--undo"], ["doctor"]):
        assert run(command) == 0, command
    refuse_secrets("".join(capfd.readouterr()), "what was printed")
    names = set()
    for path, text in left_in(tmp_path):
        refuse_secrets(text, path)
        names.add(path.name)
    assert {"audit.json", "report.html", "audit.corrections.jsonl"} <= names
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
def test_a_crash_shows_no_secret(monkeypatch, tmp_path: Path, capfd, text: str, kind: str) -> None:
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
    assert entry.run(["doctor"]) == (2 if kind == "usage" else 3)
    refuse_secrets("".join(capfd.readouterr()), "what was printed")
    logs = list(tmp_path.glob("*.log"))
    assert len(logs) == (kind in ("crash", "of the server"))
    for log in logs:
        assert "ApiError" in log.read_text()
        refuse_secrets(log.read_text(), log)
