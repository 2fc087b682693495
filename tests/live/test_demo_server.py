"""The server that the demonstration and the live tests run on, and what it is seeded with."""

from __future__ import annotations

import io
import os
import subprocess

import httpx
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from ntk_labelqa.demo import environment
from ntk_labelqa.demo.seed import WRONG_SHARE
from ntk_labelqa.demo.server import PEOPLE, LocalServer
from ntk_labelqa.labelstudio.pull import pull_project, take_snapshot

pytestmark = pytest.mark.live


def test_stopping_leaves_no_process_and_no_folder() -> None:
    with LocalServer() as server:
        pid, home = server.pid, server.home
        assert httpx.get(f"{server.url}/health").json()["status"] == "UP"
    with pytest.raises(ProcessLookupError):
        os.killpg(pid, 0)
    assert not home.exists()


def test_the_environment_is_made_once(server, monkeypatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("it was made again"))
    assert environment.label_studio_binary().is_file()


def test_everybody_can_log_in(server) -> None:
    for person in PEOPLE:
        with httpx.Client(base_url=server.url, follow_redirects=True) as browser:
            browser.get("/user/login/")
            answer = browser.post(
                "/user/login/",
                data={
                    "email": person,
                    "password": server.password,
                    "csrfmiddlewaretoken": browser.cookies["csrftoken"],
                },
                headers={"Referer": f"{server.url}/user/login/"},
            )
            assert "/user/login" not in str(answer.url), person


def test_planted_errors_are_those_the_server_holds(client, digits_project) -> None:
    tasks = take_snapshot(client, digits_project.project_id)
    held = {a["id"]: a["result"][0]["value"]["choices"][0] for task in tasks for a in task["annotations"]}
    assert held.keys() == digits_project.truth.keys()
    assert digits_project.wrong == {i for i, label in held.items() if label != digits_project.truth[i]}
    assert len(digits_project.wrong) == round(WRONG_SHARE * len(held))


def test_annotations_belong_to_three_annotators(client, digits_project) -> None:
    dataset = pull_project(client, digits_project.project_id)
    assert set(dataset.annotations["annotator"]) == set(PEOPLE[:3])
    assert dataset.annotations["item"].duplicated().any()


def test_images_are_the_digits(client, server, digits_project) -> None:
    dataset = pull_project(client, digits_project.project_id)
    answer = httpx.get(server.url + dataset.items["value"][7], headers={"Authorization": f"Token {server.token}"})
    shown = np.asarray(Image.open(io.BytesIO(answer.content)).resize((8, 8), Image.Resampling.BOX))
    assert np.abs(shown - load_digits().images[7] * (255 / 16)).max() <= 1
