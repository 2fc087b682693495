"""The backend by itself, on an audit of texts: what it answers, and what it refuses."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from app import create
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
    for name in (URL_VARIABLE, KEY_VARIABLE, "LABELQA_PASSWORD", "LABELQA_ITEMS"):
        monkeypatch.delenv(name, raising=False)
    folder = audit.save(tmp_path / "audit")
    monkeypatch.setenv("LABELQA_AUDIT", str(folder))
    return folder


@pytest.fixture
def asking(folder) -> Asking:
    return Asking(create())


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


@pytest.mark.parametrize("body", ["", "[]", '{"tasks": 3}', '{"tasks": [{"id": 1}]}'])
def test_what_is_no_list_of_tasks_is_refused(asking, body: str) -> None:
    assert asking.post("/predict", content=body).status_code == 400


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


def test_the_password_guards_all_but_the_webhook(folder, monkeypatch) -> None:
    monkeypatch.setenv("LABELQA_PASSWORD", "pässword")
    asking = Asking(create())
    assert asking.get("/health").status_code == 401
    assert asking.get("/health", auth=("labelqa", "password")).status_code == 401
    assert asking.get("/health", auth=("labelqa", "pässword")).json()["status"] == "UP"
    assert asking.post("/webhook", json={"action": "ANNOTATION_CREATED"}).json() == {"marked_stale": True}


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
        create()
    assert ended.value.code == code
    assert words in capsys.readouterr().err


def test_an_audit_by_features_from_a_file_cannot_be_served(folder, capsys) -> None:
    manifest = json.loads((folder / "audit.json").read_text())
    manifest["options"]["encoder"] = "precomputed"
    (folder / "audit.json").write_text(json.dumps(manifest))
    with pytest.raises(SystemExit, match="3"):
        create()
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
        create()
    assert "because a file says so" in capsys.readouterr().err
    assert not (tmp_path / "was run").exists()
    monkeypatch.setenv("LABELQA_TRUST", named)
    with pytest.raises(SystemExit, match="3"):
        create()
    assert "because a file says so" not in capsys.readouterr().err


def test_a_request_without_end_is_refused(asking, monkeypatch) -> None:
    monkeypatch.setattr("app.MOST_BODY", 1000)
    taken = json.dumps({"action": "ANNOTATION_CREATED"})
    assert asking.post("/webhook", content=taken + " " * (1000 - len(taken))).status_code == 200
    assert asking.post("/webhook", content=taken + " " * 1000).status_code == 413
    assert asking.post("/webhook", content="[" * 1000).status_code == 400
