"""Boxes and spans as rows of a table, with their places, for what is plain arithmetic on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from ntk_labelqa.diagnostics.region_faults import COLUMNS
from ntk_labelqa.labelstudio.reading.label_values import Region
from ntk_labelqa.labelstudio.reading.regions import Box, Span

BOX = ("x", "y", "width", "height", "rotation")


def region_rows(
    task: Mapping[str, Any], annotation: Mapping[str, Any], annotator: str, drawn: Sequence[Region]
) -> Iterator[dict[str, Any]]:
    """A row a region and label, as :data:`~ntk_labelqa.diagnostics.region_faults.COLUMNS` has it."""
    of = {"task_id": int(task["id"]), "annotation_id": int(annotation["id"]), "annotator": annotator}
    for region in drawn:
        for label in region.labels:
            named = {**of, "region_id": region.id, "label": label}
            if isinstance(region.place, Box):
                box = region.place
                known = box.image_width > 0 and box.image_height > 0
                aspect = box.image_width / box.image_height if known else 1.0
                yield {**named, **{side: getattr(box, side) for side in BOX}, "aspect": aspect}
            elif isinstance(region.place, Span):
                span = region.place
                yield {**named, "start": span.start, "end": span.end, "text": region.text}


def regions_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """*rows* with all columns in their types."""
    table = pd.DataFrame(list(rows), columns=list(COLUMNS))
    table["text"] = table["text"].fillna("")
    return table.astype({name: kind for name, kind in COLUMNS.items() if kind != "str"})
