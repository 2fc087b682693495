"""The tables of the people: how often each errs, who should label what again, and whole labelling schemes."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.findings import keys
from ntk_labelqa.report.formats import span
from ntk_labelqa.report.items import Items
from ntk_labelqa.report.table import Cell, Column, Table, figure, isolated, number, share, text, words
from ntk_labelqa.report.tables import TEXT_LENGTH, UNNAMED, text_column

PEOPLE, SECOND_OPINIONS = 500, 200
"""Rows of each table that the page carries."""
FEWEST_MISTAKES = 1.0
"""Expected mistakes of one kind from which on it is named."""


def annotators(audit: Audit) -> Table:
    """Every annotator, the highest expected share of wrong labels first."""
    flagged = audit.findings.groupby("annotator")["is_label_issue"].sum()
    table = audit.annotators if len(audit.annotators) else _from_findings(audit.findings)
    rows = [
        (
            words(row.annotator or UNNAMED),
            number(row.labels),
            number(int(flagged.get(row.annotator, 0))),
            share(row.error_rate, bar=True),
            Cell(span(row.error_low, row.error_high) if row.error_high == row.error_high else "–", sort=row.error_rate),
            _mistake(row.true_label, row.mistaken_for, row.mistakes),
        )
        for row in table.head(PEOPLE).itertuples()
    ]
    columns = (
        Column("Annotator"),
        Column("Labels", numeric=True),
        Column("Flagged labels", numeric=True),
        Column("Expected share wrong", numeric=True),
        Column("95 % interval", numeric=True),
        Column("Commonest mistake, expected"),
    )
    caption = "Annotators, highest expected share of wrong labels first"
    return Table("annotators-table", caption, columns, rows, len(table), "annotators.parquet")


LEVELS = {"all": 0, "annotator": 1, "pair": 2, "class": 3}


def agreement(audit: Audit) -> Table:
    """How far annotators agree: all, each person with the others, pairs, and classes, the least agreeing first."""
    order = audit.agreement["level"].map(LEVELS)
    table = audit.agreement.assign(order=order).sort_values(["order", "agreement"], kind="stable")
    of_regions = table["region_f1"].notna().any()
    rows = [
        (
            _who(row),
            number(row.items),
            share(row.agreement, bar=True),
            figure(row.kappa),
            figure(row.alpha),
            Cell(f"{figure(row.alpha_low).text} to {figure(row.alpha_high).text}" if row.alpha == row.alpha else "–"),
            *((share(row.region_f1), share(row.mean_overlap)) if of_regions else ()),
        )
        for row in table.head(PEOPLE).itertuples()
    ]
    titles = ["Items in common", "Same label", "Kappa", "Alpha", "95 % interval"]
    titles += ["Same regions (F1)", "Their overlap"] if of_regions else []
    columns = (Column("Who, or which class"), *(Column(title, numeric=True) for title in titles))
    return Table("agreement-table", "Agreement", columns, rows, len(table), "agreement.parquet")


def _who(row: Any) -> Cell:
    """What a row of the agreement table is of."""
    if row.level == "all":
        return Cell("everybody")
    if row.level == "class":
        return words(f"class {row.class_name}")
    return words(row.annotator_a if row.level == "annotator" else f"{row.annotator_a} and {row.annotator_b}")


def _from_findings(findings: pd.DataFrame) -> pd.DataFrame:
    """The same of audits of earlier versions, without interval and mistakes."""
    table = findings.groupby("annotator", as_index=False).agg(
        labels=("is_label_issue", "size"), error_rate=("error_probability", "mean")
    )
    unknown = {"error_low": float("nan"), "error_high": float("nan"), "mistakes": 0.0}
    table = table.assign(true_label="", mistaken_for="", **unknown)
    return table.sort_values("error_rate", ascending=False, kind="stable")


def _mistake(true: str, given: str, times: float) -> Cell:
    if times < FEWEST_MISTAKES:
        return Cell("–", sort=0.0)
    return Cell(f"{isolated(true)} taken for {isolated(given)} ({times:,.0f} times)", sort=times)


def second_opinions(audit: Audit, items: Items) -> Table:
    """Items to be labelled once more, those first whose label is least certain, and by whom."""
    asked = audit.consensus[audit.consensus["relabel_by"] != ""]
    table = asked.sort_values("consensus_probability", kind="stable")
    shown = table.head(SECOND_OPINIONS)
    rows = [
        (
            Cell(str(row.task_id), sort=float(row.task_id), href=items.link(row.task_id), picture=items.picture(item)),
            *((text(items.text(item, TEXT_LENGTH)),) if items.kind == "text" else ()),
            words(items.labels(item)),
            words(row.consensus_label),
            share(row.consensus_probability),
            words(row.relabel_by),
        )
        for item, row in zip(keys(shown), shown.itertuples(), strict=True)
    ]
    columns = (
        Column("Task"),
        *text_column(items),
        Column("Given"),
        Column("Most probable label"),
        Column("How probable", numeric=True),
        Column("Ask"),
    )
    caption = "Flagged items and who should label them again, least certain first"
    return Table("second-opinions-table", caption, columns, rows, len(table), "consensus.parquet")


def schemes(audit: Audit) -> Table:
    """Every labelling scheme, the least noisy first."""
    rows = [
        (
            words(row.scheme or UNNAMED),
            number(row.items),
            share(row.error_rate),
            share(row.error_low),
            share(row.error_high),
            number(row.error_rank),
            figure(row.bde),
            Cell("–", sort=1e9) if pd.isna(row.bde_rank) else number(row.bde_rank),
        )
        for row in audit.schemes.head(PEOPLE).itertuples()
    ]
    titles = ("Items", "Contradicted labels", "at least", "at most", "Rank", "BDE", "Rank by BDE")
    columns = (Column("Scheme"), *(Column(title, numeric=True) for title in titles))
    return Table(
        "schemes-table", "Labelling schemes, least noisy first", columns, rows, len(audit.schemes), "schemes.parquet"
    )
