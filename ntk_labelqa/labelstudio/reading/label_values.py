"""What an annotation or a prediction says with one control, whichever of the control types it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

from ntk_labelqa.dataset import Control, ItemKind
from ntk_labelqa.labelstudio.reading.config_xml import was_shown
from ntk_labelqa.labelstudio.reading.regions import Box, Place, Span
from ntk_labelqa.labelstudio.reading.results import STEP, choices_of, is_of_part, paths_of, value_of
from ntk_labelqa.task_data import value_shown

REGION_ITEMS: dict[tuple[str, str], ItemKind] = {("RectangleLabels", "Image"): "crop", ("Labels", "Text"): "span"}
"""Controls and the objects they are over whose regions can be cut out, and what the items then are."""
_OVER = dict(REGION_ITEMS.keys())

DRAWN_TWICE = 0.9
"""Intersection over union from which on two regions of one person are one region with two labels."""

SEVERAL_CHOICES, NO_CHOICE = "more than one choice", "no choice with this control"
NO_REGION, ABOVE_LEVEL = "no region with this control", "no choice at this level of the taxonomy"
BAD_REGION, NO_ID = "region whose place cannot be read", "region without an id"
SEVERAL_LABELS = "several labels on one region, which --control NAME:LABEL audits one by one"
UNKNOWN_LABEL = "label not in the labelling config"
NOT_SHOWN = "control that was not shown to the annotator"
MAYBE_NOT_SHOWN = "control that may not have been shown to the annotator"


@dataclass(frozen=True)
class Said:
    """One label that was given: to a region, or to the whole item where there is none.

    *place* is None for regions that cannot be cut out, too. *named* are all the options that were chosen, where the
    label is about one of them.
    """

    label: str
    region_id: str = ""
    place: Place | None = None
    named: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unusable:
    """Why something that was said is not used; *labels* are those it named."""

    reason: str
    labels: tuple[str, ...] = ()


def control_of(manifest: Mapping[str, Any]) -> Control:
    """The control as an audit's manifest has it; audits of earlier versions lack some of its fields."""
    control = Control(**manifest["data"]["control"])
    return replace(control, shown_when=tuple(map(tuple, control.shown_when)))  # JSON knows lists alone


def is_single_choice(control: Control) -> bool:
    """Whether the control gives each item one of its choices."""
    return control.tag == "Choices" and not control.part and not control.per_region


def labels_given(labelling: Mapping[str, Any], control: Control, data: Mapping[str, Any]) -> list[Said | Unusable]:
    """What *labelling* says with *control*: one entry for the whole item, or one a region; never nothing.

    Args:
        labelling: an annotation or a prediction.
        control: see :class:`~ntk_labelqa.dataset.Control`.
        data: of the task.
    """
    results = [one for one in labelling.get("result") or () if isinstance(one, Mapping)]
    mine = [one for one in results if one.get("from_name") == control.name]
    if control.of_regions:
        return _of_regions(mine, control, data) or [Unusable(NO_REGION)]
    mine = [one for one in mine if not is_of_part(one)]
    if control.tag == "Taxonomy":
        return [_of_taxonomy(mine, control.part)]
    if not control.part:
        return [_one([label for one in mine for label in _labels(one, control.tag)])]
    choices = [choice for one in mine for choice in choices_of(one)]
    shown = bool(choices) or was_shown(control.shown_when, results)
    if not shown:
        return [Unusable(MAYBE_NOT_SHOWN if shown is None else NOT_SHOWN)]
    return [Said(control.part if control.part in choices else opposite(control.part), named=tuple(choices))]


def opposite(option: str) -> str:
    """The label of items that do not have *option* of a multiple choice."""
    return f"not {option}"


def _labels(result: Mapping[str, Any], tag: str) -> list[str]:
    """The classes that a result of a control of the type *tag* gives a whole item."""
    value = value_of(result)
    if tag == "Rating":
        return [str(int(value["rating"]))] if _is_number(value.get("rating")) and value["rating"] % 1 == 0 else []
    if tag == "Number":
        return [f"{value['number']:g}"] if _is_number(value.get("number")) else []
    if tag == "Pairwise":
        return [str(value["selected"])] if value.get("selected") else []
    return choices_of(result)


def _one(given: list[str]) -> Said | Unusable:
    if len(given) == 1:
        return Said(given[0])
    return Unusable(SEVERAL_CHOICES, tuple(given)) if given else Unusable(NO_CHOICE)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _of_taxonomy(results: list[Mapping[str, Any]], level: str) -> Said | Unusable:
    chosen = [path for result in results for path in paths_of(result)]
    if not level:
        return _one([STEP.join(path) for path in chosen])
    depth = int(level)
    deep = dict.fromkeys(STEP.join(path[:depth]) for path in chosen if len(path) >= depth)
    return Unusable(ABOVE_LEVEL) if chosen and not deep else _one(list(deep))


def regions_drawn(labelling: Mapping[str, Any], control: Control, data: Mapping[str, Any]) -> list[Region]:
    """The regions of *labelling* as they were drawn, one drawn twice being two; those that can be used."""
    results = [one for one in labelling.get("result") or () if isinstance(one, Mapping)]
    found = [_region(one, control, data) for one in results if one.get("from_name") == control.name]
    return [one for one in found if isinstance(one, Region)]


@dataclass(frozen=True)
class Region:
    """A region as one person drew it; *place* is None where it cannot be cut out."""

    id: str
    labels: tuple[str, ...]
    place: Place | None
    text: str = ""
    """The characters of a span."""


def _of_regions(results: list[Mapping[str, Any]], control: Control, data: Mapping[str, Any]) -> list[Said | Unusable]:
    """One entry a region. What one person drew twice in the same place is one region, with the labels of both."""
    said: list[Said | Unusable] = []
    regions: list[Region] = []
    for result in results:
        found = _region(result, control, data)
        if isinstance(found, Unusable):
            said.append(found)
            continue
        again = next((row for row, known in enumerate(regions) if _is_same(known, found)), None)
        if again is None:
            regions.append(found)
        else:
            both = dict.fromkeys((*regions[again].labels, *found.labels))
            regions[again] = replace(regions[again], labels=tuple(both))
    return [*said, *(_label_of(region, control) for region in regions)]


def _label_of(region: Region, control: Control) -> Said | Unusable:
    if control.part:
        label = control.part if control.part in region.labels else opposite(control.part)
        return Said(label, region.id, region.place, region.labels)
    if len(region.labels) > 1:
        return Unusable(SEVERAL_LABELS, region.labels)
    return Said(region.labels[0], region.id, region.place)


def _is_same(known: Region, other: Region) -> bool:
    if known.place is None or other.place is None:
        return known.id == other.id
    return known.place.overlap(other.place) >= DRAWN_TWICE  # type: ignore[arg-type] # of one control, of one kind


def _region(result: Mapping[str, Any], control: Control, data: Mapping[str, Any]) -> Region | Unusable:
    value = value_of(result)
    labels = value.get(control.tag.lower())
    if not isinstance(labels, list) or not labels:
        return Unusable(NO_CHOICE)
    region = str(result.get("id") or "")
    if not region:
        return Unusable(NO_ID)
    named = tuple(map(str, labels))
    shape = REGION_ITEMS.get((control.tag, control.over or _OVER.get(control.tag, "")))
    if shape is None:
        return Region(region, named, None)
    place = _box(value, result) if shape == "crop" else _span(value, value_shown(data, control))
    if place is None:
        return Unusable(BAD_REGION)
    text = str(value_shown(data, control))[place.start : place.end] if isinstance(place, Span) else ""
    return Region(region, named, place, text)


def _box(value: Mapping[str, Any], result: Mapping[str, Any]) -> Box | None:
    sides = [value.get(side) for side in ("x", "y", "width", "height")]
    numbers = [float(side) for side in sides if isinstance(side, int | float)]
    if len(numbers) < 4 or numbers[2] <= 0 or numbers[3] <= 0:
        return None
    x, y, width, height = numbers
    image_width, image_height = (int(result.get(f"original_{side}") or 0) for side in ("width", "height"))
    return Box(x, y, width, height, float(value.get("rotation") or 0.0), image_width, image_height)


def _span(value: Mapping[str, Any], text: object) -> Span | None:
    """The span, if it is where it says: offsets are counted in characters, or as browsers do, in units of UTF-16."""
    start, end, said = value.get("start"), value.get("end"), value.get("text")
    if not isinstance(text, str) or not isinstance(start, int) or not isinstance(end, int):
        return None
    units = text.encode("utf-16-le")
    before, inside = (units[2 * a : 2 * b].decode("utf-16-le", "replace") for a, b in ((0, start), (start, end)))
    candidates = [Span(start, end), Span(len(before), len(before) + len(inside))]
    for span in candidates:
        there = text[span.start : span.end]
        if there.strip() and (said is None or there == said):
            return span
    return None
