"""Class pairs that the audit warns of: how far they overlap, why, what helps, and the items that show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.report.formats import bounded, span_bounded
from ntk_labelqa.report.items import Items, Picture

SHOWN = 12
"""Warnings shown with their items."""
TEXT_LENGTH = 160
LABELS = "labels"
"""The cause that reviewers can remove; any other is a matter of the classes themselves."""

DECISIONS = {
    "guideline": "the guideline needs work",
    "merge": "merge the two classes",
    "relabel": "truly different, relabel the listed items",
    "fine": "fine as it is",
    "conflict": "reviewers disagree",
}
"""What can be decided on a warning."""


@dataclass(frozen=True)
class Carrier:
    """An item of one class that leans to the other."""

    task_id: int
    link: str
    picture: Picture | None
    text: str


@dataclass(frozen=True)
class Warned:
    """A pair of classes that is warned of.

    Attributes:
        class_a, class_b: the pair.
        figure: how far it overlaps, in words.
        cause: what explains that, in words.
        remedy: who can do something, and what.
        by_labels: wrong labels explain it.
        decided: what whoever writes the guideline decided, in words; empty if nothing yet.
        comment: theirs.
        sides: for either class the items labelled with it that lean most to the other.
    """

    class_a: str
    class_b: str
    figure: str
    cause: str
    remedy: str
    by_labels: bool
    decided: str
    comment: str
    sides: tuple[tuple[str, str, tuple[Carrier, ...]], ...]


def warned_pairs(audit: Audit) -> pd.DataFrame:
    """The rows of the entanglement table that are warned of, the largest overlap first."""
    table = audit.entanglement
    return table[table["is_warned"]].sort_values("overlap", ascending=False, kind="stable")


def warnings(audit: Audit, items: Items) -> list[Warned]:
    """The worst warnings in full."""
    decisions = _decisions(audit.warning_decisions)
    return [
        _warned(row, items, *decisions.get(frozenset((row.class_a, row.class_b)), ("", "")))
        for row in warned_pairs(audit).head(SHOWN).itertuples()
    ]


def _decisions(table: pd.DataFrame | None) -> dict[frozenset[str], tuple[str, str]]:
    """Decision in words and comment, by pair; those of which nothing definite was said are left out."""
    if table is None:
        return {}
    return {
        frozenset((row.class_a, row.class_b)): (f"Decided: {DECISIONS[row.decision]}.", row.comment)
        for row in table.itertuples()
        if row.decision in DECISIONS
    }


def _warned(row: Any, items: Items, decided: str, comment: str) -> Warned:
    by_labels = row.cause == LABELS
    left = bounded(row.overlap_refurbished)
    if by_labels:
        cause = f"Wrong labels explain it: with the probable ones corrected, {left} would be left."
        remedy = "For reviewers: work through the flagged labels of the two. The guideline need not change for this."
    else:
        cause = f"Wrong labels do not explain it: with the probable ones corrected, {left} would be left."
        remedy = (
            "For whoever writes the guideline: say more clearly how the two differ, with examples such as these, "
            "or make them one class."
        )
    return Warned(
        class_a=row.class_a,
        class_b=row.class_b,
        figure=f"They overlap by {bounded(row.overlap)} ({span_bounded(row.overlap_low, row.overlap_high)}).",
        cause=cause,
        remedy=remedy,
        by_labels=by_labels,
        decided=decided,
        comment=comment,
        sides=(
            (row.class_a, row.class_b, _carriers(row.items_a, row.class_a, items)),
            (row.class_b, row.class_a, _carriers(row.items_b, row.class_b, items)),
        ),
    )


def _carriers(tasks: str, label: str, items: Items) -> tuple[Carrier, ...]:
    found = [(int(task), items.of_task(int(task), label)) for task in tasks.split()]
    return tuple(
        Carrier(task, items.link(task), items.picture(item), items.text(item, TEXT_LENGTH)) for task, item in found
    )
