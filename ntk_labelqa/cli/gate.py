"""``ntk-labelqa gate``: may these labels be released?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ntk_labelqa.cli.options import FILE, audit_options, compute_options, quiet_option, read_source, source_options
from ntk_labelqa.errors import UsageError
from ntk_labelqa.progress import Stages

if TYPE_CHECKING:
    from ntk_labelqa.audit_folder import Audit

FORMATS = ("text", "json", "junit", "markdown")


@click.command()
@source_options
@click.option("--policy", type=FILE, default="labelqa.toml", show_default=True, help="The limits; `init` writes one.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@compute_options
@quiet_option
@click.pass_context
def gate(context: click.Context, policy: Path, form: str, quiet: bool, **given: Any) -> None:
    """Hold an audit against a policy: exit 0 passed, 1 failed, 3 could not be judged.

    SOURCE is an audit folder, which is read as it is; or what `audit` takes, which is audited first, without keeping
    the audit.
    """
    from ntk_labelqa.gate import formats
    from ntk_labelqa.gate.policy import read_policy
    from ntk_labelqa.gate.verdict import judge

    limits = read_policy(policy)
    verdict = judge(_audit(given, Stages(quiet=quiet)), limits, base=policy.parent)
    write = {
        "text": formats.as_text,
        "json": formats.as_json,
        "junit": formats.as_junit,
        "markdown": formats.as_markdown,
    }[form]
    click.echo(write(verdict))
    context.exit(verdict.exit_code)


# Here, and in no other command, SOURCE may also be a folder.
next(option for option in gate.params if option.name == "source").type = click.Path(path_type=Path)


def _audit(given: dict[str, Any], stages: Stages) -> Audit:
    """The audit in the folder that *given* names, or one made now of its source."""
    source = given["source"]
    if source is not None and source.is_dir():
        if given["project"] is not None:
            raise UsageError("Name either an audit folder or --project, not both.", remedy="Leave one of them out.")
        from ntk_labelqa.audit_folder import Audit

        return Audit.load(source)
    options = audit_options(given)
    dataset = read_source(given, stages)

    from ntk_labelqa.auditing import run_audit

    return run_audit(dataset, options, stages=stages)
