"""``ntk-labelqa report``: the HTML page of an audit, written again."""

from __future__ import annotations

from pathlib import Path

import click

from ntk_labelqa.cli.options import FOLDER


@click.command()
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.option(
    "--csv", "tables", metavar="FOLDER", type=click.Path(path_type=Path), help="Also write the tables there, as CSV."
)
def report(folder: Path, tables: Path | None) -> None:
    """Write report.html of the audit in DIR again, from its tables."""
    from ntk_labelqa.audit_folder import REPORT, Audit, export_csv
    from ntk_labelqa.report.html import write_report

    audit = Audit.load(folder)
    click.echo(f"Report: {write_report(audit, folder / REPORT)}")
    if tables is not None:
        click.echo(f"{len(export_csv(audit, tables))} tables in {tables}")
