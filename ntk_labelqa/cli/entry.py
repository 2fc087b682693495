"""The one way into the command line: every way out has the exit code that scripts rely on.

0 done or gate passed, 1 gate failed and nothing else, 2 wrong usage, 3 could not run or be judged, 4 part of the result
could not be delivered, 130 Ctrl-C, 141 closed pipe, 143 SIGTERM. click by itself answers 1 to most of these, hence this
wrapper.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from ntk_labelqa.cli import interrupts, streams
from ntk_labelqa.cli.commands import cli
from ntk_labelqa.errors import LabelQAError
from ntk_labelqa.shown import without_secrets

PROGRAM = "ntk-labelqa"
COULD_NOT_RUN, CLOSED_PIPE = 3, 141


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave the process with the exit code of the contract."""
    if os.name != "posix":
        print("Error: ntk-labelqa runs on Linux, macOS and other POSIX systems.", file=sys.stderr)
        print("On Windows, run it in the Windows Subsystem for Linux, or in a container.", file=sys.stderr)
        sys.exit(COULD_NOT_RUN)
    interrupts.watch()
    try:
        streams.prepare()
    except LabelQAError as error:
        sys.exit(_failed(error))
    sys.exit(run(sys.argv[1:] if arguments is None else list(arguments)))


def run(arguments: Sequence[str]) -> int:
    """Run the command line on *arguments* and return the exit code; what went wrong is said on standard error."""
    try:
        code = _invoke(list(arguments))
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001 - the last line of defence: Python itself would leave with 1
        return _failed(error)
    return code


def _failed(error: BaseException) -> int:
    """Say what *error* means, and give its exit code."""
    match error:
        case SystemExit(code=interrupts.TERMINATED):
            return _ended(interrupts.TERMINATED)
        case BrokenPipeError():
            streams.silence(streams.OUTPUT)
            return CLOSED_PIPE
        case KeyboardInterrupt() | click.Abort():
            return _ended(interrupts.INTERRUPTED)
        case click.ClickException():
            vars(error)["message"] = without_secrets(error.message)
            error.show()
            return error.exit_code if isinstance(error, click.UsageError) else COULD_NOT_RUN
        case LabelQAError():
            if isinstance(error, streams.OutputLostError):
                streams.silence(streams.OUTPUT)
            _say(f"Error: {error.what}", error.why, error.remedy)
            return error.exit_code
    _say(
        f"Error: {_in_short(error)}",
        "This is a fault of ntk-labelqa, not of your data.",
        f"Please report it with the details in {_write_crash_log(error)}.",
    )
    return COULD_NOT_RUN


def _invoke(arguments: list[str]) -> int:
    if completion := os.environ.get("_NTK_LABELQA_COMPLETE"):
        from click.shell_completion import shell_complete

        return shell_complete(cli, {}, PROGRAM, "_NTK_LABELQA_COMPLETE", completion)
    try:
        # Not cli.main(): that turns a closed pipe into exit code 1 before anyone else sees it.
        with cli.make_context(PROGRAM, arguments) as context:
            cli.invoke(context)
    except click.exceptions.Exit as leave:
        return leave.exit_code
    return 0


def _ended(code: int) -> int:
    interrupts.told.set()
    _say(interrupts.WORDS[code])
    return code


def _say(*lines: str) -> None:
    click.echo(without_secrets("\n".join(line for line in lines if line)), err=True)


def _in_short(error: BaseException) -> str:
    """Kind and text of *error*; of one whose text cannot be made, the kind."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - whatever its own code raises
        return type(error).__name__


def _write_crash_log(error: BaseException) -> Path | str:
    import tempfile
    import traceback

    text = without_secrets("".join(traceback.format_exception(error)))
    try:
        with tempfile.NamedTemporaryFile("wb", prefix=f"{PROGRAM}-", suffix=".log", delete=False) as log:
            log.write(text.encode("utf-8", "backslashreplace"))
    except OSError:
        return f"this traceback (it could not be written to a file):\n{text}"
    return Path(log.name)
