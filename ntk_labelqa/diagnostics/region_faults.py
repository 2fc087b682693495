"""Regions that break a rule of plain arithmetic: boxes and spans that nobody can have meant as they stand.

A rule says what is there, and no probability. What a class does all the time is no fault: most rules hold
only where few regions of the class break them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from ntk_labelqa import findings
from ntk_labelqa.options import RegionLimits

COLUMNS = {
    "task_id": "int64",
    "annotation_id": "int64",
    "annotator": "str",
    "region_id": "str",
    "label": "str",
    "shape": "str",  # "box", "polygon", "span" …; empty where its place cannot be read
    "value": "str",  # of an item that is this region
    "x": "float64",  # per cent of the image, as Label Studio has them; NaN of spans
    "y": "float64",
    "width": "float64",
    "height": "float64",
    "rotation": "float64",
    "aspect": "float64",  # of the image, width / height; 1 where it is not known
    "start": "Int64",  # characters; null of boxes
    "end": "Int64",
    "text": "str",
    "points": "str",  # corners of a polygon, "x,y;x,y", in per cent of the image; empty of all else
}
"""Columns of a table of regions, one row a region as somebody drew it."""

TINY_OF_USUAL = 1 / 8
"""Of its class's usual size, below which a region may be tiny."""
FEWEST = 50
"""Regions of a class from which on percentiles say something."""
OFTEN = 5
"""Labels of a string from which on another one can be odd."""
_OPENING, _CLOSING = '([{"“«', ')]}"”»'
"""Brackets and quotation marks, each with its other half; apostrophes are letters as well."""

CORNERS = 400
"""Corners of a polygon up to which each pair of its sides is looked at."""

Rule = Literal[
    "unreadable",
    "outside the image",
    "crossing",
    "sliver",
    "odd shape",
    "tiny",
    "odd size",
    "duplicate",
    "nested",
    "inside another class",
    "edge",
    "overlap",
    "odd label",
]


@dataclass(frozen=True)
class Fault:
    """A region that breaks a rule.

    Attributes:
        row: of the table of regions.
        rule: which.
        detail: what is wrong, in words.
        other: id of another region that it concerns.
        suggestion: what would put it right: that it goes, moves, or gets another label.
        label: the one that it should have, where that is the suggestion.
        place: fields of its result's value that are to change, where it should move.
    """

    row: int
    rule: Rule
    detail: str
    other: str = ""
    suggestion: Literal["remove", "move", "label"] = "remove"
    label: str = ""
    place: Mapping[str, Any] = field(default_factory=dict)


def find_region_faults(regions: pd.DataFrame, limits: RegionLimits | None = None) -> pd.DataFrame:
    """The ``region_faults`` table: one row a region and rule, in the order of *regions*.

    Args:
        regions: with the columns of :data:`COLUMNS`.
        limits: from where on a rule is broken; the usual ones if None.

    Cost: the square of an annotation's regions; 50,000 boxes in 2,400 annotations in about two seconds.
    """
    regions, limits = regions.reset_index(drop=True), limits or RegionLimits()
    boxes, spans = regions[regions["x"].notna()], regions[regions["start"].notna()]
    found = [*_unreadable(regions), *_box_faults(boxes, limits), *_span_faults(spans, limits)]
    found.sort(key=lambda fault: (fault.row, fault.rule, fault.other))
    of = regions.loc[[fault.row for fault in found]].reset_index(drop=True)
    table = of[["task_id", "annotation_id", "annotator", "region_id", "label", "value"]].assign(
        rule=[fault.rule for fault in found],
        detail=[fault.detail for fault in found],
        other_region_id=[fault.other for fault in found],
        suggestion=[fault.suggestion for fault in found],
        suggested_label=[fault.label for fault in found],
        suggested_result=[json.dumps({"value": fault.place}) if fault.place else "" for fault in found],
    )
    return findings.conform("region_faults", table)


def _unreadable(regions: pd.DataFrame) -> Iterator[Fault]:
    for row in regions.index[regions["shape"] == ""]:
        yield Fault(int(row), "unreadable", "its place cannot be read, or is not where it says")


@dataclass(frozen=True)
class _Inside:
    """A box within another of the same annotation, by rows of the table, and whether both are of one class."""

    row: int
    other: int
    alike: bool


def _box_faults(boxes: pd.DataFrame, limits: RegionLimits) -> Iterator[Fault]:
    if boxes.empty:
        return
    yield from _outside(boxes, limits)
    yield from _shapes(boxes, limits)
    yield from _crossing(boxes)
    names, ids = boxes["label"], boxes["region_id"]
    inside: list[_Inside] = []
    told: set[int] = set()
    seen = boxes[(boxes["width"] > 0) & (boxes["height"] > 0)]
    for _, drawn in seen.groupby("annotation_id", sort=False):
        for found in _pairs(drawn, limits):
            if isinstance(found, _Inside):
                inside.append(found)
            else:
                row, other = found
                if row in told or ids[row] == ids[other]:
                    continue
                told.add(row)
                yield Fault(row, "duplicate", f"the same region of {names[row]} is drawn twice", ids[other])
    counts = names.value_counts()
    within = pd.Series([(names[one.row], names[one.other]) for one in inside], dtype=object).value_counts()
    for one in inside:
        label, around = names[one.row], names[one.other]
        if within[label, around] <= max(1.0, limits.habit * counts[label]):
            rule: Rule = "nested" if one.alike else "inside another class"
            yield Fault(one.row, rule, f"{label} lies inside a region of {around}", ids[one.other])


def _outside(boxes: pd.DataFrame, limits: RegionLimits) -> Iterator[Fault]:
    """Boxes that reach beyond their image; turned ones by their corners. Upright ones can be cut off at its edge."""
    corners = _corners(boxes)
    beyond = np.maximum(-corners.min(axis=1), corners.max(axis=1) - 100.0).max(axis=1)
    for row, excess in zip(boxes.index, beyond, strict=True):
        if excess > limits.outside:
            said = f"reaches {excess:.1f} % of a side beyond the image"
            place = _within_image(boxes.loc[row])
            yield Fault(int(row), "outside the image", said, suggestion="move" if place else "remove", place=place)


def _within_image(box: pd.Series) -> dict[str, float]:
    """The sides of an upright box where they lie in the image; nothing where it is no such box, or nothing is left."""
    left, top = max(box["x"], 0.0), max(box["y"], 0.0)
    wide, high = min(box["x"] + box["width"], 100.0) - left, min(box["y"] + box["height"], 100.0) - top
    if box["shape"] != "box" or box["rotation"] % 360 or wide <= 0 or high <= 0:
        return {}
    return {"x": float(left), "y": float(top), "width": float(wide), "height": float(high)}


def _crossing(boxes: pd.DataFrame) -> Iterator[Fault]:
    """Polygons of which two sides cross each other."""
    for row, written in boxes.loc[boxes["points"] != "", "points"].items():
        points = np.array([pair.split(",") for pair in written.split(";")], float)
        if len(points) <= CORNERS and _crosses(points):
            yield Fault(int(row), "crossing", "two of its sides cross each other")


def _crosses(points: np.ndarray) -> bool:
    """Whether two sides of the polygon *points*, float64[N, 2], that share no corner cross."""
    points = points[np.any(points != np.roll(points, 1, axis=0), axis=1)]
    start, end = points, np.roll(points, -1, axis=0)
    count = len(points)
    along = end - start

    def side(of: np.ndarray) -> np.ndarray:
        """On which side of each line (first axis) each point *of* lies."""
        towards = of[None, :, :] - start[:, None, :]
        return np.sign(along[:, None, 0] * towards[..., 1] - along[:, None, 1] * towards[..., 0])

    apart = side(start) * side(end) < 0
    gap = np.abs(np.arange(count)[:, None] - np.arange(count))
    neighbours = (gap <= 1) | (gap == count - 1)
    return bool((apart & apart.T & ~neighbours).any())


def _corners(boxes: pd.DataFrame) -> np.ndarray:
    """Corners in per cent of the image, float64[N, 4, 2]; a box is turned about its upper left one, in pixels."""
    aspect = boxes["aspect"].to_numpy()
    wide, high = boxes["width"].to_numpy() * aspect, boxes["height"].to_numpy()
    turn = np.deg2rad(boxes["rotation"].to_numpy())
    along = np.stack([np.zeros(len(boxes)), wide, wide, np.zeros(len(boxes))], axis=1)
    down = np.stack([np.zeros(len(boxes)), np.zeros(len(boxes)), high, high], axis=1)
    cos, sin = np.cos(turn)[:, None], np.sin(turn)[:, None]
    x = boxes["x"].to_numpy()[:, None] + (along * cos - down * sin) / aspect[:, None]
    y = boxes["y"].to_numpy()[:, None] + along * sin + down * cos
    return np.stack([x, y], axis=2)


def _shapes(boxes: pd.DataFrame, limits: RegionLimits) -> Iterator[Fault]:
    """Slivers, tiny boxes, and those of a size or a shape that their class does not have."""
    area = boxes["width"] * boxes["height"] / 100.0
    length = boxes["width"] * boxes["aspect"] / boxes["height"]
    for label, rows in boxes.groupby("label", sort=False).groups.items():
        usual = float(area[rows].median())
        odd_area, odd_length = _odd(area[rows], limits.beyond), _odd(length[rows], limits.beyond)
        for row in rows:
            at, sides = int(row), f"{length[row]:.3g}"
            covers = f"covers {area[row]:.2g} % of the image, usual for {label} is {usual:.2g} %"
            if area[row] <= 0:
                yield Fault(at, "tiny", "covers nothing of the image")
                continue
            if not 1 / limits.longest <= length[row] <= limits.longest:
                yield Fault(at, "sliver", f"is {sides} times as wide as high")
            elif odd_length(length[row]):
                yield Fault(at, "odd shape", f"is {sides} times as wide as high, unlike other regions of {label}")
            if area[row] < limits.smallest and area[row] < TINY_OF_USUAL * usual:
                yield Fault(at, "tiny", covers)
            elif odd_area(area[row]):
                yield Fault(
                    at, "odd size", f"covers {area[row]:.2g} % of the image, usual for {label} is {usual:.2g} %"
                )


def _odd(values: pd.Series, beyond: float) -> Callable[[float], bool]:
    """Whether a value is far beyond nearly all of *values*; none is where there are few."""
    if len(values) < FEWEST:
        return lambda _value: False
    low, high = values.quantile([0.01, 0.99])
    return lambda value: bool(value < low / beyond or value > high * beyond)


def _pairs(drawn: pd.DataFrame, limits: RegionLimits) -> Iterator[_Inside | tuple[int, int]]:
    """Of one annotation's boxes those within others, and pairs of rows that are one box drawn twice."""
    left, top = drawn["x"].to_numpy(), drawn["y"].to_numpy()
    right, bottom = left + drawn["width"].to_numpy(), top + drawn["height"].to_numpy()
    area = (right - left) * (bottom - top)
    wide = np.minimum(right[:, None], right) - np.maximum(left[:, None], left)
    high = np.minimum(bottom[:, None], bottom) - np.maximum(top[:, None], top)
    shared = np.maximum(wide, 0.0) * np.maximum(high, 0.0)
    labels, rows = drawn["label"].to_numpy(object), drawn.index.to_numpy()
    for one, other in zip(*np.nonzero(shared >= limits.inside * np.minimum(area[:, None], area)), strict=True):
        alike = labels[one] == labels[other]
        if alike and shared[one, other] >= limits.same * (area[one] + area[other] - shared[one, other]):
            if one > other:
                yield int(rows[one]), int(rows[other])
        elif one != other and (area[one], one) < (area[other], other):
            yield _Inside(int(rows[one]), int(rows[other]), bool(alike))


def _span_faults(spans: pd.DataFrame, limits: RegionLimits) -> Iterator[Fault]:
    if spans.empty:
        return
    counts = spans["label"].value_counts()
    for broken in (_edges(spans), _overlaps(spans)):
        often = spans.loc[[fault.row for fault in broken], "label"].value_counts()
        for fault in broken:
            label = spans.at[fault.row, "label"]
            if often[label] <= max(1.0, limits.habit * counts[label]):
                yield fault
    yield from _odd_labels(spans, limits)


def _edges(spans: pd.DataFrame) -> list[Fault]:
    """Spans that begin or end with a space or with punctuation that belongs to what is around them."""
    found = []
    for row, text, start, shape in zip(spans.index, spans["text"], spans["start"], spans["shape"], strict=True):
        bare = _bare(text)
        if bare and bare != text:
            first = int(start) + text.index(bare)
            place = {"start": first, "end": first + len(bare), "text": bare} if shape == "span" else {}
            said = f"{text!r} has {bare!r} in it, and edges that are none of it"
            found.append(Fault(int(row), "edge", said, suggestion="move" if place else "remove", place=place))
    return found


def _bare(text: str) -> str:
    """*text* without spaces and punctuation at its edges; brackets and quotation marks that have their other half, and
    the point of an abbreviation, belong to it.

    >>> _bare(" U.S."), _bare("Bergen (Norway)"), _bare("Norway),"), _bare('"Emma')
    ('U.S.', 'Bergen (Norway)', 'Norway', 'Emma')
    """
    found = text.strip()
    while found:
        last, first = found[-1], found[0]
        if last in ",;:!?" or (last == "." and "." not in found[:-1]) or (last in _CLOSING and _is_alone(last, found)):
            found = found[:-1].rstrip()
        elif first in ",;:!?." or (first in _OPENING and _is_alone(first, found)):
            found = found[1:].lstrip()
        else:
            break
    return found


def _is_alone(mark: str, text: str) -> bool:
    """Whether a bracket or a quotation mark lacks its other half in *text*."""
    other = dict(zip(_OPENING + _CLOSING, _CLOSING + _OPENING, strict=True))[mark]
    return text.count(mark) % 2 == 1 if other == mark else text.count(mark) > text.count(other)


def _overlaps(spans: pd.DataFrame) -> list[Fault]:
    """Spans that share characters with an earlier one of the same annotation."""
    found = []
    for _, drawn in spans.groupby("annotation_id", sort=False):
        ordered = drawn.sort_values(["start", "end"], kind="stable")
        furthest, furthest_id, before = -1, "", ""
        for row, start, end, text, region in zip(
            ordered.index, ordered["start"], ordered["end"], ordered["text"], ordered["region_id"], strict=True
        ):
            if start < furthest:
                found.append(Fault(int(row), "overlap", f"{text!r} shares characters with {before!r}", furthest_id))
            if end > furthest:
                furthest, furthest_id, before = end, region, text
    return found


def _odd_labels(spans: pd.DataFrame, limits: RegionLimits) -> Iterator[Fault]:
    """Strings that nearly always have one label, and here have another."""
    strings = spans["text"].str.casefold().str.strip()
    for _, rows in spans.groupby(strings, sort=False).groups.items():
        labels = spans.loc[rows, "label"].value_counts()
        usual, times = str(labels.index[0]), int(labels.iloc[0])
        if len(labels) < 2 or times < OFTEN or times < limits.majority * labels.sum():
            continue
        for row in rows:
            if spans.at[row, "label"] != usual:
                said = f"{spans.at[row, 'text']!r} is {usual} in {times} other places"
                yield Fault(int(row), "odd label", said, suggestion="label", label=usual)
