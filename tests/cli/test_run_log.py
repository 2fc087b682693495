"""With `--log json` each line on standard error is a JSON object, and the last says what the run did."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import numpy as np
import pytest

from ntk_labelqa import __version__, errors, progress
from ntk_labelqa.cli import commands, entry, run_log
from ntk_labelqa.progress import Stages
from tests.cli.test_audit_command import export, tasks  # noqa: F401 - fixtures
from tests.cli.test_streams import FULL, in_shell
from tests.gate.audits import audit_of, write_policy

LOG = ["--log", "json"]


@pytest.fixture
def command_that(monkeypatch) -> Callable[[Callable[[], object]], None]:
    """Put a command in place of `doctor` that does what the test asks for."""

    def install(action: Callable[[], object]) -> None:
        made = click.Command("doctor", callback=action)
        monkeypatch.setattr(commands.LazyGroup, "get_command", lambda *_: made)

    return install


def records(said: str) -> list[dict[str, Any]]:
    """The lines of standard error, each of which has to be a record, between those of start and end."""
    found = [json.loads(line) for line in said.splitlines()]
    for one in found:
        assert {"time", "level", "event", "message"} <= one.keys()
        when = datetime.fromisoformat(one["time"])
        assert when.utcoffset() == timedelta(0)
        assert abs(datetime.now(UTC) - when) < timedelta(minutes=10)
    assert (found[0]["event"], found[-1]["event"]) == ("started", "summary")
    return found


def logged(capfd, *arguments: str, code: int) -> list[dict[str, Any]]:
    """What `doctor` as installed says between start and summary, which has to have the exit *code*."""
    capfd.readouterr()
    assert entry.run([*LOG, "doctor", *arguments]) == code
    first, *others, last = records(capfd.readouterr().err)
    assert first["command"] == last["command"] == "doctor"
    assert first["version"] == last["version"] == __version__
    assert last["exit_code"] == code
    assert 0 <= last["seconds"] < 600
    assert 10 * 2**20 < last["peak_memory_bytes"] < 2**40
    return others


def raising(error: BaseException) -> Callable[[], object]:
    def action() -> None:
        raise error

    return action


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.LabelQAError("It broke.", why="A cable is loose.", remedy="Plug it in."), 3),
        (errors.PartialDeliveryError("It broke.", why="A cable is loose.", remedy="Plug it in."), 4),
        (click.ClickException("It broke."), 3),
        (ZeroDivisionError("It broke."), 3),
        (click.Abort(), 130),
        (KeyboardInterrupt(), 130),
    ],
)
def test_what_went_wrong_is_one_record(command_that, capfd, error: BaseException, code: int) -> None:
    command_that(raising(error))
    (said,) = logged(capfd, code=code)
    assert (said["event"], said["level"]) == ("error", "error")
    assert said["message"] in ("It broke.", "ZeroDivisionError: It broke.", "Interrupted.")
    if isinstance(error, errors.LabelQAError):
        assert (said["why"], said["remedy"]) == ("A cable is loose.", "Plug it in.")
    if isinstance(error, ZeroDivisionError):
        assert "details in" in said["remedy"]


@pytest.mark.parametrize(
    "arguments", [["no-such-command"], ["--no-such-option", "audit"], ["audit", "--no-such-option"], ["report"]]
)
def test_wrong_usage_is_a_record_too(capfd, arguments: list[str]) -> None:
    assert entry.run([*LOG, *arguments]) == 2
    _, said, last = records(capfd.readouterr().err)
    assert said["event"] == "error"
    assert "--help" in said["remedy"]
    assert last["exit_code"] == 2


def test_whatever_is_printed_becomes_records(command_that, capfd) -> None:
    def action() -> None:
        click.echo("by click\nin two lines", err=True)
        Stages().note("a note\x1b[2J of somebody")
        print("without an end", end="", file=sys.stderr)
        logging.getLogger("some.library").warning("of %s", "a library")
        logging.getLogger("some.library").info("too much")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("deprecated", stacklevel=1)

    command_that(action)
    said = {one["message"]: one["level"] for one in logged(capfd, code=0)}
    (deprecated,) = (text for text in said if "deprecated" in text)
    assert said == {
        "by click": "info",
        "in two lines": "info",
        "a note\\u001b[2J of somebody": "info",
        "without an end": "info",
        "of a library": "warning",
        deprecated: "warning",
    }


def test_a_package_that_logs_to_standard_error_itself_does_no_harm(command_that, capfd, monkeypatch) -> None:
    monkeypatch.setattr(logging.root, "handlers", list(logging.root.handlers))

    def action() -> None:
        logging.root.addHandler(logging.StreamHandler())
        logging.getLogger("some.library").warning("of a library")
        print("a line", file=sys.stderr)

    command_that(action)
    said = [(one["level"], one["message"]) for one in logged(capfd, code=0)]
    assert said == [("warning", "of a library"), ("info", "of a library"), ("info", "a line")]


def test_stages_say_how_far_they_are(command_that, capfd, monkeypatch) -> None:
    monkeypatch.setattr(progress, "BETWEEN", 0.0)

    def action() -> None:
        stages = Stages()
        with stages.stage("Reading") as tick:
            tick(1, 2)
        with stages.stage("Writing"):
            raise errors.LabelQAError("The disk is full.")

    command_that(action)
    said = [(one.get("stage"), one.get("state")) for one in logged(capfd, code=3)]
    assert said == [
        ("Reading", "started"),
        ("Reading", "running"),
        ("Reading", "finished"),
        ("Writing", "started"),
        ("Writing", "failed"),
        (None, None),
    ]
    command_that(lambda: Stages().stage("Reading").__enter__()(3, 4))
    (running,) = (one for one in logged(capfd, code=0) if one.get("state") == "running")
    assert (running["done"], running["total"]) == (3, 4)


def test_seconds_of_a_stage_are_measured(command_that, capfd) -> None:
    def action() -> None:
        with Stages().stage("Sleeping"):
            __import__("time").sleep(0.2)

    command_that(action)
    assert 0.2 <= logged(capfd, code=0)[-1]["seconds"] < 60


def test_far_between_are_the_records_of_a_stage(command_that, capfd) -> None:
    def action() -> None:
        with Stages().stage("Reading") as tick:
            for done in range(1000):
                tick(done, 1000)

    command_that(action)
    assert len(logged(capfd, code=0)) == 2


def test_quiet_leaves_what_cannot_be_missed(command_that, capfd) -> None:
    def action() -> None:
        stages = Stages(quiet=True)
        stages.note("a note")
        with stages.stage("Reading"):
            pass
        raise errors.LabelQAError("It broke.")

    command_that(action)
    assert [one["event"] for one in logged(capfd, code=3)] == ["error"]


def test_figures_of_any_kind_can_be_read(command_that, capfd) -> None:
    command_that(lambda: run_log.did(a=np.int64(3), b=np.float32(0.5), c=float("nan"), d={"x": [True, None]}))
    entry.run([*LOG, "doctor"])
    last = records(capfd.readouterr().err)[-1]
    assert [last[name] for name in "abcd"] == [3, 0.5, None, {"x": [True, None]}]
    command_that(lambda: None)
    entry.run([*LOG, "doctor"])
    assert "a" not in records(capfd.readouterr().err)[-1], "figures of the run before"


def test_the_variable_asks_for_it_and_the_option_has_the_last_word(command_that, capfd, monkeypatch) -> None:
    command_that(lambda: click.echo("a note", err=True))
    monkeypatch.setenv(run_log.VARIABLE, "json")
    assert entry.run(["doctor"]) == 0
    assert [one["event"] for one in records(capfd.readouterr().err)] == ["started", "note", "summary"]
    assert entry.run(["--log", "text", "doctor"]) == 0
    assert capfd.readouterr().err == "a note\n"
    assert entry.run(["--log=text", "doctor"]) == 0
    assert capfd.readouterr().err == "a note\n"
    monkeypatch.setenv(run_log.VARIABLE, "xml")
    assert entry.run(["doctor"]) == 2
    assert "'xml' is not one of 'text', 'json'" in capfd.readouterr().err


def test_standard_error_and_logging_are_as_before(command_that, capfd) -> None:
    before = sys.stderr, list(logging.root.handlers), warnings.showwarning, logging.getLogger("ntk_labelqa").level
    command_that(raising(ZeroDivisionError("It broke.")))
    logged(capfd, code=3)
    after = sys.stderr, list(logging.root.handlers), warnings.showwarning, logging.getLogger("ntk_labelqa").level
    assert after == before


def test_a_gate_says_its_figures_and_prints_what_it_always_did(tmp_path, capfd) -> None:
    folder = audit_of(wrong=4, left_out=5).save(tmp_path / "audit")
    policy = str(write_policy(tmp_path, 'check = "suspects"\nat_most = 0'))
    assert entry.run(["gate", str(folder), "--policy", policy]) == 1
    plain = capfd.readouterr()
    assert plain.err == ""
    assert entry.run([*LOG, "gate", str(folder), "--policy", policy]) == 1
    said = capfd.readouterr()
    assert said.out == plain.out
    last = records(said.err)[-1]
    assert (last["exit_code"], last["verdict"], last["failed_checks"]) == (1, "failed", 1)
    assert (last["items"], last["annotations"], last["flagged"], last["left_out"]) == (300, 300, 4, 5)


@pytest.mark.long
def test_an_audit_says_its_stages_and_figures(export, tmp_path, capfd) -> None:  # noqa: F811
    arguments = ["audit", str(export()), "--out", str(tmp_path / "audit"), "--arch", "2-L"]
    assert entry.run([*LOG, *arguments]) == 0
    said = capfd.readouterr()
    found = records(said.err)
    finished = [one["stage"] for one in found if one.get("state") == "finished"]
    assert finished[0] == "Reading the export"
    assert finished[-1] == "Writing the audit"
    assert any("were inferred from the results" in one["message"] for one in found)
    last = found[-1]
    assert (last["items"], last["annotations"], last["left_out"]) == (300, 300, 0)
    assert f"{last['flagged']} of 300 labels" in said.out
    assert sum(one.get("seconds", 0) for one in found[:-1]) <= last["seconds"]


@pytest.mark.long
@pytest.mark.parametrize(
    ("redirected", "environment", "code"),
    [
        ("2>&-", {}, 1),
        pytest.param("2> /dev/full", {}, 1, marks=FULL),
        ("", {"PYTHONIOENCODING": "latin-1:strict"}, 1),
        ("", {"PYTHONIOENCODING": "ascii:strict"}, 1),
        (">&-", {}, 3),
        (">&- 2>&-", {}, 3),
    ],
)
def test_no_stream_changes_the_exit_code(tmp_path, redirected: str, environment: dict[str, str], code: int) -> None:
    folder = audit_of(wrong=4).save(tmp_path / "Zoë 猫")
    policy = str(write_policy(tmp_path, 'check = "suspects"\nat_most = 0'))
    command = [sys.executable, "-m", "ntk_labelqa", *LOG, "gate", str(folder), "--policy", policy]
    done = in_shell(command, redirected, **environment)
    assert done.returncode == code
    if "2>" not in redirected:
        assert records(done.stderr.decode("ascii"))[-1]["exit_code"] == code


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_ended_has_a_summary(number: int, code: int) -> None:
    program = """
import click, time
from ntk_labelqa.cli import commands, entry
@click.command()
def doctor():
    print("running", flush=True)
    time.sleep(60)
commands.LazyGroup.get_command = lambda *_: doctor
entry.main(["doctor"])
"""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, run_log.VARIABLE: "json"},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(number)
        _, said = process.communicate(timeout=400)
    assert process.returncode == code
    assert records(said)[-1]["exit_code"] == code
