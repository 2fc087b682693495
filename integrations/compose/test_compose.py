"""The services fit each other, our commands and Label Studio; and the container's timer keeps its times."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from ntk_labelqa.cli.commands import cli
from ntk_labelqa.demo.environment import VERSION, label_studio_binary
from tests.exports import digits_export

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TEXT = (HERE / "compose.yaml").read_text()
SERVICES: dict[str, Any] = yaml.safe_load(TEXT)["services"]
EXAMPLE = dict(line.split("=", 1) for line in (HERE / "env.example").read_text().splitlines() if "=" in line[:30])
OURS = ("audit", "ml-backend")


def mounts(service: str) -> dict[Path, str]:
    """Files of the repository that the *service* gets, and where it finds them."""
    pairs = (volume.split(":") for volume in SERVICES[service]["volumes"])
    return {(HERE / pair[0]).resolve(): pair[1] for pair in pairs if pair[0].startswith(".")}


@pytest.mark.parametrize("service", OURS)
def test_what_is_mounted_and_built_is_there(service: str) -> None:
    assert mounts(service)
    assert all(path.is_file() for path in mounts(service))
    assert (HERE / SERVICES[service]["build"]["context"] / "Dockerfile").is_file()
    named = {volume.split(":")[0] for volume in SERVICES[service]["volumes"]} - {"audits", "cache"}
    assert all(name.startswith(".") for name in named)


def test_every_variable_is_in_the_example_and_no_other() -> None:
    asked = set(re.findall(r"(?<!\$)\$\{(\w+)", TEXT))
    assert asked == EXAMPLE.keys()


def test_secrets_stay_out_of_git_and_have_no_default() -> None:
    ignored = subprocess.run(["git", "check-ignore", "--quiet", str(HERE / ".env")], cwd=ROOT, check=False)
    assert ignored.returncode == 0
    secrets = [name for name in EXAMPLE if name.endswith(("PASSWORD", "KEY", "SECRET"))]
    assert len(secrets) == 4
    for name in secrets:
        assert EXAMPLE[name] == "…"
        assert set(re.findall(rf"\$\{{{name}([^}}]*)\}}", TEXT)) == {":?is set in .env"}


@pytest.mark.parametrize("service", OURS)
def test_our_code_reads_the_variables_of_our_services(service: str) -> None:
    code = "".join(path.read_text() for path in (*mounts(service), *(ROOT / "ntk_labelqa").rglob("*.py")))
    command = shlex.join(SERVICES[service]["entrypoint"])
    for name in SERVICES[service]["environment"]:
        # TZ is read by date itself.
        assert name == "TZ" or re.search(rf'"{name}"|\$\{{{name}:-', code) or f"$${name}" in command, name


@pytest.mark.live
def test_label_studio_reads_the_variables_of_its_service() -> None:
    """In the release that the demonstration runs: it looks for each without the prefix, too."""
    service = SERVICES["label-studio"]
    assert service["image"] == f"heartexlabs/label-studio:{VERSION}"
    packages = next((label_studio_binary().parents[1] / "lib").glob("python*/site-packages/label_studio"))
    code = "".join((packages / name).read_text() for name in ("server.py", "core/settings/base.py"))
    for name in service["environment"]:
        asked = rf"get(?:_bool)?_env\(\s*'(?:{name}|{name.removeprefix('LABEL_STUDIO_')})'"
        assert re.search(asked, code), name


def test_the_audit_takes_what_the_example_says() -> None:
    command = cli.get_command(click.Context(cli), "audit")
    options = [*shlex.split(EXAMPLE["LABELQA_SOURCE"]), "--out", "audits/tonight", "--quiet"]
    given = command.make_context("audit", options).params
    assert given["project"] == 1
    assert "$$LABELQA_SOURCE" in SERVICES["audit"]["entrypoint"][-1]


def test_the_backend_is_what_is_started_and_takes_its_options() -> None:
    service = SERVICES["ml-backend"]
    (source,) = mounts("ml-backend")
    assert service["entrypoint"] == ["python", mounts("ml-backend")[source]]
    found = importlib.util.spec_from_file_location("backend_of_compose", source)
    assert found is not None
    assert found.loader is not None
    backend = importlib.util.module_from_spec(found)
    found.loader.exec_module(backend)
    given = backend.main.make_context("app.py", list(service["command"])).params
    assert given == {"host": "0.0.0.0", "port": 9090}


def test_containers_see_what_the_others_write() -> None:
    volumes = [set(SERVICES[name]["volumes"]) for name in OURS]
    assert {"audits:/data", "cache:/home/labelqa/.cache/ntk-labelqa"} <= volumes[0] & volumes[1]
    image = (ROOT / "Dockerfile").read_text()
    assert "WORKDIR /data" in image
    assert all(folder in image for folder in ("/data", "/home/labelqa/.cache/ntk-labelqa"))
    assert SERVICES["ml-backend"]["environment"]["LABELQA_AUDIT"].startswith("/data/audits/accepted")


class Container:
    """The service ``audit`` in a folder in the place of its volumes, and with a ``sleep`` that ends it."""

    def __init__(self, home: Path) -> None:
        self.home, self.data, self.programs = home, home / "data", home / "opt"
        self.data.mkdir()
        self.programs.mkdir()
        for path, place in mounts("audit").items():
            shutil.copy(path, self.programs / Path(place).name)
        self.program("sleep", "exit 9")  # it would wait now: that is enough

    def program(self, name: str, does: str) -> None:
        (self.programs / name).write_text(f"#!/bin/sh\n{does}\n")
        (self.programs / name).chmod(0o755)

    def start(self, at: datetime, source: str = "export.json") -> str:
        """Start the service for as long as it has something to do; what it printed."""
        script = SERVICES["audit"]["entrypoint"][-1].replace("$$", "$")
        script = script.replace("/opt/labelqa", str(self.programs)).replace("/data", str(self.data))
        path = f"{self.programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        env = {**os.environ, "PATH": path, "LABELQA_AT": f"{at:%H:%M}", "LABELQA_SOURCE": source}
        done = subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 9, done.stderr
        return done.stdout + done.stderr

    def audits(self) -> list[Path]:
        return sorted((self.data / "audits").glob("20*"))


@pytest.fixture
def container(tmp_path) -> Container:
    return Container(tmp_path)


@pytest.mark.long
def test_the_first_audit_is_made_at_once_and_accepted(container) -> None:
    export, features = digits_export(container.home, 300, wrong=0.03)
    policy = 'version = 1\n[[check]]\ncheck = "error_rate"\nat_most = 0.3\n'
    (container.data / "labelqa.toml").write_text(policy)
    source = f"{export} --features {features} --arch 2-L"
    said = container.start(datetime.now() + timedelta(hours=1), source)
    assert "the nightly audit left with 0" in said
    (audit,) = container.audits()
    assert (container.data / "audits/accepted").resolve() == audit
    container.start(datetime.now() + timedelta(hours=1), source)
    assert container.audits() == [audit]


@pytest.mark.long
def test_a_policy_is_made_where_there_is_none(container) -> None:
    container.program("nightly-audit", "exit 0")
    container.start(datetime.now())
    assert "[[check]]" in (container.data / "labelqa.toml").read_text()


@pytest.mark.long
@pytest.mark.parametrize(("hours", "again"), [(-1, False), (-3, True)])
def test_a_night_is_made_up_for_once(container, hours: int, again: bool) -> None:
    """The time of day was two hours ago; the last audit ended *hours* from now."""
    container.program("nightly-audit", "echo audited; exit 3")
    container.start(datetime.now() - timedelta(hours=2))
    then = time.time() + 3600 * hours
    os.utime(container.data / ".last-night", (then, then))
    said = container.start(datetime.now() - timedelta(hours=2))
    assert ("audited" in said) == again
    assert ("left with 3" in said) == again


@pytest.mark.long
def test_a_night_that_was_cut_off_is_begun_anew(container) -> None:
    container.program("nightly-audit", "kill -9 $PPID")
    with pytest.raises(AssertionError):
        container.start(datetime.now())
    container.program("nightly-audit", "echo audited")
    assert "audited" in container.start(datetime.now())
