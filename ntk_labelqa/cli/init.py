"""``ntk-labelqa init``: a commented policy to begin with."""

from __future__ import annotations

from pathlib import Path

import click

from ntk_labelqa.cli.options import OUT_FILE
from ntk_labelqa.cli.streams import print_document
from ntk_labelqa.errors import LabelQAError


@click.command()
@click.argument("path", type=OUT_FILE, default="labelqa.toml")
@click.option("--schema", is_flag=True, help="Print the JSON schema of the policy file instead, for editors.")
def init(path: Path, schema: bool) -> None:
    """Write a commented policy for `gate`.

    It goes to PATH, labelqa.toml if not given. A file that is already there is left as it is.
    """
    from ntk_labelqa.files import in_words
    from ntk_labelqa.gate.policy import json_schema, template

    if schema:
        print_document(json_schema().rstrip("\n"))
        return
    with in_words(path):
        try:
            file = open(path, "x", encoding="utf-8")  # noqa: SIM115 - closed below
        except FileExistsError:
            raise LabelQAError(
                f"{path} is there already, and was left as it is.", remedy="Name another file."
            ) from None
        try:
            with file:
                file.write(template())
        except BaseException:
            path.unlink()
            raise
    click.echo(f"Policy: {path}")
