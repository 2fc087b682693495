"""Regions as rows of a table, with their places, for what is plain arithmetic on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from ntk_labelqa.diagnostics.region_faults import COLUMNS
from ntk_labelqa.labelstudio.reading.label_values import Region


def region_rows(
    task: Mapping[str, Any], annotation: Mapping[str, Any], annotator: str, drawn: Sequence[Region], whole: str
) -> Iterator[dict[str, Any]]:
    """A row a region and label, as :data:`~ntk_labelqa.diagnostics.region_faults.COLUMNS` has it.

    *whole* is what the regions are parts of: the address of a file, or a text.
    """
    of = {"task_id": int(task["id"]), "annotation_id": int(annotation["id"]), "annotator": annotator}
    for region in drawn:
        place: dict[str, Any] = {"shape": "", "value": whole}
        if region.place is not None:
            place = {**region.place.row(), "value": region.place.value(whole)}
        yield from ({**of, "region_id": region.id, "label": label, **place} for label in region.labels)


def regions_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """*rows* with all columns in their types."""
    table = pd.DataFrame(list(rows), columns=list(COLUMNS))
    table["aspect"] = table["aspect"].fillna(1.0)
    for name in ("text", "points"):
        table[name] = table[name].astype(object).fillna("")
    return table.astype({name: kind for name, kind in COLUMNS.items() if kind != "str"})
