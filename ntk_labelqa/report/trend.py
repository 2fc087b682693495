"""Several audits of a project as one HTML page: the error rate over time, the classes, and what can be compared."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from ntk_labelqa.history import Entry, runs
from ntk_labelqa.label_types.words import shorten
from ntk_labelqa.report import plots
from ntk_labelqa.report.page import render_page
from ntk_labelqa.report.table import Column, Table, number, share, words

SHOWN_CLASSES = 6
"""Classes drawn: those whose flagged share was highest in any audit."""
LONGEST_NAME = 30
STYLES: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))


def render_trend(entries: Sequence[Entry]) -> str:
    """The page of *entries*, oldest first: charts, then a row an audit. Needs no network and carries no script.

    A line is broken wherever an audit cannot be compared with the one before it.
    """
    data = entries[-1].manifest["data"]
    return render_page(
        "trend.html",
        title=data["project_title"] or data["source"],
        entries=entries,
        error_rates=error_rates(entries),
        class_shares=class_shares(entries),
        table=audits_table(entries),
        breaks=[entry for entry in entries if entry.unlike],
    )


@plots.in_plain_style
def error_rates(entries: Sequence[Entry]) -> Markup:
    """The estimated error rate of every audit, with its interval."""
    figure, axes = _dated_axes(entries, "Estimated error rate")
    for run in runs(entries):
        at = [entry.when for entry in run]
        low, high = ([entry.summary[f"error_rate_{end}"] for entry in run] for end in ("low", "high"))
        axes.fill_between(at, low, high, color=plots.QUIET, alpha=0.35, linewidth=0)
        axes.vlines(at, low, high, color=plots.QUIET, linewidth=1)
        axes.plot(at, [entry.summary["error_rate"] for entry in run], color=plots.ACCENT, linewidth=2, marker="o", ms=4)
    axes.set_ylim(bottom=0)
    return plots._svg(figure, "error-rates")


@plots.in_plain_style
def class_shares(entries: Sequence[Entry]) -> Markup:
    """The flagged share of the classes that were flagged most, class by class."""
    figure, axes = _dated_axes(entries, "Flagged share of the class's labels")
    for position, name in enumerate(worst_classes(entries)):
        colour = plots.ACCENT if position < len(STYLES) else plots.INK
        style = STYLES[position % len(STYLES)]
        for number_of_run, run in enumerate(runs(entries)):
            shares = [_share(entry.classes, name) for entry in run]
            label = legend_text(name) if number_of_run == 0 else None
            at = [entry.when for entry in run]
            axes.plot(at, shares, color=colour, linestyle=style, linewidth=1.6, marker="o", ms=3, label=label)
    axes.set_ylim(bottom=0)
    plots._legend(axes)
    with warnings.catch_warnings():
        # The browser draws the names, with fonts of its own: it matters not which letters matplotlib's font has.
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        return plots._svg(figure, "class-shares")


def legend_text(name: str) -> str:
    """*name* as matplotlib shows it unchanged: it reads dollars as mathematics, and hides what begins with ``_``."""
    return " " + shorten(name, LONGEST_NAME).replace("$", r"\$")


def worst_classes(entries: Sequence[Entry]) -> list[str]:
    """The classes drawn, the one with the highest flagged share in any audit first."""
    highest = pd.concat([entry.classes for entry in entries]).groupby("class_name")["issue_rate"].max()
    return highest.sort_values(ascending=False, kind="stable").head(SHOWN_CLASSES).index.tolist()


def audits_table(entries: Sequence[Entry]) -> Table:
    """A row an audit, oldest first."""
    rows = [
        (
            words(f"{entry.when:%Y-%m-%d %H:%M}"),
            words(entry.fingerprint),
            number(entry.summary["items"]),
            share(entry.summary["error_rate"]),
            share(entry.summary["error_rate_low"]),
            share(entry.summary["error_rate_high"]),
            number(entry.summary["issues"]),
            words(entry.unlike or ("yes" if position else "–")),
        )
        for position, entry in enumerate(entries)
    ]
    columns = (
        Column("Audit"),
        Column("Data"),
        Column("Items", numeric=True),
        Column("Error rate", numeric=True),
        Column("at least", numeric=True),
        Column("at most", numeric=True),
        Column("Flagged labels", numeric=True),
        Column("Comparable with the one before"),
    )
    return Table("audits-table", "Audits, oldest first", columns, rows, len(rows), "audit.json")


def _share(classes: pd.DataFrame, name: str) -> float:
    found = classes.loc[classes["class_name"] == name, "issue_rate"]
    return float(found.iloc[0]) if len(found) else float("nan")


def _dated_axes(entries: Sequence[Entry], title: str) -> tuple:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    figure, axes = plots._axes("", title)
    locator = AutoDateLocator(minticks=3, maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.yaxis.set_major_formatter("{x:.1%}")
    if len(entries) == 1:  # matplotlib would show years around a single day
        day = pd.Timedelta(days=1)
        axes.set_xlim(entries[0].when - day, entries[0].when + day)
    return figure, axes
