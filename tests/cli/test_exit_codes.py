"""Every way out of the command line has the exit code that scripts rely on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from ntk_labelqa import errors
from ntk_labelqa.cli import commands, entry


@pytest.fixture
def command_that(monkeypatch):
    """Put a command in place of `doctor` that does what the test asks for."""

    def install(action):
        @click.command()
        def doctor() -> None:
            action()

        monkeypatch.setattr(commands.LazyGroup, "get_command", lambda self, ctx, name: doctor)

    return install


def raising(error: BaseException):
    def action() -> None:
        raise error

    return action


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.LabelQAError("It broke."), 3),
        (errors.InvalidInputError("Bad file."), 3),
        (errors.UsageError("Not so."), 2),
        (errors.PartialDeliveryError("Half of it."), 4),
        (click.UsageError("Not so."), 2),
        (click.ClickException("click's own"), 3),
        (click.FileError("missing.json"), 3),
        (click.Abort(), 130),
        (KeyboardInterrupt(), 130),
        (BrokenPipeError(), 141),
        (ZeroDivisionError("a fault of ours"), 3),
        (SystemExit(143), 143),
    ],
)
def test_every_error_has_its_code(command_that, error, code, capfd) -> None:
    command_that(raising(error))
    if isinstance(error, BrokenPipeError):
        done = run_python("raise BrokenPipeError")
        assert done.returncode == code
    else:
        assert entry.run(["doctor"]) == code
        assert "Traceback" not in capfd.readouterr().err


def run_python(body: str, **options) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, with *body* as the command."""
    program = f"""
import click, time
from ntk_labelqa.cli import commands, entry
@click.command()
def doctor():
    {body}
commands.LazyGroup.get_command = lambda *_: doctor
entry.main(["doctor"])
"""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, **options)


def test_an_unexpected_error_leaves_its_traceback_in_a_file_alone(monkeypatch) -> None:
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "very-secret")
    done = run_python('raise RuntimeError("with very-secret inside")')
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "very-secret" not in done.stderr
    assert "fault of ntk-labelqa" in done.stderr
    log = Path(done.stderr.split("details in ")[1].strip().rstrip("."))
    assert "RuntimeError" in log.read_text()
    assert "very-secret" not in log.read_text()
    log.unlink()


def test_a_closed_pipe() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "ntk_labelqa", "--help"],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 141
    assert done.stderr == ""


@pytest.mark.long
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["--version"], 0),
        ([], 2),
        (["no-such-command"], 2),
        (["audit", "--no-such-option"], 2),
        (["audit", "--out", "a"], 2),
        (["audit", "export.json", "--project", "1", "--out", "a"], 2),
        (["audit", "no-such-file.json", "--out", "a"], 3),
        (["report", "no-such-folder"], 3),
    ],
)
def test_real_command_lines(arguments: list[str], code: int, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "ntk_labelqa", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_starts_without_the_heavy_packages() -> None:
    program = """
import sys
from ntk_labelqa.cli import entry
code = entry.run(["--help"])
heavy = {"jax", "pandas", "numpy", "label_studio_sdk", "sklearn", "scipy", "rich"} & set(sys.modules)
sys.exit(code or (f"imported: {heavy}" if heavy else 0))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
