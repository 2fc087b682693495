"""Writes docs/reference/cli.md from the commands themselves: ``python docs/scripts/cli_reference.py``."""

from __future__ import annotations

import re
from pathlib import Path

import click

from ntk_labelqa.cli.commands import cli
from ntk_labelqa.cli.entry import PROGRAM

PAGE = Path(__file__).parents[1] / "reference" / "cli.md"
HEAD = f"""# Commands

Every command and option, as `{PROGRAM} COMMAND --help` prints them. This page is written from the commands by
`docs/scripts/cli_reference.py`; a test compares it with them.

`python -m ntk_labelqa` is the same as `{PROGRAM}`. What the exit codes mean: [Exit codes and streams](exit-codes.md).
"""


def page() -> str:
    """The whole page."""
    root = click.Context(cli, info_name=PROGRAM)
    names = cli.list_commands(root)
    listed = "\n".join(f"| [`{name}`](#{anchor(name)}) | {short_help(root, name)} |" for name in names)
    parts = [HEAD, f"| command | does |\n|---|---|\n{listed}\n", f"Before the command:\n\n{options(cli, root)}"]
    for name in names:
        parts += sections(cli.get_command(root, name), root, name)
    return "\n".join(parts)


def anchor(name: str) -> str:
    """What the heading of *name* is called in links."""
    return re.sub(r"[^a-z0-9-]", "", f"{PROGRAM} {name}".lower().replace(" ", "-"))


def short_help(root: click.Context, name: str) -> str:
    """One sentence on the command."""
    command = cli.get_command(root, name)
    assert command is not None
    return command.get_short_help_str(limit=200)


def sections(command: click.Command | None, parent: click.Context, name: str) -> list[str]:
    """The section of a command, and those of the commands below it."""
    assert command is not None
    context = click.Context(command, info_name=name, parent=parent)
    usage = " ".join(command.collect_usage_pieces(context))
    parts = [
        f"## `{context.command_path}`\n",
        f"```text\n{context.command_path} {usage}\n```\n",
        f"{paragraphs(command.help or '')}\n",
    ]
    if table := options(command, context):
        parts.append(table)
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            parts += sections(command.get_command(context, below), context, below)
    return parts


def options(command: click.Command, context: click.Context) -> str:
    """The table of the command's options; empty where it has none."""
    records = [record for one in command.params if (record := option(one, context))]
    rows = "\n".join(f"| {cell(names)} | {cell(text)} |" for names, text in records)
    return f"| option | |\n|---|---|\n{rows}\n" if rows else ""


def paragraphs(text: str) -> str:
    """*text* with each paragraph in one line."""
    return "\n\n".join(" ".join(part.split()) for part in text.strip().split("\n\n"))


def option(parameter: click.Parameter, context: click.Context) -> tuple[str, str] | None:
    """How an option is written, and what it does; None of arguments, which the usage shows."""
    if not isinstance(parameter, click.Option) or parameter.hidden:
        return None
    record = parameter.get_help_record(context)
    assert record is not None
    names, text = record
    return f"`{names}`", " ".join(text.split())


def cell(text: str) -> str:
    """*text* as a cell of a table."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
