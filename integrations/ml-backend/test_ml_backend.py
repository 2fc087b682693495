"""The backend as uvicorn serves it, connected to a real Label Studio."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from label_studio_sdk.core.api_error import ApiError
from PIL import Image
from sklearn.datasets import load_digits

from ntk_labelqa.audit_folder import Audit, stale_since
from ntk_labelqa.auditing import run_audit
from ntk_labelqa.cli.entry import run
from ntk_labelqa.demo.seed import CONFIG, SIDE, seed_digits
from ntk_labelqa.demo.server import LocalServer, free_port
from ntk_labelqa.labelstudio.connect import ONCE, connect
from ntk_labelqa.labelstudio.media.fetch import fetch_media
from ntk_labelqa.labelstudio.reading.pull import pull_project, take_snapshot
from ntk_labelqa.labelstudio.reading.tasks import OUR_MODEL
from ntk_labelqa.labelstudio.review.predictions import TAB, push_predictions
from ntk_labelqa.options import AuditOptions

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio

pytestmark = pytest.mark.live
HERE = Path(__file__).parent
LOCAL = {"LABEL_STUDIO_ML_BLOCK_LOCAL_IP": "false", "LABEL_STUDIO_SSRF_PROTECTION_ENABLED": "false"}
"""Label Studio calls no address of its own network otherwise, and the backend of this test is on one."""
LABELLED, OPEN = 300, 60
PASSWORD, HOOK = "correct horse", "battery-staple"
POLICY = 'version = 1\n[[check]]\ncheck = "error_rate"\nat_most = 0.5\n'


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with LocalServer(environment=LOCAL) as running:
        yield running


@pytest.fixture(scope="module")
def client(server) -> LabelStudio:
    return connect(server.url, server.token)


@dataclass(frozen=True)
class Connected:
    """A project with its audit, and the backend that serves it.

    Attributes:
        project: id of the project.
        folder: the audit.
        truth: the right digit of each open task, by task id.
        url: of the backend.
        said: what the backend has logged.
    """

    project: int
    folder: Path
    truth: dict[int, str]
    url: str
    said: Callable[[], str]


@contextmanager
def serving(folder: Path, log: Path, **environment: str) -> Iterator[str]:
    """The backend on an audit in *folder*, started as the README says; its address."""
    port = free_port()
    command = [sys.executable, str(HERE / "app.py"), "--port", str(port)]
    variables = {**os.environ, "LABELQA_AUDIT": str(folder), **environment}
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=variables, stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_for(lambda: "Uvicorn running" in log.read_text() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def wait_for(condition: Callable[[], Any], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


def add_open_tasks(client: LabelStudio, server: LocalServer, project: int) -> None:
    """Import the digits that follow those labelled, as images that nobody has labelled."""
    folder = server.files / "open"
    folder.mkdir()
    for row, pixels in enumerate(load_digits().images[LABELLED : LABELLED + OPEN]):
        grey = Image.fromarray((pixels * 255 / 16).astype(np.uint8))
        grey.resize((SIDE, SIDE), Image.Resampling.NEAREST).save(folder / f"{row}.png")
    client.import_storage.local.create(project=project, path=str(folder), use_blob_urls=True, title="open")
    address = f"/data/local-files/?d={server.files.name}/open/"
    tasks: Any = [{"data": {"image": f"{address}{row}.png"}} for row in range(OPEN)]
    client.projects.import_tasks(id=project, request=tasks, request_options=ONCE)


@pytest.fixture(scope="module")
def connected(client, server, tmp_path_factory) -> Iterator[Connected]:
    home = tmp_path_factory.mktemp("backend")
    project = seed_digits(client, server, items=LABELLED)
    add_open_tasks(client, server, project)
    dataset = fetch_media(pull_project(client, project), client=client)
    folder = run_audit(dataset, AuditOptions(architecture="2-L")).save(home / "audit")
    open_ids = sorted(task["id"] for task in take_snapshot(client, project) if not task["annotations"])
    truth = dict(zip(open_ids, map(str, load_digits().target[LABELLED : LABELLED + OPEN]), strict=True))
    variables = {
        "LABEL_STUDIO_URL": server.url,
        "LABEL_STUDIO_API_KEY": server.token,
        "LABELQA_PASSWORD": PASSWORD,
        "LABELQA_WEBHOOK_SECRET": HOOK,
    }
    with serving(folder, home / "log", **variables) as url:
        client.ml.create(
            project=project,
            url=url,
            title="Label quality",
            auth_method="BASIC_AUTH",
            basic_auth_user="labelqa",
            basic_auth_pass=PASSWORD,
            request_options=ONCE,
        )
        (hook,) = (one for one in client.webhooks.list(project=str(project)) if one.url == f"{url}/webhook")
        client.webhooks.update(id=hook.id, headers={"Authorization": f"Bearer {HOOK}"}, request_options=ONCE)
        yield Connected(project, folder, truth, url, (home / "log").read_text)


@pytest.fixture(scope="module")
def predicted(client, connected) -> dict[int, list[dict[str, Any]]]:
    """The predictions of every task, after Label Studio was asked to retrieve those of all."""
    every: Any = {"all": True, "excluded": []}
    client.actions.create(id="retrieve_tasks_predictions", project=connected.project, selected_items=every)
    return {task["id"]: task["predictions"] for task in take_snapshot(client, connected.project)}


def test_label_studio_finds_it_connected(client, connected) -> None:
    (backend,) = client.ml.list(project=connected.project)
    assert (backend.readable_state, backend.error_message) == ("Connected", None)
    assert backend.model_version.startswith(f"{OUR_MODEL} 20")


def test_open_tasks_get_suggestions_that_are_mostly_right(connected, predicted) -> None:
    right, scores = [], []
    for task, truth in connected.truth.items():
        (prediction,) = predicted[task]
        (result,) = prediction["result"]
        assert (result["from_name"], result["to_name"], result["type"]) == ("digit", "image", "choices")
        right.append(result["value"]["choices"] == [truth])
        scores.append(prediction["score"])
    assert np.mean(right) > 0.85
    assert min(scores) > 0.1
    assert max(scores) <= 1
    assert np.mean(scores) == pytest.approx(np.mean(right), abs=0.12), "a score is the probability to be right"


def test_labelled_tasks_get_none(connected, predicted) -> None:
    assert {task for task, predictions in predicted.items() if predictions} == set(connected.truth)


def test_suggestions_are_never_read_as_labels(client, connected, predicted) -> None:
    pulled = pull_project(client, connected.project)
    assert len(pulled) == LABELLED
    assert pulled.predictions.empty


def test_pushed_predictions_leave_them_alone(client, connected, predicted) -> None:
    audit = Audit.load(connected.folder)
    flagged = audit.findings.loc[audit.findings["is_label_issue"], "task_id"].unique().tolist()
    assert push_predictions(client, audit, connected.project) == len(flagged) > 10
    after = {task["id"]: task["predictions"] for task in take_snapshot(client, connected.project)}
    ids = {task: [one["id"] for one in predictions] for task, predictions in predicted.items()}
    assert all([one["id"] for one in after[task]] == ids[task] for task in connected.truth)
    (tab,) = (view for view in client.views.list(project=connected.project) if view.data["title"] == TAB)
    assert sorted(task.id for task in client.tasks.list(view=tab.id)) == sorted(flagged)


def test_a_project_with_other_classes_is_refused_in_words(client, connected) -> None:
    other = client.projects.create(title="Letters", label_config=CONFIG.replace('value="9"', 'value="nine"'))
    with pytest.raises(ApiError) as refused:
        client.ml.create(
            project=other.id,
            url=connected.url,
            auth_method="BASIC_AUTH",
            basic_auth_user="labelqa",
            basic_auth_pass=PASSWORD,
            request_options=ONCE,
        )
    shown = json.dumps(refused.value.body)
    assert (
        "The-classes-of-the-audit-and-of-this-project-differ,-only-in-the-audit:-9;-only-in-this-project:-nine" in shown
    )
    assert "differ, only in the audit: 9; only in this project: nine" in connected.said()


def test_without_the_password_nobody_is_told_anything(client, connected) -> None:
    tasks = {"tasks": [{"id": 1, "data": {"image": "x"}}]}
    assert httpx.post(f"{connected.url}/predict", json=tasks).status_code == 401
    with pytest.raises(ApiError, match="authentication parameters"):
        client.ml.create(project=connected.project, url=connected.url, request_options=ONCE)


def test_a_changed_annotation_makes_the_gate_refuse_the_audit(client, server, connected, tmp_path, capfd) -> None:
    (tmp_path / "labelqa.toml").write_text(POLICY)
    gate = ["gate", str(connected.folder), "--policy", str(tmp_path / "labelqa.toml")]
    assert run(gate) == 0
    assert not stale_since(connected.folder)
    annotation = int(Audit.load(connected.folder).findings["annotation_id"].iloc[0])
    assert httpx.post(f"{connected.url}/webhook", json={"action": "ANNOTATION_UPDATED"}).status_code == 401
    assert not stale_since(connected.folder)
    changed = [{**client.annotations.get(id=annotation).result[0], "value": {"choices": ["7"]}}]
    client.annotations.update(id=annotation, result=changed, request_options=ONCE)
    wait_for(lambda: stale_since(connected.folder), 20)
    capfd.readouterr()
    assert run(gate) == 3
    assert "annotations have changed since" in capfd.readouterr().out
    assert not any(secret in connected.said() for secret in (HOOK, PASSWORD, server.token))
    assert httpx.get(f"{connected.url}/health", auth=("labelqa", PASSWORD)).json()["stale_since"]
