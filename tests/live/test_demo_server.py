"""The server that the demonstration and the live tests run on, and what it is seeded with."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from ntk_labelqa.demo import environment
from ntk_labelqa.demo.seed import WRONG_SHARE
from ntk_labelqa.demo.server import PEOPLE, LocalServer
from ntk_labelqa.errors import LabelQAError
from ntk_labelqa.labelstudio.reading.pull import pull_project, take_snapshot

pytestmark = pytest.mark.live


def test_stopping_leaves_no_process_and_no_folder() -> None:
    with LocalServer() as server:
        pid, home = server.pid, server.home
        assert httpx.get(f"{server.url}/health").json()["status"] == "UP"
    with pytest.raises(ProcessLookupError):
        os.killpg(pid, 0)
    assert not home.exists()


def test_a_killed_starter_takes_the_server_with_it() -> None:
    program = """
from ntk_labelqa.demo.server import LocalServer
import time
server = LocalServer()
print(server.url, server.home, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        url, home = starter.stdout.readline().split()
        assert httpx.get(f"{url}/health").json()["status"] == "UP"
        starter.kill()
    deadline = time.monotonic() + 120
    while Path(home).exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(home).exists()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health")


def test_a_busy_port_is_refused_and_not_taken_for_ours(server) -> None:
    with pytest.raises(LabelQAError, match="Something else listens on port"):
        LocalServer(port=int(server.url.rsplit(":", 1)[1]))


def test_a_chosen_port_is_used_whatever_the_environment_says(monkeypatch) -> None:
    monkeypatch.setenv("HOST", "http://elsewhere.example")
    monkeypatch.setenv("POSTGRE_HOST", "elsewhere.example")
    monkeypatch.setenv("DJANGO_DB", "default")
    monkeypatch.setenv("LABEL_STUDIO_USER_TOKEN", "0" * 40)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with LocalServer(port=port) as server:
        assert server.url == f"http://127.0.0.1:{port}"
        page = httpx.get(f"{server.url}/user/login/").text
        whoami = httpx.get(f"{server.url}/api/current-user/whoami", headers=token_of(server))
    assert "elsewhere.example" not in page
    assert whoami.json()["email"] == server.username


def test_a_server_that_dies_says_its_last_words(tmp_path, monkeypatch) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    program = tmp_path / "label-studio"
    program.write_text("#!/bin/sh\necho 'no such table'\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv(environment.BINARY_VARIABLE, str(program))
    monkeypatch.setenv("NTK_LABELQA_CACHE", str(tmp_path / "cache"))
    with pytest.raises(LabelQAError, match="no such table"):
        LocalServer()
    assert list(temporary.iterdir()) == []


def test_a_named_program_must_be_there(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(environment.BINARY_VARIABLE, str(tmp_path / "label-studio"))
    with pytest.raises(LabelQAError, match=environment.BINARY_VARIABLE):
        LocalServer()


def test_a_making_that_was_cut_off_is_begun_anew(tmp_path) -> None:
    folder = tmp_path / "made"

    def half() -> None:
        folder.mkdir()
        (folder / "half").touch()
        raise KeyboardInterrupt

    def whole() -> None:
        folder.mkdir()
        (folder / "whole").touch()

    with pytest.raises(KeyboardInterrupt):
        environment.make_once(folder, half)
    environment.make_once(folder, whole)
    environment.make_once(folder, half)
    assert [path.name for path in folder.iterdir()] == ["whole"]


def test_two_processes_make_it_once(tmp_path) -> None:
    program = f"""
import time
from pathlib import Path
from ntk_labelqa.demo.environment import make_once
folder = Path({str(tmp_path / "made")!r})
def make():
    folder.mkdir()
    print("making", flush=True)
    time.sleep(1)
make_once(folder, make)
"""
    started = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=200)[0] for process in started]
    assert "".join(said) == "making\n"
    assert [process.returncode for process in started] == [0, 0]


def test_the_environment_is_made_once(server, monkeypatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("it was made again"))
    assert environment.label_studio_binary().is_file()


def token_of(server: LocalServer) -> dict[str, str]:
    return {"Authorization": f"Token {server.token}"}


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
    answer = httpx.get(server.url + dataset.items["value"][7], headers=token_of(server))
    shown = np.asarray(Image.open(io.BytesIO(answer.content)).resize((8, 8), Image.Resampling.BOX))
    assert np.abs(shown - load_digits().images[7] * (255 / 16)).max() <= 1
