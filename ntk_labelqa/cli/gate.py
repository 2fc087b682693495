"""``ntk-labelqa gate``: may these labels be released?"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ntk_labelqa.cli import run_log
from ntk_labelqa.cli.notify import deliver, notify_option
from ntk_labelqa.cli.options import (
    FILE,
    SourcePath,
    audit_options,
    compute_options,
    quiet_option,
    read_source,
    source_options,
)
from ntk_labelqa.cli.streams import print_document
from ntk_labelqa.errors import PartialDeliveryError, UsageError
from ntk_labelqa.progress import Stages

if TYPE_CHECKING:
    from ntk_labelqa.audit_folder import Audit
    from ntk_labelqa.gate.policy import Policy
    from ntk_labelqa.gate.verdict import Verdict

FORMATS = ("text", "json", "junit", "markdown")


@click.command()
@source_options
@click.option("--policy", type=FILE, default="labelqa.toml", show_default=True, help="The limits; `init` writes one.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@notify_option
@compute_options
@quiet_option
@click.pass_context
def gate(context: click.Context, policy: Path, form: str, notify: str | None, quiet: bool, **given: Any) -> None:
    """Hold an audit against a policy.

    Leaves with exit code 0 if it passed, 1 if it failed, 3 if it could not be judged.

    SOURCE is an audit folder, which is read as it is; or what `audit` takes, which is audited first, without keeping
    the audit.
    """
    from ntk_labelqa.gate import formats
    from ntk_labelqa.gate.policy import read_policy
    from ntk_labelqa.gate.verdict import judge

    limits = read_policy(policy)
    audit = _saved(context, given) if _is_folder(given) else _made_now(given, limits, Stages(quiet=quiet))
    verdict = judge(audit, limits, base=policy.parent)
    run_log.did_audit(audit)
    run_log.did(verdict=verdict.outcome, checks=len(verdict.lines), failed_checks=verdict.count("failed"))
    write = {
        "text": formats.as_text,
        "json": formats.as_json,
        "junit": formats.as_junit,
        "markdown": formats.as_markdown,
    }[form]
    (click.echo if form == "text" else print_document)(write(verdict))
    if notify:
        _notify(verdict, notify)
    context.exit(verdict.exit_code)


def _notify(verdict: Verdict, target: str) -> None:
    """Send the verdict. That it did not arrive is exit code 4 of a passed gate; one that failed stays 1."""
    from ntk_labelqa.gate import formats

    try:
        deliver({"event": "gate", **json.loads(formats.as_json(verdict))}, target)
    except PartialDeliveryError as error:
        if verdict.exit_code == 0:
            raise
        run_log.say_error(error.what, error.why, error.remedy)


# Here, and in no other command, SOURCE may also be a folder.
next(option for option in gate.params if option.name == "source").type = SourcePath(path_type=Path)


def _is_folder(given: dict[str, Any]) -> bool:
    return given["source"] is not None and os.path.isdir(given["source"])


def _saved(context: click.Context, given: dict[str, Any]) -> Audit:
    """The audit in the folder that was named; how to make one cannot be said of it any more."""
    from click.core import ParameterSource

    from ntk_labelqa.audit_folder import Audit

    said = [name for name in given if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    idle = [option.opts[0] for option in context.command.params if option.name in said and option.name != "source"]
    if idle:
        raise UsageError(
            f"{given['source']} is an audit folder, which is read as it is: {', '.join(idle)} cannot change it.",
            remedy="Leave the options out, or name an export or --project instead.",
        )
    return Audit.load(given["source"])


def _made_now(given: dict[str, Any], policy: Policy, stages: Stages) -> Audit:
    """An audit of the source that was named, regions held against the limits of *policy*."""
    options = replace(audit_options(given), regions=policy.regions.limits())
    dataset = read_source(given, stages)

    from ntk_labelqa.auditing import run_audit

    return run_audit(dataset, options, stages=stages)
