"""``ntk-labelqa embed``: a features file of what an encoder makes of the items, for use anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ntk_labelqa.cli import run_log
from ntk_labelqa.cli.options import OUT_FILE, encoder_options, quiet_option, read_encoded, source_options
from ntk_labelqa.errors import LabelQAError, UsageError
from ntk_labelqa.progress import Stages


@click.command()
@source_options
@click.option("--out", type=OUT_FILE, required=True, help="The features file to write, .npz or .parquet.")
@click.option("--overwrite", is_flag=True, help="Replace a file that is already there.")
@encoder_options
@click.option("--seed", type=int, default=0, show_default=True)
@quiet_option
def embed(out: Path, overwrite: bool, quiet: bool, **given: Any) -> None:
    """Write the features of the items of SOURCE, one row for each item with its task id, as --features reads them.

    What was embedded before is not embedded again, and an interrupted run goes on where it stopped.
    """
    if out.suffix not in (".npz", ".parquet"):
        raise UsageError(f"{out} ends neither in .npz nor in .parquet.", remedy="Name such a file.")
    if out.exists() and not overwrite:
        raise LabelQAError(f"{out} is already there.", remedy="Name another file, or add --overwrite.")
    if not out.parent.is_dir():
        raise LabelQAError(f"There is no folder {out.parent} for {out.name}.", remedy="Make it, or name another file.")
    stages = Stages(quiet=quiet)
    encoded = read_encoded(given, stages)

    from ntk_labelqa.encoders.precomputed import write_features

    items = encoded.dataset.items
    write_features(out, items["task_id"].to_numpy(), encoded.features[:], items.get("region_id"))
    run_log.did(items=len(items), encoder=encoded.encoder)
    for note in () if quiet else encoded.dataset.provenance.notes:
        click.echo(note, err=True)
    click.echo(f"{len(items)} rows of {encoded.features[:1].size} features by {encoded.encoder}: {out}")
