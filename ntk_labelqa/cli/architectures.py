"""``ntk-labelqa architectures``: which kind of network suits the data, before any is trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ntk_labelqa.cli import run_log
from ntk_labelqa.cli.options import (
    OUT_FILE,
    encoder_options,
    quiet_option,
    read_encoded,
    sample_options,
    source_options,
    use_device,
)
from ntk_labelqa.progress import Stages

if TYPE_CHECKING:
    from ntk_labelqa.dataset import LabeledDataset
    from ntk_labelqa.diagnostics.architectures import Fits
    from ntk_labelqa.report.architectures_scatter import Shown


@click.command()
@source_options
@click.option("--out", type=OUT_FILE, help="Also write a report, as one HTML page.")
@click.option(
    "--arch",
    "names",
    multiple=True,
    metavar="NAME",
    help="linear, 2-L, 10-L, CNN-1, CNN-2, CNN-3, or module:attribute of a stax network. Repeatable; default: all.",
)
@encoder_options
@sample_options
@quiet_option
def architectures(out: Path | None, names: tuple[str, ...], quiet: bool, **given: Any) -> None:
    """Compare architectures on the labels of SOURCE by their infinite-width kernels, and recommend one.

    Those that do not fit the items, or whose kernel would take too long, are left out, and the reason is
    printed. The linear kernel is always in the table, as a baseline.
    """
    use_device(given["device"])
    stages = Stages(quiet=quiet)
    encoded = read_encoded(given, stages)

    from ntk_labelqa.dataset import label_means
    from ntk_labelqa.diagnostics.architectures import fit_architectures
    from ntk_labelqa.diagnostics.fitted_kernel import prepare_numbers
    from ntk_labelqa.kernels.architectures import NAMES
    from ntk_labelqa.options import KernelOptions

    labels = label_means(encoded.dataset)
    asked = KernelOptions(preparation=given["preparation"], seed=given["seed"])
    prepare, choice = prepare_numbers(encoded.features, labels, asked, numbers=encoded.numbers)
    if choice:
        stages.note(choice)
    with stages.stage("Judging the architectures") as tick:
        fits = fit_architectures(
            prepare(encoded.features),
            labels.argmax(axis=1),
            encoded.dataset.class_names,
            names or NAMES,
            sample=given["sample"],
            budget=given["budget"],
            seed=given["seed"],
            progress=tick,
        )
    run_log.did(items=len(encoded.dataset), architectures=len(fits.table()), left_out=len(fits.left_out))
    click.echo(as_text(fits))
    if out is not None:
        from ntk_labelqa.files import write_whole
        from ntk_labelqa.paths import real_place
        from ntk_labelqa.report.architectures import render_architectures

        source = encoded.dataset.provenance
        page = render_architectures(
            fits,
            title=source.project_title or Path(source.source).name,
            notes=source.notes,
            items=shown_items(encoded.dataset, fits),
        )
        write_whole(real_place(out), page)
        click.echo(f"\nReport: {out}")


def shown_items(dataset: LabeledDataset, fits: Fits) -> list[Shown]:
    """What the charts show of each item of the sample: its text, or its picture where it is drawn."""
    from ntk_labelqa.label_types.registry import item_type_of
    from ntk_labelqa.report.architectures_scatter import MOST_POINTS, TEXT_LENGTH, Shown
    from ntk_labelqa.thumbnails import thumbnail

    sample = dataset.items.iloc[fits.rows]
    pictures = [thumbnail(path) for path in sample["path"].head(MOST_POINTS)] if "path" in sample else []
    pictures += [None] * (len(sample) - len(pictures))
    kind = item_type_of(dataset)
    texts = (kind.in_words(str(value), TEXT_LENGTH) for value in sample["value"])
    return [
        Shown(f"task {task}", text, picture)
        for task, text, picture in zip(sample["task_id"], texts, pictures, strict=True)
    ]


def as_text(fits: Fits) -> str:
    """The table, what was left out and why, the recommendation and its margin of doubt."""
    from ntk_labelqa.diagnostics.recommendation import CAVEAT, recommend
    from ntk_labelqa.report import formats
    from ntk_labelqa.report.architectures import seconds
    from ntk_labelqa.terminal import aligned, wrapped

    rows = [("architecture", "right", "95 % interval", "log loss", "separation", "alignment", "kernel, all items")]
    for row in fits.table().itertuples():
        if row.left_out:
            continue
        rows.append(
            (
                row.architecture,
                formats.share(row.accuracy),
                formats.span(row.accuracy_low, row.accuracy_high),
                formats.figure(row.log_loss),
                formats.figure(row.kpca_ratio),
                formats.figure(row.alignment),
                seconds(row.all_seconds),
            )
        )
    gone = [f"left out: {name}. {why}" for name, why in fits.left_out.items()]
    advice = recommend(fits)
    prose = [*gone, "", f"{advice.title}.", advice.doubt, CAVEAT]
    return "\n".join([*aligned(rows), *(wrapped(line) for line in prose)])
