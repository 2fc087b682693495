"""The page's charts, as SVG that follows the page's colours in light, dark and print."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import numpy as np
import pandas as pd
from markupsafe import Markup

from ntk_labelqa.audit_folder import Audit

COLOURS = {
    "#010203": "var(--ink-soft)",
    "#040506": "var(--rule)",
    "#070809": "var(--accent)",
    "#0a0b0c": "var(--quiet)",
}
"""Stand-ins that matplotlib draws with, and the page's own colours that take their place."""
INK, RULE, ACCENT, QUIET = COLOURS
SIZE = (5.6, 3.1)
"""Inches; the page scales them."""
BINS = 40
P = ParamSpec("P")


def in_plain_style(draw: Callable[P, Markup]) -> Callable[P, Markup]:
    """*draw* with matplotlib as it comes: a matplotlibrc in the current folder may have it call LaTeX, among others."""

    @wraps(draw)
    def drawn(*args: P.args, **how: P.kwargs) -> Markup:
        from matplotlib import style

        with style.context("default"):
            return draw(*args, **how)

    return drawn


@in_plain_style
def histogram(audit: Audit) -> Markup:
    """How many labels have which probability of being wrong, flagged ones apart; logarithmic, since few are."""
    found = audit.findings
    edges = np.linspace(0, 1, BINS + 1)
    flagged = found["is_label_issue"].to_numpy()
    probability = found["error_probability"].to_numpy()
    figure, axes = _axes("Probability that the label is wrong", "Labels (logarithmic)")
    groups = [np.histogram(probability[mask], edges)[0] for mask in (~flagged, flagged)]
    widths = np.diff(edges) * 0.86
    axes.bar(edges[:-1], groups[0], widths, align="edge", color=QUIET, label="not flagged")
    axes.bar(edges[:-1], groups[1], widths, align="edge", bottom=groups[0], color=ACCENT, label="flagged")
    axes.set_yscale("log")
    axes.set_ylim(0.7, max(10.0, 2.0 * len(found)))
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    _legend(axes)
    return _svg(figure, "histogram")


@in_plain_style
def expected_yield(audit: Audit) -> Markup:
    """How many wrong labels a review finds, the most probable first: the running sum of the probabilities."""
    probability = np.sort(audit.findings["error_probability"].to_numpy())[::-1]
    found = np.concatenate([[0.0], np.cumsum(probability)])
    flagged = int(audit.findings["is_label_issue"].sum())
    shown = min(len(probability), max(20, 3 * flagged))
    at = np.unique(np.linspace(0, shown, 200).round().astype(int))
    figure, axes = _axes("Labels reviewed, most probable errors first", "Wrong labels found (expected)")
    axes.plot(at, found[at], color=ACCENT, linewidth=2, label="expected")
    axes.axhline(found[-1], color=INK, linewidth=1, linestyle=(0, (2, 3)), label="all expected errors")
    if flagged:
        axes.axvline(flagged, color=INK, linewidth=1, linestyle=(0, (6, 3)), label="end of the flagged labels")
    axes.set_xlim(0, shown)
    axes.set_ylim(0, max(1.0, found[-1] * 1.12))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:,.0f}")
    _legend(axes)
    return _svg(figure, "yield")


@in_plain_style
def calibration(bands: pd.DataFrame) -> Markup:
    """The share that reviewers call wrong over the probability that the audit stated, a point a band.

    *bands* are rows of :func:`~ntk_labelqa.diagnostics.hit_rate.hit_rates`. On the diagonal both agree.
    """
    figure, axes = _axes("Probability that the audit stated", "Wrong by the reviewers")
    low = min(0.5, float(bands[["stated", "wrong_low"]].min().min()))
    axes.plot([low, 1], [low, 1], color=INK, linewidth=1, linestyle=(0, (2, 3)), label="equal")
    axes.vlines(bands["stated"], bands["wrong_low"], bands["wrong_high"], color=QUIET, linewidth=2)
    axes.plot(bands["stated"], bands["wrong"], "o", color=ACCENT, markersize=6, clip_on=False, label="found")
    axes.set_xlim(low, 1.01)
    axes.set_ylim(low, 1.01)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:.0%}")
    _legend(axes)
    return _svg(figure, "calibration")


def _axes(x_title: str, y_title: str) -> tuple:
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(RULE)
    axes.tick_params(which="both", colors=INK, labelsize=9, length=0)
    axes.grid(axis="y", color=RULE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set_xlabel(x_title, color=INK, fontsize=10)
    axes.set_ylabel(y_title, color=INK, fontsize=10)
    return figure, axes


def _legend(axes: object) -> None:
    axes.legend(frameon=False, fontsize=9, labelcolor=INK)  # type: ignore[attr-defined]


def _svg(figure: object, name: str) -> Markup:
    """*figure* as an inline SVG element; text stays text, and ids are this chart's own."""
    from matplotlib import rc_context

    buffer = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "svg.id": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})  # type: ignore[attr-defined]
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    for stand_in, colour in COLOURS.items():
        text = text.replace(stand_in, colour)
    return Markup(text.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1))
