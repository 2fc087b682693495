"""The backend by itself, on an audit of texts: what it answers, and what it refuses."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import app
import httpx
import numpy as np
import pytest
import uvicorn
from app import create, is_loopback, main
from click.testing import CliRunner
from starlette.applications import Starlette

from ntk_labelqa.audit_folder import Audit, stale_since
from ntk_labelqa.auditing import run_audit
from ntk_labelqa.dataset import Control, Provenance, from_arrays
from ntk_labelqa.labelstudio.connect import KEY_VARIABLE, URL_VARIABLE
from ntk_labelqa.options import AuditOptions

TOPICS = {
    "food": ["soup", "bread", "cheese", "oven", "salt", "butter", "recipe", "cook"],
    "sport": ["match", "team", "goal", "player", "coach", "stadium", "season", "ball"],
}
PASSWORD, HOOK = "pässword", "hu5h-h00k-0f-the-audit"
OUR_SECRETS = {"LABELQA_PASSWORD": PASSWORD, "LABELQA_WEBHOOK_SECRET": HOOK}
CHANGED = {"action": "ANNOTATION_CREATED"}
JSON = {"Content-Type": "application/json"}
CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="topic" toName="text"><Choice value="food"/>'
    '<Choice value="sport"/></Choices></View>'
)


def texts_audit() -> Audit:
    """An audit of 60 texts on two topics, as if pulled from project 7."""
    random, topics = np.random.default_rng(0), ["food", "sport"] * 30
    plain = from_arrays(topics)
    items = plain.items.assign(value=[" ".join(random.choice(TOPICS[topic], 6)) for topic in topics])
    control = Control("topic", "text", "Choices", "text")
    dataset = replace(plain, kind="text", items=items, control=control, provenance=Provenance("server", 7))
    return run_audit(dataset, AuditOptions(architecture="2-L"))


class Asking:
    """Asks the application without a server between, as Label Studio does: it follows redirections."""

    def __init__(self, application: Starlette) -> None:
        self.application = application

    def get(self, path: str, **how: Any) -> httpx.Response:
        return asyncio.run(self._ask("GET", path, **how))

    def post(self, path: str, **how: Any) -> httpx.Response:
        return asyncio.run(self._ask("POST", path, **how))

    async def _ask(self, method: str, path: str, **how: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.application)
        async with httpx.AsyncClient(transport=transport, base_url="http://backend", follow_redirects=True) as client:
            return await client.request(method, path, **how)


@pytest.fixture(scope="module")
def audit() -> Audit:
    return texts_audit()


@pytest.fixture
def folder(audit, tmp_path, monkeypatch) -> Path:
    for name in (URL_VARIABLE, KEY_VARIABLE, *OUR_SECRETS, "LABELQA_ITEMS"):
        monkeypatch.delenv(name, raising=False)
    folder = audit.save(tmp_path / "audit")
    monkeypatch.setenv("LABELQA_AUDIT", str(folder))
    return folder


@pytest.fixture
def asking(folder) -> Asking:
    return Asking(create("127.0.0.1"))


@pytest.fixture
def guarded(folder, monkeypatch) -> Asking:
    for name, value in OUR_SECRETS.items():
        monkeypatch.setenv(name, value)
    return Asking(create("0.0.0.0"))


def task(number: int, text: object, **more: Any) -> dict[str, Any]:
    return {"id": number, "data": {"text": text}, **more}


def test_open_tasks_alone_get_a_suggestion_each_in_its_place(asking) -> None:
    tasks = [
        task(100, "a recipe with cheese"),
        task(3, "a recipe with cheese"),  # audited
        task(101, "the coach of the team"),
        task(102, "the coach of the team", annotations=[{"id": 1}]),
        task(103, "zzz"),
        task(104, ""),
        task(105, ["cheese"]),
    ]
    results = asking.post("/predict", json={"tasks": tasks}).json()["results"]
    said = [one["result"][0]["value"]["choices"][0] if one else None for one in results]
    assert said == ["food", None, "sport", None, None, None, None]
    assert 0.5 < results[0]["score"] <= 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        *(("/predict", body) for body in ("", "[]", "{", '{"tasks": 3}', '{"tasks": [{"id": 1}]}')),
        ("/predict", '{"tasks": [{"id": "1", "data": {}}]}'),
        ("/predict", '{"tasks": [{"id": true, "data": {}}]}'),
        ("/predict", '{"tasks": [{"id": 1, "data": {}, "annotations": 3}]}'),
        ("/setup", '{"schema": ["<View/>"]}'),
        ("/webhook", '{"action": ["ANNOTATION_CREATED"]}'),
        ("/webhook", '{"action": "ANNOTATION_CREATED", "project": 7}'),
        ("/webhook", '{"action": "ANNOTATION_CREATED", "project": {"id": "7"}}'),
        ("/webhook", '{"action": "TASKS_DELETED", "tasks": [{"id": [3]}]}'),
        ("/webhook", '{"action": "TASKS_DELETED", "tasks": 3}'),
        ("/webhook", '{"action": "TASKS_DELETED", "tasks": [3]}'),
    ],
)
def test_what_label_studio_does_not_send_is_refused_in_words(asking, folder, path: str, body: str) -> None:
    answer = asking.post(path, content=body, headers=JSON)
    assert answer.status_code == 400
    assert "not what Label Studio sends" in answer.text
    assert not stale_since(folder)


def test_what_a_browser_sends_for_another_page_is_refused(asking, folder) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        answer = asking.post("/webhook", content=json.dumps(CHANGED), headers={"Content-Type": kind})
        assert answer.status_code == 415
    assert not stale_since(folder)
    kind = {"Content-Type": "application/json; charset=utf-8"}
    assert asking.post("/webhook", content=json.dumps(CHANGED), headers=kind).status_code == 200
    assert stale_since(folder)


def test_others_are_answered_while_a_request_is_read(folder, monkeypatch) -> None:
    """A large one takes seconds, and Label Studio waits one for /health."""
    application, healthy = create("127.0.0.1"), threading.Event()
    parsed = app.EVENT.validate_json

    def slowly(content: bytes, **how: Any) -> app.Event:
        assert healthy.wait(20), "nobody else was answered meanwhile"
        return parsed(content, **how)

    async def both() -> list[httpx.Response]:
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://backend") as client:
            posted = asyncio.create_task(client.post("/webhook", json=CHANGED))
            await asyncio.sleep(0.2)
            health = await client.get("/health")
            healthy.set()
            return [health, await posted]

    monkeypatch.setattr(app.EVENT, "validate_json", slowly)
    assert [answer.status_code for answer in asyncio.run(both())] == [200, 200]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (CONFIG, ""),
        (CONFIG.replace('name="topic"', 'name="theme"'), "topic"),
        (CONFIG.replace("$text", "$body"), "over 'text', this project has Choices 'topic' over 'body'"),
        (CONFIG.replace('"sport"', '"sports"'), "only in the audit: sport; only in this project: sports"),
        ("<View>", "cannot be read"),
        ("", "cannot be read"),
    ],
)
def test_a_project_that_the_audit_does_not_fit_is_refused_in_words(asking, caplog, config: str, words: str) -> None:
    answer = asking.post("/setup", json={"project": "7.1", "schema": config})
    assert answer.status_code == (422 if words else 200)
    assert words in caplog.text
    if not words:
        assert answer.json()["model_version"].startswith("ntk-labelqa ")


@pytest.mark.parametrize(
    ("event", "stale"),
    [
        ({"action": "ANNOTATION_CREATED", "project": {"id": 7}}, True),
        ({"action": "ANNOTATION_UPDATED", "project": {"id": 7}}, True),
        ({"action": "ANNOTATIONS_DELETED"}, True),
        ({"action": "ANNOTATION_CREATED", "project": {"id": 8}}, False),
        ({"action": "TASKS_DELETED", "project": {"id": 7}, "tasks": [{"id": 100}, {"id": 3}]}, True),
        ({"action": "TASKS_DELETED", "project": {"id": 7}, "tasks": [{"id": 100}]}, False),
        ({"action": "TASKS_DELETED"}, True),
        ({"action": "TASKS_CREATED", "project": {"id": 7}}, False),
        ({}, False),
    ],
)
def test_changes_of_its_own_project_make_the_audit_stale(asking, folder, event: dict[str, Any], stale: bool) -> None:
    assert asking.post("/webhook", json=event).json() == {"marked_stale": stale}
    assert bool(stale_since(folder)) == stale
    assert bool(asking.get("/health").json()["stale_since"]) == stale


def test_an_audit_that_replaces_the_first_is_taken_over(asking, audit, folder) -> None:
    swapped = audit.findings["given_label"].map({"food": "sport", "sport": "food"})
    later = {**audit.manifest, "created_at": "2100-01-01T00:00:00+00:00"}
    other = replace(audit, manifest=later, findings=audit.findings.assign(given_label=swapped))
    other.save(folder, overwrite=True)
    (answer,) = asking.post("/predict", json={"tasks": [task(100, "a recipe with cheese")]}).json()["results"]
    assert answer["model_version"] == "ntk-labelqa 2100-01-01 00:00:00"
    assert answer["result"][0]["value"] == {"choices": ["sport"]}


def test_an_audit_that_cannot_be_read_leaves_the_old_suggestions(asking, folder) -> None:
    (folder / "audit.json").write_text("{")
    (answer,) = asking.post("/predict", json={"tasks": [task(100, "a recipe with cheese")]}).json()["results"]
    assert answer["result"][0]["value"] == {"choices": ["food"]}


def test_nobody_is_told_anything_without_the_password(guarded, folder) -> None:
    health = guarded.get("/health", auth=("labelqa", PASSWORD)).json()
    assert (health["status"], health["webhook_refused_at"]) == ("UP", None)
    asked = {"tasks": [task(100, "a recipe with cheese")]}
    for headers in ({}, {"Authorization": "Basic"}, bearer(HOOK), basic("labelqa", "password"), basic("me", PASSWORD)):
        for path in ("/health", "/docs", "/webhook/"):
            assert guarded.get(path, headers=headers).status_code == 401
        assert guarded.post("/predict", json=asked, headers=headers).status_code == 401
        assert guarded.post("/setup", json={"schema": CONFIG}, headers=headers).status_code == 401


def test_the_webhook_asks_for_its_secret(guarded, folder, caplog) -> None:
    for headers in ({}, bearer(""), bearer(HOOK[:-1]), bearer(HOOK.upper()), basic("labelqa", PASSWORD)):
        assert guarded.post("/webhook", json=CHANGED, headers=headers).status_code == 401
    assert not stale_since(folder)
    assert "Refused a call of the webhook without its secret" in caplog.text
    assert guarded.get("/health", auth=("labelqa", PASSWORD)).json()["webhook_refused_at"], "for whoever watches it"
    assert guarded.post("/webhook", json=CHANGED, headers=bearer(HOOK)).json() == {"marked_stale": True}
    assert stale_since(folder)


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def test_no_secret_is_logged(guarded, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    sent = [bearer(HOOK), bearer(f"{HOOK}-"), basic("labelqa", PASSWORD), basic("labelqa", f"{PASSWORD}-")]
    for headers in sent:
        guarded.get("/health", headers=headers)
        guarded.post("/webhook", json=CHANGED, headers=headers)
        guarded.post("/predict", content="{", headers={**headers, **JSON})
        guarded.post("/setup", json={"schema": "<View>", "access_token": "0wner-t0ken"}, headers=headers)
    assert "Refused a project" in caplog.text
    for secret in (HOOK, PASSWORD, "0wner-t0ken", *(headers["Authorization"].split()[1] for headers in sent)):
        assert secret not in caplog.text


@pytest.mark.parametrize("missing", [list(OUR_SECRETS), *([name] for name in OUR_SECRETS)], ids="-".join)
@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "192.0.2.7", "backend.example.org"])
def test_it_does_not_start_for_others_without_its_secrets(folder, monkeypatch, capsys, host: str, missing) -> None:
    for name in OUR_SECRETS.keys() - missing:
        monkeypatch.setenv(name, "l0ng-enough")
    with pytest.raises(SystemExit) as ended:
        create(host)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert f"{' and '.join(missing)} must be set" in said
    assert (f"listen on {host}" if host else "not told where it listens") in said
    assert "openssl rand" in said


@pytest.mark.parametrize("name", OUR_SECRETS)
@pytest.mark.parametrize("value", ["…", "short", "two\nlines-of-it"])
def test_what_can_be_guessed_is_no_secret(folder, monkeypatch, capsys, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        create("127.0.0.1")
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert f"{name} is no secret" in said
    assert value not in said


def test_what_is_this_machine_alone() -> None:
    assert all(map(is_loopback, ["127.0.0.1", "127.1.2.3", "::1", "localhost"]))
    assert not any(
        map(is_loopback, ["", "0.0.0.0", "::", "10.0.0.1", "localhost.example.org", "127.0.0.1.example.org"])
    )


@pytest.mark.long
def test_the_program_ends_before_it_listens(folder) -> None:
    environment = {**os.environ, "LABELQA_AUDIT": str(folder)}
    command = [sys.executable, str(Path(app.__file__)), "--host", "0.0.0.0", "--port", "0"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 2
    assert "LABELQA_PASSWORD and LABELQA_WEBHOOK_SECRET must be set" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_program_listens_on_this_machine_unless_told_otherwise(folder, monkeypatch) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(uvicorn, "run", lambda made, **how: asked.update(how, made=made))
    assert CliRunner().invoke(main, []).exit_code == 0
    assert (asked["host"], asked["port"], asked["factory"]) == ("127.0.0.1", 9090, True)
    assert asked["made"]().routes, "and needs no secret there"
    assert CliRunner().invoke(main, ["--host", "0.0.0.0"]).exit_code == 0
    with pytest.raises(SystemExit):
        asked["made"]()


@pytest.mark.parametrize(
    ("name", "value", "words", "code"),
    [
        ("LABELQA_AUDIT", "", "must name an audit folder", 2),
        ("LABELQA_AUDIT", "nowhere", "no audit", 3),
        ("LABELQA_ITEMS", "many", "no number of items", 2),
    ],
)
def test_what_cannot_be_served_ends_with_words(folder, monkeypatch, capsys, name, value, words: str, code: int) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        create("127.0.0.1")
    assert ended.value.code == code
    assert words in capsys.readouterr().err


def test_an_audit_by_features_from_a_file_cannot_be_served(folder, capsys) -> None:
    manifest = json.loads((folder / "audit.json").read_text())
    manifest["options"]["encoder"] = "precomputed"
    (folder / "audit.json").write_text(json.dumps(manifest))
    with pytest.raises(SystemExit, match="3"):
        create("127.0.0.1")
    assert "by their 'precomputed'" in capsys.readouterr().err


@pytest.mark.parametrize(("option", "named"), [("architecture", "evil:network"), ("encoder", "embeddings:model")])
def test_an_audit_that_names_code_or_a_path_is_not_served(
    folder, monkeypatch, capsys, tmp_path, option: str, named: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.py").write_text("open('was run', 'w')")
    manifest = json.loads((folder / "audit.json").read_text())
    manifest["options"][option] = named
    (folder / "audit.json").write_text(json.dumps(manifest))
    with pytest.raises(SystemExit, match="3"):
        create("127.0.0.1")
    assert "because a file says so" in capsys.readouterr().err
    assert not (tmp_path / "was run").exists()
    monkeypatch.setenv("LABELQA_TRUST", named)
    with pytest.raises(SystemExit, match="3"):
        create("127.0.0.1")
    assert "because a file says so" not in capsys.readouterr().err


def test_a_request_without_end_is_refused(asking, monkeypatch) -> None:
    monkeypatch.setattr("app.MOST_BODY", 1000)
    taken = json.dumps(CHANGED)
    assert asking.post("/webhook", content=taken + " " * (1000 - len(taken)), headers=JSON).status_code == 200
    assert asking.post("/webhook", content=taken + " " * 1000, headers=JSON).status_code == 413
    assert asking.post("/webhook", content="[" * 1000, headers=JSON).status_code == 400
