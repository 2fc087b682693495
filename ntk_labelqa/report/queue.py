"""The review queue: the worst findings with the item, the change proposed, and the items that speak for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.report.formats import share
from ntk_labelqa.report.items import Items, Key, Picture

SHOWN = 300
FOR, AGAINST = 3, 1
"""Items shown with a finding that speak for the suggestion, and for the label given."""
TEXT_LENGTH, EVIDENCE_LENGTH = 500, 120


@dataclass(frozen=True)
class Evidence:
    """An item that pulled the prediction, and the label it has; *against* the suggestion where to the given label."""

    task_id: int
    against: bool
    label: str
    link: str
    picture: Picture | None
    text: str


@dataclass(frozen=True)
class Card:
    """A finding in full."""

    annotation_id: int
    task_id: int
    given: str
    suggested: str
    probability: float
    annotator: str
    link: str
    picture: Picture | None
    text: str
    region_id: str = ""
    evidence: tuple[Evidence, ...] = ()

    @property
    def probability_in_words(self) -> str:
        """The probability as a percentage."""
        return share(self.probability)


def worst_first(findings: pd.DataFrame) -> pd.DataFrame:
    """The flagged findings, the most probable errors at the top."""
    flagged = findings[findings["is_label_issue"]]
    # Arrays, for pandas numbers the values of each column before it sorts by several.
    probability, margin = (flagged[column].to_numpy() for column in ("error_probability", "margin"))
    return flagged.iloc[np.lexsort((-margin, -probability))]


def cards(audit: Audit, items: Items) -> list[Card]:
    """The worst findings; every one gets its own picture before any gets pictures of its evidence."""
    worst = [_card(row, items) for row in worst_first(audit.findings).head(SHOWN).itertuples()]
    pulls = audit.influences[audit.influences["annotation_id"].isin({card.annotation_id for card in worst})]
    strongest: dict[Key, list[Any]] = {}
    for pull in pulls.sort_values("weight", ascending=False, kind="stable").itertuples():
        strongest.setdefault((pull.annotation_id, pull.region_id), []).append(pull)
    return [
        replace(card, evidence=_evidence(card, strongest.get((card.annotation_id, card.region_id), []), items))
        for card in worst
    ]


def _card(row: Any, items: Items) -> Card:
    item = items.item_of(row)
    return Card(
        annotation_id=row.annotation_id,
        task_id=row.task_id,
        given=row.given_label,
        suggested=row.suggested_label,
        probability=row.error_probability,
        annotator=row.annotator,
        link=items.link(row.task_id),
        picture=items.picture(item),
        text=items.text(item, TEXT_LENGTH),
        region_id=getattr(row, "region_id", ""),
    )


def _evidence(card: Card, pulls: list[Any], items: Items) -> tuple[Evidence, ...]:
    """Of *pulls*, the strongest first, those shown."""
    speaking = [pull for pull in pulls if pull.toward == card.suggested][:FOR]
    against = [pull for pull in pulls if pull.toward != card.suggested][:AGAINST]
    shown = [
        ((int(pull.other_task_id), pull.other_region_id), opposed)
        for opposed, some in ((False, speaking), (True, against))
        for pull in some
    ]
    return tuple(
        Evidence(
            task_id=item[0],
            against=opposed,
            label=items.labels(item),
            link=items.link(item[0]),
            picture=items.picture(item),
            text=items.text(item, EVIDENCE_LENGTH),
        )
        for item, opposed in shown
    )
