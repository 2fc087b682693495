"""The command group. Each command is a module of its own, imported when it is asked for."""

from __future__ import annotations

import importlib

import click

from ntk_labelqa.cli.run_log import log_option

COMMANDS = (
    "audit",
    "push",
    "decisions",
    "export",
    "report",
    "init",
    "gate",
    "history",
    "schemes",
    "architectures",
    "encoders",
    "embed",
    "doctor",
    "demo",
)


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is run or listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the order of a first use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command *cmd_name*, which its module defines under the same name."""
        if cmd_name not in COMMANDS:
            return None
        return getattr(importlib.import_module(f"ntk_labelqa.cli.{cmd_name}"), cmd_name)


@log_option
@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ntk-labelqa")
def cli() -> None:
    """Find wrong labels in a Label Studio project before it is released. No model is trained."""
