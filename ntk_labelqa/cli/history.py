"""``ntk-labelqa history``: how the labels' quality went from audit to audit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ntk_labelqa.cli.options import FOLDER, OUT_FILE

if TYPE_CHECKING:
    from ntk_labelqa.history import Entry

COLUMNS = ("audit", "data", "items", "error rate", "interval", "flagged", "class flagged most")


@click.command()
@click.argument("folders", metavar="DIR...", type=FOLDER, nargs=-1, required=True)
@click.option("--out", type=OUT_FILE, help="Also write charts, as one HTML page.")
def history(folders: tuple[Path, ...], out: Path | None) -> None:
    """Print how the labels' quality has changed from audit to audit.

    One row for each audit in DIR..., oldest first, with its error rate and class figures. Equal letters under "data"
    mean equal items and labels. A line in between marks audits that cannot be compared.
    """
    from ntk_labelqa.history import read_history

    entries = read_history(folders)
    click.echo(table(entries))
    if out is not None:
        from ntk_labelqa.files import write_whole
        from ntk_labelqa.paths import real_place
        from ntk_labelqa.report.trend import render_trend

        write_whole(real_place(out), render_trend(entries))
        click.echo(f"\nCharts: {out}")


def table(entries: Sequence[Entry]) -> str:
    """A row an audit, and a line before each that cannot be compared with the one above it."""
    from ntk_labelqa.terminal import aligned, wrapped

    rows = [COLUMNS, *(_row(entry) for entry in entries)]
    heading, *lines = aligned(rows)
    marked = [heading]
    for entry, line in zip(entries, lines, strict=True):
        marked += [wrapped(f"-- not comparable with the audits above: {entry.unlike}", "   ")] if entry.unlike else []
        marked.append(line)
    return "\n".join(marked)


def _row(entry: Entry) -> tuple[str, ...]:
    from ntk_labelqa.gate.formats import printable
    from ntk_labelqa.report.formats import count, share, span

    figures, flagged = entry.summary, entry.classes[entry.classes["issues"] > 0]
    worst = [
        f"{printable(row.class_name)} ({share(row.issue_rate)})"
        for row in flagged.nlargest(1, "issue_rate").itertuples()
    ]
    return (
        f"{entry.when:%Y-%m-%d %H:%M}",
        entry.fingerprint,
        count(figures["items"]),
        share(figures["error_rate"]),
        span(figures["error_rate_low"], figures["error_rate_high"]),
        count(figures["issues"]),
        worst[0] if worst else "none",
    )
