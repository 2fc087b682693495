"""What reviewers said of the findings, held against the probabilities that the audit had stated."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.diagnostics.hit_rate import hit_rates
from ntk_labelqa.report import plots
from ntk_labelqa.report.formats import count, plural, span
from ntk_labelqa.report.table import Cell, Column, Table, number, share

UNDECIDED = {
    "open": "{} not looked at yet",
    "conflict": "{} that reviewers disagree on",
    "unsure": "{} that they were unsure of",
    "skipped": "{} skipped",
    "unreadable": "{} without an answer that can be read",
}


@dataclass(frozen=True)
class Reviewed:
    """The reviewers' verdict.

    Attributes:
        asked: review tasks in all.
        decided: those of which the reviewers said something definite.
        accepted, other, kept: how many of the decided ones they said what of.
        stated: share of wrong labels that the audit expected among the decided ones.
        wrong, wrong_low, wrong_high: the share that reviewers call wrong, with its 95 % interval.
        hit_rate: the share whose suggestion they accept.
        undecided: how many are not decided.
        counts: the verdicts that occurred, in words.
        table: the same by band of the probability.
        chart: stated against found; empty with fewer than two bands.
    """

    asked: int
    decided: int
    accepted: int
    other: int
    kept: int
    stated: float
    wrong: float
    wrong_low: float
    wrong_high: float
    hit_rate: float
    undecided: int
    counts: str
    table: Table
    chart: Markup

    @property
    def judgement(self) -> str:
        """Whether the probabilities can be relied on, by what reviewers found."""
        if self.stated > self.wrong_high:
            return "That is more than reviewers found: the audit was too sure."
        if self.stated < self.wrong_low:
            return "That is less than reviewers found: the audit was too cautious."
        return "The two agree within the uncertainty of the sample."


def reviewed(audit: Audit) -> Reviewed | None:
    """What the reviewers said; None where nobody was asked or nothing is decided yet."""
    decisions = audit.decisions
    if decisions is None:
        return None
    rates = hit_rates(decisions)
    if rates.empty:
        return None
    bands, total = rates.iloc[:-1], rates.iloc[-1]
    return Reviewed(
        asked=len(decisions),
        decided=int(total["decided"]),
        accepted=int(total["accepted"]),
        other=int(total["other"]),
        kept=int(total["kept"]),
        stated=float(total["stated"]),
        wrong=float(total["wrong"]),
        wrong_low=float(total["wrong_low"]),
        wrong_high=float(total["wrong_high"]),
        hit_rate=float(total["hit_rate"]),
        undecided=len(decisions) - int(total["decided"]),
        counts=_in_words(decisions["decision"].value_counts().to_dict()),
        table=_table(rates),
        chart=plots.calibration(bands) if len(bands) > 1 else Markup(),
    )


def _in_words(counts: dict[str, int]) -> str:
    definite = {
        "accept": plural(counts.get("accept", 0), "suggestion") + " accepted",
        "other": plural(counts.get("other", 0), "label") + " replaced by another one",
        "keep": plural(counts.get("keep", 0), "label") + " kept",
    }
    said = [text for name, text in definite.items() if counts.get(name)]
    said += [text.format(count(counts[name])) for name, text in UNDECIDED.items() if counts.get(name)]
    return ", ".join(said)


def _table(rates: pd.DataFrame) -> Table:
    last = len(rates) - 1
    rows = [
        (
            Cell(
                "all" if place == last else f"{row.low:.0%} to {row.high:.0%}", sort=2.0 if place == last else row.low
            ),
            number(row.decided),
            number(row.accepted),
            number(row.other),
            number(row.kept),
            share(row.stated),
            share(row.wrong),
            Cell(span(row.wrong_low, row.wrong_high), sort=row.wrong),
            share(row.hit_rate),
        )
        for place, row in enumerate(rates.itertuples())
    ]
    titles = (
        "Decided",
        "Accepted",
        "Another label",
        "Kept",
        "Expected wrong",
        "Found wrong",
        "95 % interval",
        "Hit rate",
    )
    columns = (Column("Band"), *(Column(title, numeric=True) for title in titles))
    caption = "Reviewers’ decisions by the probability that the audit had stated"
    return Table("reviewers-table", caption, columns, rows, len(rows), "decisions.parquet")
