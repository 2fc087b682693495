"""The fit of several architectures as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ntk_labelqa.diagnostics.architectures import FLOOR, Fits
from ntk_labelqa.diagnostics.recommendation import CAVEAT, recommend
from ntk_labelqa.report import formats
from ntk_labelqa.report.architectures_scatter import legend, scatter
from ntk_labelqa.report.page import render_page
from ntk_labelqa.report.table import Column, Table, figure, share, words

MOST_CLASSES = 1000
"""Rows of the table of classes."""


def render_architectures(
    fits: Fits, *, title: str, notes: Sequence[str] = (), item_names: Sequence[str] | None = None
) -> str:
    """The page of *fits*: what to begin with and how sure that is, then every figure behind it.

    Args:
        fits: as judged.
        title: of the project or file.
        notes: what was decided on the user's behalf.
        item_names: what to call each item of the sample in the charts; None counts rows.
    """
    names = item_names or [f"item {row}" for row in fits.rows]
    return render_page(
        "architectures.html",
        title=title,
        advice=recommend(fits),
        caveat=CAVEAT,
        tiles=tiles(fits),
        fits=fits,
        notes=notes,
        figures=figures_table(fits),
        classes=classes_table(fits),
        key=legend(fits),
        charts=[(fit.name, scatter(fit, fits, names)) for fit in fits.fits],
    )


def tiles(fits: Fits) -> list[tuple[str, str, str]]:
    """Name, value and note of the figures on the first screen."""
    advice = recommend(fits)
    by_name = {fit.name: fit.figures for fit in fits.fits}
    chosen, floor = by_name[advice.name], by_name.get(FLOOR)
    interval = formats.span(chosen["accuracy_low"], chosen["accuracy_high"])
    cost = f"{seconds(chosen['all_seconds'])} for all {formats.count(fits.items)} items"
    found = [
        ("Predicted right", formats.share(chosen["accuracy"]), f"each item from all others; {interval}"),
        ("Cost of its kernel", seconds(chosen["seconds"]), f"for the sample on this machine; {cost}"),
    ]
    if floor is not None and advice.name != FLOOR:
        found.insert(1, ("Linear floor", formats.share(floor["accuracy"]), "what no network at all would do"))
    doubt = "nothing is level with it" if advice.is_sure else f"level with {', '.join(advice.level_with)}"
    return [*found, ("Certainty", "clear" if advice.is_sure else "open", doubt)]


def figures_table(fits: Fits) -> Table:
    """Every figure of every architecture, the most accurate first."""
    rows = [
        (
            words(row.architecture),
            share(row.accuracy, bar=True),
            share(row.accuracy_low),
            share(row.accuracy_high),
            figure(row.log_loss),
            share(row.calibration_error),
            figure(row.kpca_ratio),
            figure(row.alignment),
            figure(row.bde),
            figure(row.effective_dimension),
            figure(row.all_seconds),
        )
        for row in fits.table().itertuples()
        if not row.left_out
    ]
    titles = (
        "Predicted right",
        "at least",
        "at most",
        "Log loss",
        "Calibration error",
        "Class separation",
        "Alignment",
        "BDE",
        "Degrees of freedom",
        "Seconds, all items",
    )
    columns = (Column("Architecture"), *(Column(title, numeric=True) for title in titles))
    return Table("figures-table", "Architectures, most accurate first", columns, rows, len(rows), "")


def classes_table(fits: Fits) -> Table:
    """The share of each class that every architecture predicts right, the hardest classes first."""
    counts = np.bincount(fits.codes, minlength=len(fits.class_names))
    used = np.flatnonzero(counts)
    shares = np.array([[fit.right[fits.codes == code].mean() for fit in fits.fits] for code in used])
    order = np.argsort(shares.max(axis=1), kind="stable")
    rows = [
        (words(fits.class_names[used[row]]), figure(float(counts[used[row]])), *(share(float(v)) for v in shares[row]))
        for row in order[:MOST_CLASSES]
    ]
    columns = (Column("Class"), *(Column(name, numeric=True) for name in ("Items", *(fit.name for fit in fits.fits))))
    caption = "Share predicted right, hardest classes first"
    return Table("separability-table", caption, columns, rows, len(used), "the labels' own tables")


def seconds(value: float) -> str:
    """A duration as people read it."""
    if value < 120:
        return f"{value:.2g} s"
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"
