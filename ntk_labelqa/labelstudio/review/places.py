"""Findings of missing regions: two audits find the same one, each a little beside the other."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ntk_labelqa.label_types.box import Box
from ntk_labelqa.label_types.place import SAME, overlap_of_ranges
from ntk_labelqa.labelstudio.review.project import ReviewTask
from ntk_labelqa.labelstudio.review.tasks import REVIEW_KEY, finding_key
from ntk_labelqa.labelstudio.review.wanted import Wanted

MISSING = "missing"
"""Kind of the findings of regions that nobody drew."""


def with_known_places(wanted: Sequence[dict[str, Any]], there: Sequence[ReviewTask]) -> Wanted:
    """*wanted*, missing regions under the key of a task of *there* that asks about the same place: another audit finds
    it a little beside.
    """
    known: dict[int, list[ReviewTask]] = {}
    for task in there:
        if task.data.get("kind") == MISSING:
            known.setdefault(task.data["source_annotation"], []).append(task)
    wanted, changed = Wanted.of(wanted), {}
    for row, data in enumerate(wanted.outlines() if known else ()):
        asked = known.get(data["source_annotation"], ()) if data["kind"] == MISSING else ()
        same = next((task for task in asked if same_place(task.data, data)), None)
        if same is not None:
            changed[row] = {"source_region": same.data.get("source_region", ""), REVIEW_KEY: finding_key(same.key)}
    return wanted.chosen(range(len(wanted)), changed)


def same_place(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether the suggested regions of two review tasks overlap by half."""
    # Anybody can edit the suggestion of a review task: its key does not go by it.
    first, second = (json.loads(data.get("suggested_result") or "{}").get("value", {}) for data in (one, other))
    stretch, another = _stretch(first), _stretch(second)
    if stretch and another:
        return overlap_of_ranges(*stretch, *another) >= SAME
    boxes = [Box.read(value, (0, 0)) for value in (first, second)]
    return boxes[0] is not None and boxes[1] is not None and boxes[0].overlap(boxes[1]) >= SAME


def _stretch(value: Mapping[str, Any]) -> tuple[float, float] | None:
    """Where a region on a line begins and ends; None where it is no such region."""
    try:
        start, end = float(value["start"]), float(value["end"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return (start, end) if math.isfinite(start) and math.isfinite(end) else None
