"""``ntk-labelqa report``: the HTML page of an audit, written anew."""

from __future__ import annotations

from pathlib import Path

import click

from ntk_labelqa.cli.options import FOLDER


@click.command()
@click.argument("folder", metavar="DIR", type=FOLDER)
def report(folder: Path) -> None:
    """Write report.html of the audit in DIR anew, from its tables."""
    from ntk_labelqa.audit_folder import REPORT, Audit
    from ntk_labelqa.report.html import write_report

    click.echo(f"Report: {write_report(Audit.load(folder), folder / REPORT)}")
