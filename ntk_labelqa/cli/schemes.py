"""``ntk-labelqa schemes``: which annotator, model or earlier state of the labels is the least noisy."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ntk_labelqa.cli import run_log
from ntk_labelqa.cli.options import FILE, audit_options, compute_options, quiet_option, read_encoded, source_options
from ntk_labelqa.cli.streams import print_document
from ntk_labelqa.progress import Stages

if TYPE_CHECKING:
    import pandas as pd

    from ntk_labelqa.dataset import LabeledDataset
    from ntk_labelqa.diagnostics.schemes import Scheme

HEADINGS = {
    "scheme": "scheme",
    "items": "items",
    "error_rate": "contradicted",
    "interval": "95 % interval",
    "error_rank": "rank",
    "bde": "BDE",
    "bde_rank": "rank by BDE",
}
LEGEND = (
    "contradicted: share of the scheme's labels that a prediction from the other items' labels speaks against; hard "
    "items are among them.\nBDE: only where schemes share their items and have like class counts; lower is better."
)


@click.command()
@source_options
@click.option(
    "--csv",
    "tables",
    type=FILE,
    multiple=True,
    help="CSV with a task_id column; every other column is one more scheme, empty where it has no label. Repeatable.",
)
@click.option(
    "--earlier", type=FILE, multiple=True, help="An earlier export; its majority is one more scheme. Repeatable."
)
@click.option("--format", "form", type=click.Choice(["text", "json", "csv"]), default="text", show_default=True)
@compute_options
@quiet_option
def schemes(tables: tuple[Path, ...], earlier: tuple[Path, ...], form: str, quiet: bool, **given: Any) -> None:
    """Rank the labelling schemes of SOURCE, the least noisy first.

    Schemes are the majority, each annotator, and each model whose predictions the project holds, except this
    program's own. They need no item in common. The control rows (one class everywhere, labels shuffled) are useless by
    design and should come last.
    """
    stages = Stages(quiet=quiet)
    options = audit_options(given)
    encoded = read_encoded(given, stages)

    from ntk_labelqa.diagnostics.scheme_ranking import rank_in
    from ntk_labelqa.diagnostics.schemes import schemes_of

    added, notes = _from_files(tables, earlier, encoded.dataset, given["control"])
    with stages.stage("Ranking the schemes"):
        everything = [*schemes_of(encoded.dataset), *added]
        ranking = rank_in(encoded.features, encoded.dataset, everything, options, numbers=encoded.numbers)
    run_log.did(items=len(encoded.dataset), schemes=len(everything))
    if not quiet:
        for note in notes:
            click.echo(note, err=True)
    write = {"text": as_text, "json": as_json, "csv": as_csv}[form]
    (click.echo if form == "text" else print_document)(write(ranking))


def _from_files(
    tables: tuple[Path, ...], earlier: tuple[Path, ...], dataset: LabeledDataset, control: str | None
) -> tuple[list[Scheme], list[str]]:
    """The schemes that the files hold, and what is to be said of them."""
    from ntk_labelqa.cli.scheme_files import earlier_scheme, table_schemes

    added: list[Scheme] = []
    notes = list(dataset.provenance.notes)
    for path in tables:
        found, said = table_schemes(path, dataset)
        added, notes = added + found, notes + said
    for path in earlier:
        scheme, said = earlier_scheme(path, dataset, control)
        added, notes = [*added, scheme], notes + said
    return added, notes


def as_text(ranking: pd.DataFrame) -> str:
    """A row a scheme, and what the figures mean."""
    from ntk_labelqa.gate.formats import printable
    from ntk_labelqa.report import formats
    from ntk_labelqa.terminal import aligned, wrapped

    rows = [tuple(HEADINGS.values())]
    for row in ranking.itertuples():
        rows.append(
            (
                printable(row.scheme),
                formats.count(row.items),
                formats.share(row.error_rate),
                formats.span(row.error_low, row.error_high),
                str(row.error_rank),
                formats.figure(row.bde),
                str(row.bde_rank) if row.comparable else "–",
            )
        )
    return "\n".join([*aligned(rows, right=range(1, len(HEADINGS))), "", wrapped(LEGEND)])


def as_json(ranking: pd.DataFrame) -> str:
    """A list of objects with the columns of ``schemes.parquet``; null where a figure cannot be compared."""
    records = ranking.astype(object).where(ranking.notna(), None).to_dict("records")
    return json.dumps(records, indent=2, ensure_ascii=False, allow_nan=False)


def as_csv(ranking: pd.DataFrame) -> str:
    """The columns of ``schemes.parquet``."""
    buffer = io.StringIO()
    ranking.to_csv(buffer, index=False, quoting=csv.QUOTE_MINIMAL, lineterminator="\n")
    return buffer.getvalue().rstrip("\n")
