"""The couplings of all class pairs as a square, for as many classes as an eye can take in."""

from __future__ import annotations

from dataclasses import dataclass

from ntk_labelqa.audit_folder import Audit

MOST_CLASSES, FEWEST_CLASSES = 40, 3


@dataclass(frozen=True)
class HeatMap:
    """Couplings between classes.

    Attributes:
        names: the classes, in the label set's order, without those nobody used.
        couplings: a row a class; None on the diagonal and for pairs the table lacks. High = entangled.
        strongest: the value drawn in the full colour.
    """

    names: list[str]
    couplings: list[list[float | None]]
    strongest: float

    def strength(self, coupling: float | None) -> int:
        """How much colour *coupling* gets, in per cent; negative couplings get none."""
        return 0 if coupling is None else round(100 * min(max(coupling / self.strongest, 0.0), 1.0))


def heat_map(audit: Audit) -> HeatMap | None:
    """The map, or None where there are too many or too few classes, or nothing hangs together."""
    names = audit.classes.loc[audit.classes["items"] > 0, "class_name"].tolist()
    strongest = float(audit.entanglement["coupling"].max()) if len(audit.entanglement) else 0.0
    if not FEWEST_CLASSES <= len(names) <= MOST_CLASSES or strongest <= 0:
        return None
    table = audit.entanglement
    known = dict(zip(zip(table["class_a"], table["class_b"], strict=True), table["coupling"], strict=True))
    couplings = [[known.get((a, b), known.get((b, a))) for b in names] for a in names]
    return HeatMap(names, couplings, strongest)
