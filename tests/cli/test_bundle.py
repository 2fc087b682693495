"""`doctor --bundle`: what a report of a fault needs, and nothing of the user's."""

from __future__ import annotations

import json
import stat
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from label_studio_sdk.core.api_error import ApiError

from ntk_labelqa import __version__
from ntk_labelqa.cli import commands, doctor
from ntk_labelqa.cli.crash_log import write_crash_log
from ntk_labelqa.cli.entry import run
from tests.cli.test_secrets import SECRETS, server  # noqa: F401 - a fixture
from tests.gate.audits import PEOPLE, audit_of
from tests.labelstudio.studio import Studio

PLANTED = {
    "LABEL_STUDIO_API_KEY": "0123456789abcdef0123456789abcdef",
    "LABEL_STUDIO_URL": "https://me:hu5h-p4ssword@labels.example.org/team",
    "NTK_LABELQA_NOTIFY": "https://hooks.example.org/hu5h-hook",
    "NTK_LABELQA_CACHE": "/home/ada-lovelace/cache",
    "HF_TOKEN": "hf_S3cretOfTheHub",
    "HF_ENDPOINT": "https://mirror-of-acme.example.org",
    "LABELQA_PASSWORD": "correct-h0rse",
    "LABELQA_WEBHOOK_SECRET": "battery-st4ple",
    "HTTPS_PROXY": "http://proxy-user:pr0xy-password@proxy.acme.example",
    "PIP_INDEX_URL": "https://pip-user:p1p-password@packages.acme.example",
    "AWS_SECRET_ACCESS_KEY": "aws-s3cret",
    "ACME_UNANNOUNCED_PRODUCT": "rocket-sk4tes",
    "HOME": "/home/ada-lovelace",
    "USER": "ada-lovelace",
    "OMP_NUM_THREADS": "0mp-s3cret",
    "LANG": "l4ng-secret",
    "MKL_NUM_THREADS": "mkl S3cret",
    "NVIDIA_OF_ADA": "nvidia-s3cret",
    "PYTHONPATH_OF_ADA": "/home/ada-lovelace/code",
}
TEXT = "the patient Grace Hopper complains of a moth"
OTHERS = (
    *SECRETS,
    *PEOPLE,
    "hu5h",
    "example.org",
    "example.com",
    "acme",
    "Acme",
    "ada-lovelace",
    "Grace Hopper",
    "moth",
    "Animals",
    "4711-s3cret",
    "networks_of_ada",
)
HARMLESS = {"JAX_PLATFORMS": "cpu", "OPENBLAS_NUM_THREADS": "3", "LC_ALL": "C.UTF-8", "LABELQA_LOG": "text"}
ALWAYS = {"README.txt", "checks.json", "packages.json", "system.json", "environment.json", "caches.json"}


@pytest.fixture
def planted(monkeypatch, tmp_path) -> None:
    """An environment full of secrets, and no crash log yet."""
    for name, value in {**PLANTED, **HARMLESS}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def unpacked(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as bundle:
        return {name: bundle.read(name).decode() for name in bundle.namelist()}


def refuse_private(parts: dict[str, str]) -> None:
    everything = "\n".join(f"{name}\n{text}" for name, text in parts.items())
    assert not [one for one in (*PLANTED.values(), *OTHERS) if one in everything]
    for value in PLANTED.values():
        for part in value.replace("@", "/").replace(":", "/").split("/"):
            assert len(part) < 6 or part in ("https", "networks") or part not in everything, part


@pytest.fixture
def crashed(planted, monkeypatch, tmp_path) -> Callable[[], None]:
    """Have a command crash, with a network of the user's own in its traceback and much in its messages."""
    own = tmp_path / "networks_of_ada.py"
    own.write_text(
        "def mo_th_4711(text, error):\n"
        "    key = '4711-s3cret'\n"
        "    kind = type('AcmeError', (Exception,), {})\n"
        "    raise kind(f'{text} {key}\\n  File \"{__file__}\"\\nada-lovelace:') from error\n"
    )
    names: dict[str, Any] = {"__file__": str(own), "__name__": "networks_of_ada"}
    exec(compile(own.read_text(), str(own), "exec"), names)

    def crash() -> None:
        try:
            raise ApiError(status_code=500, headers={"Set-Cookie": SECRETS[0]}, body=f"{PEOPLE}: {TEXT}")
        except ApiError as error:
            names["mo_th_4711"](f"{TEXT}, by {PEOPLE[0]}, with {SECRETS[1]}", error)

    def once() -> None:
        with monkeypatch.context() as patched:
            patched.setattr(commands.LazyGroup, "get_command", lambda *_: click.Command("doctor", callback=crash))
            assert run(["doctor"]) == 3

    return once


@pytest.mark.long
def test_nothing_of_the_users_is_in_it(crashed, tmp_path, capfd) -> None:
    crashed()
    folder = audit_of(wrong=4, left_out=3).save(tmp_path / "audit")
    capfd.readouterr()
    assert run(["doctor", "--bundle", "report.zip", "--audit", str(folder)]) == 3
    parts = unpacked(tmp_path / "report.zip")
    assert parts.keys() == ALWAYS | {"crashes.json", "audit.json"}
    refuse_private(parts)
    said = capfd.readouterr().out
    assert all(name in said for name in parts)
    assert "Look at it before you send it" in said
    assert "before you send it" in parts["README.txt"]


def filled(value: Any, *, lists: bool) -> Any:
    """*value* with private texts in the place of its own, and in more places besides."""
    if isinstance(value, dict):
        more = {TEXT: 1, "Grace Hopper": {"Acme": 2}} if "items" in value or "encoder" in value else {}
        return {name: filled(one, lists=lists) for name, one in value.items()} | more
    if isinstance(value, list):
        return [*(filled(one, lists=lists) for one in value), *([{"count": 2, "reason": TEXT}] if lists else [])]
    return f"{TEXT} {PEOPLE[0]}" if isinstance(value, str) else value


@pytest.mark.parametrize("damaged", [False, True])
def test_a_manifest_that_is_full_of_texts_tells_none(planted, tmp_path, damaged) -> None:
    """Whatever a manifest holds: by another version, an encoder of somebody's own, or changed by hand."""
    folder = audit_of(wrong=4).save(tmp_path / "audit")
    manifest = json.loads((folder / "audit.json").read_text())
    manifest["versions"] = {"jax": "1"}
    manifest["timings"] = {"Reading": 1.0}
    kept = ("format",) if damaged else ("format", "created_at")
    texts = filled(manifest, lists=damaged) | {name: manifest[name] for name in kept}
    (folder / "audit.json").write_text(json.dumps(texts))
    assert run(["doctor", "--bundle", "report.zip", "--audit", str(folder)]) == 3
    parts = unpacked(tmp_path / "report.zip")
    refuse_private(parts)
    told = json.loads(parts["audit.json"])
    assert told == {"damaged": True} if damaged else told["options"]["encoder"] == "of the user's own"


def test_what_a_report_needs_is_in_it(crashed, tmp_path) -> None:
    crashed()
    folder = audit_of(wrong=4, left_out=3).save(tmp_path / "audit")
    run(["doctor", "--bundle", "report.zip", "--audit", str(folder)])
    parts = {name: json.loads(text) for name, text in unpacked(tmp_path / "report.zip").items() if name != "README.txt"}
    assert parts["checks.json"]["device"] == {"state": "fine", "found": "cpu"}
    assert parts["checks.json"]["Label Studio"] == {"state": "failed", "found": "LabelStudioError"}
    assert {"ntk-labelqa", "jax", "jaxlib", "numpy", "label-studio-sdk", "httpx"} <= parts["packages.json"].keys()
    assert parts["packages.json"]["ntk-labelqa"] == parts["system.json"]["ntk-labelqa"] == __version__
    assert parts["system.json"]["memory_bytes"] > 2**28
    assert parts["system.json"]["devices"] == ["cpu cpu"]
    variables = parts["environment.json"]
    assert {name: variables[name] for name in HARMLESS} == HARMLESS
    assert {variables[name] for name in ("LABEL_STUDIO_API_KEY", "HTTPS_PROXY", "OMP_NUM_THREADS", "LANG")} == {"set"}
    crash, before = parts["crashes.json"][0]["errors"]
    assert crash["type"] == crash["frames"][-1] == "elsewhere", "of the user's own code nothing is told"
    assert any(frame.startswith("ntk_labelqa/cli/entry.py:") for frame in crash["frames"])
    assert before["type"] == "label_studio_sdk.core.api_error.ApiError"
    figures = parts["audit.json"]
    assert (figures["summary"]["items"], figures["summary"]["issues"], figures["left_out"]) == (300, 4, 3)
    assert (figures["control"], figures["kind"], figures["classes"]) == ("Choices", "text", 3)
    assert figures["options"]["architecture"] == "2-L"


def test_the_server_is_told_of_by_its_version(server: Studio, tmp_path, capfd) -> None:  # noqa: F811
    assert run(["doctor", "--bundle", "report.zip"]) == 0
    told = json.loads(unpacked(tmp_path / "report.zip")["checks.json"])["Label Studio"]
    assert told["state"] == "fine"
    assert told["found"].startswith("version ")
    assert server.web.url not in json.dumps(told)
    assert server.web.url in "".join(capfd.readouterr().out.split())


def test_caches_are_told_of_by_their_size(planted, tmp_path, monkeypatch) -> None:
    cache = tmp_path / "cache"
    for name in ("media/labels.example.org/a.png", "factors/f", "label-studio-1/venv/x", "of-ada-lovelace/y"):
        (cache / name).parent.mkdir(parents=True)
        (cache / name).write_bytes(b"1234")
    monkeypatch.setenv("NTK_LABELQA_CACHE", str(cache))
    run(["doctor", "--bundle", "report.zip"])
    parts = unpacked(tmp_path / "report.zip")
    refuse_private(parts)
    sizes = json.loads(parts["caches.json"])
    assert sizes == {name: {"files": 1, "bytes": 4} for name in ("factors", "label-studio", "media", "other")}


def test_only_its_owner_may_read_it(planted, tmp_path) -> None:
    run(["doctor", "--bundle", "report.zip"])
    assert stat.S_IMODE((tmp_path / "report.zip").stat().st_mode) == 0o600
    assert not [path for path in tmp_path.iterdir() if "partial" in path.name]


@pytest.mark.parametrize(
    ("arguments", "words", "code"),
    [
        (["--bundle", "there.zip"], "already there", 3),
        (["--bundle", "report.tar"], "does not end in .zip", 2),
        (["--audit", "audit"], "Add --bundle", 2),
        (["--bundle", "nowhere/report.zip"], "could not be written", 3),
        (["--bundle", "report.zip", "--audit", "nowhere"], "no audit", 3),
    ],
)
def test_what_cannot_be_made_leaves_everything_as_it_was(planted, tmp_path, capfd, arguments, words, code) -> None:
    (tmp_path / "there.zip").write_text("mine")
    assert run(["doctor", *arguments]) == code
    assert words in " ".join(capfd.readouterr().err.split())
    assert [path.name for path in tmp_path.iterdir()] == ["there.zip"]
    assert (tmp_path / "there.zip").read_text() == "mine"


def test_a_broken_installation_can_be_reported(planted, tmp_path, monkeypatch, capfd) -> None:
    def broken() -> doctor.Check:
        raise RuntimeError(f"no GPU for {PEOPLE[0]} with {PLANTED['HF_TOKEN']}")

    monkeypatch.setitem(doctor.CHECKS, "device", broken)
    assert run(["doctor", "--bundle", "report.zip"]) == 3
    assert PLANTED["HF_TOKEN"] not in capfd.readouterr().out
    parts = unpacked(tmp_path / "report.zip")
    refuse_private(parts)
    assert json.loads(parts["checks.json"])["device"] == {"state": "failed", "found": "RuntimeError"}
    assert json.loads(parts["crashes.json"])[0]["errors"][0]["type"] == "RuntimeError"


def test_the_last_crashes_are_told_of(planted, tmp_path) -> None:
    for kind in [AttributeError, *5 * [KeyError], ValueError]:
        write_crash_log(kind(TEXT))
        time.sleep(0.02)
    run(["doctor", "--bundle", "report.zip"])
    parts = unpacked(tmp_path / "report.zip")
    refuse_private(parts)
    types = [crash["errors"][0]["type"] for crash in json.loads(parts["crashes.json"])]
    assert types == ["ValueError", *4 * ["KeyError"]]


def test_of_other_packages_a_crash_tells_nothing(planted, tmp_path) -> None:
    """Of a user's own network, say, which may be installed like any other package."""
    frames = [
        "ntk_labelqa/cli/entry.py:90 in _answered",
        "jax/_src/api.py:3 in <module>",
        "json/decoder.py:355 in raw_decode",
        "threading.py:5 in run",
        "acme_networks/moth.py:7 in forward",
        f"json/{TEXT}.py:3 in run",
        f"json/decoder.py:3 in {TEXT}",
        "/home/ada-lovelace/json.py:3 in run",
        7,
    ]
    kinds = ["KeyError", "numpy.exceptions.AxisError", "acme_networks.Moth", TEXT, None]
    errors = [{"type": kind, "frames": frames, "message": TEXT} for kind in kinds]
    outline = {"time": TEXT, "version": "0.1.0", "errors": errors, TEXT: TEXT}
    (tmp_path / "ntk-labelqa-x.log").write_text(json.dumps(outline))
    run(["doctor", "--bundle", "report.zip"])
    parts = unpacked(tmp_path / "report.zip")
    refuse_private(parts)
    (crash,) = json.loads(parts["crashes.json"])
    assert [one["type"] for one in crash["errors"]] == [*kinds[:2], *3 * ["elsewhere"]]
    assert crash["errors"][0]["frames"] == [*frames[:4], *5 * ["elsewhere"]]


@pytest.mark.parametrize("content", [TEXT, "", "[1]", '{"a": 1}', '{"errors": [1]}', '{"errors": 1}', "\0"])
def test_what_is_no_crash_log_of_this_version_is_left_alone(planted, tmp_path, content: str) -> None:
    (tmp_path / "ntk-labelqa-x.log").write_text(content)
    assert run(["doctor", "--bundle", "report.zip"]) == 3
    assert unpacked(tmp_path / "report.zip").keys() == ALWAYS


def test_a_link_is_no_crash_log(planted, tmp_path) -> None:
    (tmp_path / "elsewhere").write_text('{"errors": ["moth"]}')
    (tmp_path / "ntk-labelqa-x.log").symlink_to(tmp_path / "elsewhere")
    run(["doctor", "--bundle", "report.zip"])
    assert unpacked(tmp_path / "report.zip").keys() == ALWAYS
