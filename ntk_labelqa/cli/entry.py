"""The one way into the command line: every way out has the exit code that scripts rely on.

0 done or gate passed, 1 gate failed and nothing else, 2 wrong usage, 3 could not run or be judged, 4 part of the result
could not be delivered, 130 Ctrl-C, 141 closed pipe, 143 SIGTERM. click by itself answers 1 to most of these, hence this
wrapper.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from ntk_labelqa.cli import interrupts, run_log, streams
from ntk_labelqa.cli.commands import cli
from ntk_labelqa.cli.crash_log import write_crash_log
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
    unable = None
    try:
        streams.prepare()
    except LabelQAError as error:
        unable = error
    interrupts.watch()  # once the numbers of closed streams are taken: it opens a pair of sockets
    sys.exit(run(sys.argv[1:] if arguments is None else arguments, unable=unable))


def run(arguments: Sequence[str], *, unable: LabelQAError | None = None) -> int:
    """Run the command line on *arguments* and return the exit code; what went wrong is said on standard error.

    Where something before has gone wrong, *unable*, nothing is run, and that is said.
    """
    with run_log.recording(arguments) as outcome:
        code = _failed(unable) if unable else _answered(list(arguments))
        outcome.exit_code = code
    return code


def _answered(arguments: list[str]) -> int:
    try:
        code = _invoke(arguments)
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
            _say_as_click_does(error)
            return error.exit_code if isinstance(error, click.UsageError) else COULD_NOT_RUN
        case LabelQAError():
            if isinstance(error, streams.OutputLostError):
                streams.silence(streams.OUTPUT)
            run_log.say_error(error.what, error.why, error.remedy)
            return error.exit_code
    run_log.say_error(
        _in_short(error),
        "This is a fault of ntk-labelqa, not of your data.",
        "Please report it, with the file of `ntk-labelqa doctor --bundle FILE.zip`, or with the details in "
        f"{write_crash_log(error)}.",
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
    run_log.say_error(interrupts.WORDS[code], title="")
    return code


def _say_as_click_does(error: click.ClickException) -> None:
    vars(error)["message"] = without_secrets(error.message)
    if run_log.is_on():
        context = error.ctx if isinstance(error, click.UsageError) else None
        run_log.say_error(error.format_message(), remedy=f"See `{context.command_path} --help`." if context else "")
    else:
        error.show()


def _in_short(error: BaseException) -> str:
    """Kind and text of *error*; of one whose text cannot be made, the kind."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - whatever its own code raises
        return type(error).__name__
