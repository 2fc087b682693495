"""The couplings of class pairs as a square, of as many classes as an eye can take in."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from ntk_labelqa.audit_folder import Audit

MOST_CLASSES, FEWEST_CLASSES = 30, 3
LEAST_WRITTEN = 10
"""Strength, in per cent, from which on a coupling's figure is written into its cell."""


@dataclass(frozen=True)
class HeatMap:
    """Couplings between classes.

    Attributes:
        names: the classes: all that somebody used, in the label set's order; or the most entangled, those that hang
            together most side by side.
        couplings: a row a class; None on the diagonal and for pairs the table lacks. High = entangled.
        strongest: the value drawn in the full colour.
        classes: how many somebody used.
        pairs_missing: pairs of *names* that the table lacks: they are coupled less than those it has.
    """

    names: list[str]
    couplings: list[list[float | None]]
    strongest: float
    classes: int
    pairs_missing: bool

    def strength(self, coupling: float | None) -> int:
        """How much colour *coupling* gets, in per cent; negative couplings get none."""
        return 0 if coupling is None else round(100 * min(max(coupling / self.strongest, 0.0), 1.0))

    def figure(self, coupling: float) -> str:
        """What stands in a cell: nothing where it would only be noise around the pairs that matter."""
        return f"{coupling:.2f}" if self.strength(coupling) >= LEAST_WRITTEN else ""

    @property
    def is_part(self) -> bool:
        """Some classes are left out."""
        return len(self.names) < self.classes


def heat_map(audit: Audit) -> HeatMap | None:
    """The map, or None where there are too few classes, or nothing hangs together."""
    used = audit.classes.loc[audit.classes["items"] > 0, "class_name"].tolist()
    table = audit.entanglement
    strongest = float(table["coupling"].max()) if len(table) else 0.0
    if len(used) < FEWEST_CLASSES or strongest <= 0:
        return None
    names = used if len(used) <= MOST_CLASSES else _most_entangled(table)
    known = dict(zip(zip(table["class_a"], table["class_b"], strict=True), table["coupling"], strict=True))
    couplings = [[known.get((a, b), known.get((b, a))) for b in names] for a in names]
    missing = any(row.count(None) > 1 for row in couplings)
    return HeatMap(names, couplings, strongest, len(used), missing)


def _most_entangled(pairs: pd.DataFrame) -> list[str]:
    """The classes of the strongest pairs, those warned of first; partners stand side by side."""
    order = pairs.sort_values(["is_warned", "coupling"], ascending=False, kind="stable")
    names: dict[str, None] = {}
    for row in order.itertuples():
        for name in (row.class_a, row.class_b):
            if len(names) < MOST_CLASSES:
                names.setdefault(name, None)
        if len(names) == MOST_CLASSES:
            break
    return list(names)
