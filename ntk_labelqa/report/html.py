"""An audit as one HTML page that needs nothing else: no server, no network, no second file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.files import write_whole
from ntk_labelqa.report import overlaps, people, plots, queue, tables, wording
from ntk_labelqa.report.formats import figure
from ntk_labelqa.report.heat_map import heat_map
from ntk_labelqa.report.items import Items
from ntk_labelqa.report.page import render_page
from ntk_labelqa.report.reviewers import reviewed


def render_report(audit: Audit) -> str:
    """The page of *audit*: the headline in words, the review queue, and the tables and charts behind them.

    Whatever the project's people wrote is escaped, and the page forbids itself every request and every script but its
    own. It carries at most 300 findings in full, and bounded tables that name the file with the rest.

    Cost: about a second, most of it for the charts.
    """
    return render_page("report.html", **_contents(audit))


def write_report(audit: Audit, path: str | os.PathLike[str]) -> Path:
    """Write the page of *audit* to *path*, whole or not at all, and return the path.

    Raises LabelQAError where that cannot be written to.
    """
    target = Path(path)
    write_whole(target, render_report(audit))
    return target


def _contents(audit: Audit) -> dict[str, Any]:
    """What the template shows. The order matters: pictures go to the queue first, while the page has room for them."""
    items, mapped, said = Items(audit), heat_map(audit), reviewed(audit)
    cards = queue.cards(audit, items)
    return {
        "manifest": audit.manifest,
        "options": [(name, _option(value)) for name, value in audit.manifest["options"].items()],
        "seconds": [(stage, f"{taken:.1f}") for stage, taken in audit.manifest["timings"].items()],
        "data": audit.manifest["data"],
        "summary": audit.summary,
        "title": audit.manifest["data"]["project_title"] or audit.manifest["data"]["source"],
        "headline": wording.headline(audit, said),
        "cards": cards,
        "kind": items.kind,
        "findings": tables.findings(audit, items),
        "region_faults": tables.region_faults(audit, items),
        "region_issues": tables.region_issues(audit, items),
        "marked_regions": tables.marked_regions(audit, items),
        "regions_measured": wording.regions_measured(audit),
        "close_calls": tables.close_calls(audit, items),
        "close_call_count": wording.close_call_count(audit.findings),
        "classes": tables.classes(audit),
        "corrections": tables.corrections(audit),
        "pairs": tables.pairs(audit, beside_map=mapped is not None),
        "heat_map": mapped,
        "warnings": overlaps.warnings(audit, items),
        "warned": len(overlaps.warned_pairs(audit)),
        "reviewed": said,
        "annotators": people.annotators(audit),
        "agreement": people.agreement(audit),
        "second_opinions": people.second_opinions(audit, items),
        "schemes": people.schemes(audit),
        "left_out": tables.left_out(audit),
        "histogram": plots.histogram(audit),
        "expected_yield": plots.expected_yield(audit),
        "expected_errors": audit.findings["error_probability"].sum(),
    }


def _option(value: object) -> str:
    if isinstance(value, float):
        return figure(value)
    return "–" if value is None else str(value)
