"""The tables of the page, each bounded, so that no data set makes a page that does not open."""

from __future__ import annotations

from typing import Any

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.label_types.region_issues import worst_first as worst_issues
from ntk_labelqa.report import formats
from ntk_labelqa.report.items import Items, Picture, picture_of
from ntk_labelqa.report.queue import worst_first
from ntk_labelqa.report.table import Cell, Column, Table, figure, number, share, text, words

FINDINGS, CLOSE_CALLS, CORRECTIONS, CLASSES = 2000, 200, 50, 1000
"""Rows of each table that the page carries."""
PAIRS_BESIDE_MAP, PAIRS = 15, 100
TEXT_LENGTH = 90
UNNAMED = "(not recorded)"
_CAUSES = {"labels": "wrong labels", "classes": "guideline or classes"}


def findings(audit: Audit, items: Items) -> Table:
    """Every flagged annotation, worst first."""
    flagged = worst_first(audit.findings)
    rows = [
        (
            task(row, items),
            *item_text(row, items),
            words(row.given_label),
            words(row.suggested_label),
            share(row.error_probability),
            figure(row.margin),
            words(row.annotator or UNNAMED),
        )
        for row in flagged.head(FINDINGS).itertuples()
    ]
    columns = (
        Column("Task"),
        *text_column(items),
        Column("Given label"),
        Column("Suggested label"),
        Column("Probability of error", numeric=True),
        Column("Margin", numeric=True),
        Column("Annotator"),
    )
    return Table("findings-table", "Flagged labels, worst first", columns, rows, len(flagged), "findings.parquet")


def region_issues(audit: Audit, items: Items) -> Table:
    """Spurious, shifted and missing regions, the most probable first."""
    flagged = worst_issues(audit.region_issues)
    of_text = items.kind == "text"
    rows = [
        (
            task(row, items),
            *((text(items.words(row.value, TEXT_LENGTH)),) if of_text else ()),
            words(row.label),
            words(row.issue),
            share(row.probability),
            words(row.annotator or UNNAMED),
        )
        for row in flagged.head(FINDINGS).itertuples()
    ]
    place = (Column("Place"),) if of_text else ()
    columns = (Column("Task"), *place, Column("Label"), Column("Issue"), Column("Probability", numeric=True))
    columns = (*columns, Column("Annotator"))
    caption = "Spurious, shifted and missing regions"
    return Table("region-issues-table", caption, columns, rows, len(flagged), "region_issues.parquet")


def marked_regions(audit: Audit, items: Items) -> list[tuple[Picture, str, int, str]]:
    """Pictures of the worst of them, with what is wrong, and the task with its address."""
    flagged = worst_issues(audit.region_issues)
    shown = flagged[flagged["picture"].notna()]
    return [
        (
            picture_of(row.picture),
            f"{row.label}, {row.issue} ({formats.share(row.probability)})",
            int(row.task_id),
            items.link(int(row.task_id)),
        )
        for row in shown.itertuples()
    ]


def region_faults(audit: Audit, items: Items) -> Table:
    """Regions that break a rule, in the order of the rules' commonness."""
    faults = audit.region_faults
    order = faults["rule"].map(faults["rule"].value_counts())
    ordered = faults.assign(order=order).sort_values(["order", "rule"], ascending=[False, True], kind="stable")
    rows = [
        (task(row, items), words(row.label), words(row.rule), words(row.detail), words(row.annotator or UNNAMED))
        for row in ordered.head(FINDINGS).itertuples()
    ]
    columns = (Column("Task"), Column("Label"), Column("Rule"), Column("What is wrong"), Column("Annotator"))
    return Table(
        "region-faults-table", "Regions that break a rule", columns, rows, len(faults), "region_faults.parquet"
    )


def close_calls(audit: Audit, items: Items) -> Table:
    """Annotations that are not flagged, those furthest on another class's side first."""
    others = audit.findings[~audit.findings["is_label_issue"]]
    rows = [
        (
            task(row, items, picture=True),
            *item_text(row, items),
            words(row.given_label),
            words(row.predicted_label),
            figure(row.margin),
            share(row.error_probability),
            words(row.annotator or UNNAMED),
        )
        for row in others.nlargest(CLOSE_CALLS, "margin").itertuples()
    ]
    columns = (
        Column("Task"),
        *text_column(items),
        Column("Given label"),
        Column("Most probable label"),
        Column("Margin", numeric=True),
        Column("Probability of error", numeric=True),
        Column("Annotator"),
    )
    return Table("close-calls-table", "Labels not flagged, by margin", columns, rows, len(others), "findings.parquet")


def corrections(audit: Audit) -> Table:
    """The changes proposed most often."""
    flagged = audit.findings[audit.findings["is_label_issue"]]
    counts = flagged.groupby(["given_label", "suggested_label"]).size().sort_values(ascending=False, kind="stable")
    rows = [
        (words(given), words(suggested), number(times), share(times / len(flagged)))
        for (given, suggested), times in counts.head(CORRECTIONS).items()
    ]
    columns = (
        Column("Given label"),
        Column("Suggested label"),
        Column("Flagged labels", numeric=True),
        Column("Share of all flagged", numeric=True),
    )
    return Table("corrections-table", "Most frequent changes", columns, rows, len(counts), "findings.parquet")


def classes(audit: Audit) -> Table:
    """Every class, those with the most flagged labels first."""
    table = audit.classes.sort_values(["issues", "issue_rate"], ascending=False, kind="stable")
    rows = [
        (
            words(row.class_name),
            number(row.items),
            number(row.issues),
            share(row.issue_rate, bar=True),
            share(row.leave_one_out_accuracy),
            figure(row.diffuseness),
        )
        for row in table.head(CLASSES).itertuples()
    ]
    columns = (
        Column("Class"),
        Column("Items", numeric=True),
        Column("Flagged labels", numeric=True),
        Column("Share flagged", numeric=True),
        Column("Agreement with prediction", numeric=True),
        Column("Diffuseness", numeric=True),
    )
    return Table("classes-table", "Classes, most flagged labels first", columns, rows, len(table), "classes.parquet")


def pairs(audit: Audit, *, beside_map: bool) -> Table:
    """The class pairs that are coupled most; those warned of come first."""
    order = ["is_warned", "coupling"]
    table = audit.entanglement.sort_values(order, ascending=False, kind="stable")
    least = max(PAIRS_BESIDE_MAP, int(table["is_warned"].sum())) if beside_map else PAIRS
    rows = [
        (
            words(row.class_a),
            words(row.class_b),
            figure(row.coupling),
            share(min(max(row.overlap, 0.0), 1.0), bar=True),
            Cell(formats.span_bounded(row.overlap_low, row.overlap_high), sort=row.overlap_low),
            Cell(_CAUSES.get(row.cause, row.cause) if row.is_warned else "–"),
        )
        for row in table.head(min(least, PAIRS)).itertuples()
    ]
    columns = (
        Column("Class"),
        Column("Other class"),
        Column("Coupling", numeric=True),
        Column("Overlap", numeric=True),
        Column("95 % interval", numeric=True),
        Column("Warning"),
    )
    total = len(audit.classes) * (len(audit.classes) - 1) // 2
    stored = len(table) if len(table) < total else None
    return Table("pairs-table", "Strongest couplings", columns, rows, total, "entanglement.parquet", stored)


def left_out(audit: Audit) -> Table:
    """What the audit could not use, and why."""
    gone = audit.manifest["data"]["left_out"]
    rows = [
        (
            words(entry["reason"]),
            words(entry["of"] + "s"),
            number(entry["count"]),
            Cell(_listed(entry["ids"], entry["count"])),
        )
        for entry in gone
    ]
    columns = (Column("Reason"), Column("What"), Column("Number", numeric=True), Column("Ids"))
    return Table("left-out-table", "Left out of the audit", columns, rows, len(gone), "audit.json")


def _listed(ids: list[int], total: int) -> str:
    shown = ids[:20]
    return ", ".join(map(str, shown)) + (" …" if total > len(shown) else "")


def task(row: Any, items: Items, *, picture: bool = False) -> Cell:
    image = items.picture(items.item_of(row)) if picture else None
    return Cell(str(row.task_id), sort=float(row.task_id), href=items.link(row.task_id), picture=image)


def text_column(items: Items) -> tuple[Column, ...]:
    return (Column(items.title),) if items.kind == "text" else ()


def item_text(row: Any, items: Items) -> tuple[Cell, ...]:
    return (text(items.text(items.item_of(row), TEXT_LENGTH)),) if items.kind == "text" else ()
