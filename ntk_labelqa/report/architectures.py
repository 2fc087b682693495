"""The fit of several architectures as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from ntk_labelqa.diagnostics.architectures import FLOOR, Fits
from ntk_labelqa.diagnostics.encoder_comparison import EncoderFits
from ntk_labelqa.diagnostics.recommendation import CAVEAT, Recommendation, recommend
from ntk_labelqa.kernels.architectures import CONVOLUTIONAL, DENSE
from ntk_labelqa.report import formats
from ntk_labelqa.report.architectures_scatter import MOST_POINTS, Shown, legend, popups, scatter
from ntk_labelqa.report.page import render_page
from ntk_labelqa.report.table import Cell, Column, Table, figure, number, share, words

MOST_CLASSES = 1000
"""Rows of the table of classes."""
HARD, FEWEST = 0.7, 5
"""A class is called hard when no architecture predicts more of it right, if it has that many items in the sample."""


def render_architectures(
    fits: Fits,
    *,
    title: str,
    notes: Sequence[str] = (),
    items: Sequence[Shown] | None = None,
    encoders: EncoderFits | None = None,
) -> str:
    """The page of *fits*: what to begin with and how sure that is, then every figure behind it.

    Args:
        fits: as judged.
        title: of the project or file.
        notes: what was decided on the user's behalf.
        items: what the charts show of each item of the sample; None counts rows.
        encoders: where several were compared, of which *fits* are by the best.
    """
    shown = [Shown(f"item {row}") for row in fits.rows] if items is None else items
    drawn = shown[:MOST_POINTS]
    return render_page(
        "architectures.html",
        title=title,
        advice=recommend(fits),
        caveat=CAVEAT,
        tiles=tiles(fits),
        steps=steps(fits),
        fits=fits,
        notes=notes,
        networks=[(fit.name, in_words(fit.name)) for fit in fits.fits],
        encoders=encoders_table(encoders) if encoders else None,
        features=encoders.encoders[0].name if encoders else "",
        figures=figures_table(fits),
        classes=classes_table(fits),
        key=legend(fits),
        charts=[(fit.name, scatter(fit, fits, shown)) for fit in fits.fits],
        drawn=len(drawn),
        items=popups(fits, drawn),
    )


def in_words(name: str) -> str:
    """What network a name stands for."""
    if name == FLOOR:
        return "a linear model, no network"
    if name in DENSE:
        return f"a fully connected network of {DENSE[name]} layers"
    if name in CONVOLUTIONAL:
        strides, pooled = CONVOLUTIONAL[name]
        layers = formats.plural(len(strides), "layer")
        return f"a convolutional network of {layers}{', with pooling at the end' if pooled else ''}"
    return "a network of your own"


def tiles(fits: Fits) -> list[tuple[str, str, str]]:
    """Name, value and note of the figures on the first screen, the main one first."""
    advice = recommend(fits)
    by_name = {fit.name: fit.figures for fit in fits.fits}
    chosen, floor = by_name[advice.name], by_name.get(FLOOR)
    interval = formats.span(chosen["accuracy_low"], chosen["accuracy_high"])
    found = [("Predicted right", formats.share(chosen["accuracy"]), f"by {advice.name}; most likely {interval}")]
    if floor is not None and advice.name != FLOOR:
        found.append(("A linear model", formats.share(floor["accuracy"]), "what no network at all would do"))
    doubt = "nothing is level with it" if advice.is_sure else f"level with {', '.join(advice.level_with)}"
    found.append(("Clear winner", "yes" if advice.is_sure else "no", doubt))
    gone = f"left out: {', '.join(fits.left_out)}" if fits.left_out else "none was left out"
    return [*found, ("Architectures judged", formats.count(len(fits.fits)), gone)]


def steps(fits: Fits) -> list[Markup]:
    """What to do next."""
    advice = recommend(fits)
    said = [_training(advice)]
    codes, shares, counts = _separability(fits)
    if codes.size and shares[0].max() < HARD and counts[0] >= FEWEST:
        said.append(
            Markup(
                "Look at the labels of <bdi>{}</bdi>: no architecture predicts more than {} of its items right "
                "(<a href='#separability'>all classes</a>). <code>ntk-labelqa audit</code> says which labels are "
                "probably wrong."
            ).format(fits.class_names[codes[0]], formats.bounded(float(shares[0].max())))
        )
    return said


def _training(advice: Recommendation) -> Markup:
    if advice.name == FLOOR:
        return Markup(
            "Train a linear model first. A network that does no better on held-out items is not worth its cost; "
            "better features may be."
        )
    rivals = Markup(", and try {} as well").format(", ".join(advice.level_with)) if advice.level_with else ""
    return Markup("Train {} first{}. Keep a linear model beside it, as the floor that it has to beat.").format(
        in_words(advice.name), rivals
    )


def encoders_table(found: EncoderFits) -> Table:
    """What the items were compared by, the best first, each with the architecture that suits it."""
    rows = [
        (
            words(one.name),
            share(one.best.figures["accuracy"]),
            Cell(formats.span(one.best.figures["accuracy_low"], one.best.figures["accuracy_high"])),
            figure(one.best.figures["log_loss"]),
            words(one.best.name),
        )
        for one in found.encoders
    ]
    numbers = (Column(title, numeric=True) for title in ("Predicted right", "95 % interval", "Log loss"))
    columns = (Column("Encoder"), *numbers, Column("With architecture"))
    return Table("encoders-table", "Encoders, most accurate first", columns, rows, len(rows), "")


def figures_table(fits: Fits) -> Table:
    """Every figure of every architecture, the most accurate first."""
    rows = [
        (
            words(row.architecture),
            share(row.accuracy),
            Cell(formats.span(row.accuracy_low, row.accuracy_high), sort=row.accuracy_low),
            figure(row.log_loss),
            share(row.calibration_error),
            figure(row.kpca_ratio),
            figure(row.alignment),
            figure(row.bde),
            figure(row.effective_dimension),
            Cell(seconds(row.all_seconds), sort=row.all_seconds),
        )
        for row in fits.table().itertuples()
        if not row.left_out
    ]
    titles = (
        "Predicted right",
        "95 % interval",
        "Log loss",
        "Calibration error",
        "Class separation",
        "Alignment",
        "BDE",
        "Degrees of freedom",
        "Time for all items",
    )
    columns = (Column("Architecture"), *(Column(title, numeric=True) for title in titles))
    return Table("figures-table", "Architectures, most accurate first", columns, rows, len(rows), "")


def classes_table(fits: Fits) -> Table:
    """The share of each class that every architecture predicts right, the hardest classes first."""
    codes, shares, counts = _separability(fits)
    rows = [
        (words(fits.class_names[code]), number(items), *(share(float(value)) for value in right))
        for code, right, items in list(zip(codes, shares, counts, strict=True))[:MOST_CLASSES]
    ]
    columns = (Column("Class"), *(Column(name, numeric=True) for name in ("Items", *(fit.name for fit in fits.fits))))
    caption = "Share predicted right, hardest classes first"
    return Table("separability-table", caption, columns, rows, len(codes), "the labels' own tables")


def _separability(fits: Fits) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes of the classes in the sample, the hardest first; the share of each that every architecture predicts right,
    float[classes, architectures]; and how many items each has."""
    counts = np.bincount(fits.codes, minlength=len(fits.class_names))
    used = np.flatnonzero(counts)
    shares = np.array([[fit.right[fits.codes == code].mean() for fit in fits.fits] for code in used])
    order = np.argsort(shares.max(axis=1), kind="stable")
    return used[order], shares[order], counts[used][order]


def seconds(value: float) -> str:
    """A duration as people read it."""
    if value < 120:
        return f"{value:.2g} s"
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"
