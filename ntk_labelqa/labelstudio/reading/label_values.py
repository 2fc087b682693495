"""What an annotation or a prediction says with one control, whichever of the control types it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ntk_labelqa.dataset import Control
from ntk_labelqa.label_types.choices import opposite
from ntk_labelqa.label_types.control_type import NO_CHOICE, Said, Unusable
from ntk_labelqa.label_types.place import DRAWN_TWICE, Place
from ntk_labelqa.label_types.registry import control_in, control_type, region_type
from ntk_labelqa.label_types.results import choices_of, is_of_part, results_of, value_of
from ntk_labelqa.labelstudio.reading.config_xml import was_shown

NO_REGION = "no region with this control"
BAD_REGION, NO_ID = "region whose place cannot be read", "region without an id"
ID_TWICE = "region with the id of another one"
SEVERAL_LABELS = "several labels on one region, which --control NAME:LABEL audits one by one"
UNKNOWN_LABEL = "label not in the labelling config"
NOT_SHOWN = "control that was not shown to the annotator"
MAYBE_NOT_SHOWN = "control that may not have been shown to the annotator"


@dataclass(frozen=True)
class Region:
    """A region as one person drew it; *place* is None where it cannot be read."""

    id: str
    labels: tuple[str, ...]
    place: Place | None


def control_of(manifest: Mapping[str, Any]) -> Control:
    """The control as an audit's manifest has it."""
    control = control_in(manifest["data"])
    assert control is not None  # of an audit that came from Label Studio
    return control


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
    results = results_of(labelling)
    mine = [one for one in results if one.get("from_name") == control.drawn_by]
    if control.of_regions:
        return _of_regions(mine, control, data) or [Unusable(NO_REGION)]
    mine = [one for one in mine if not is_of_part(one)]
    if control.tag == "Choices" and control.part and not any(choices_of(one) for one in mine):
        shown = was_shown(control.shown_when, results)
        if not shown:
            return [Unusable(MAYBE_NOT_SHOWN if shown is None else NOT_SHOWN)]
    return [control_type(control).said([value_of(one) for one in mine], control.part)]


def regions_drawn(labelling: Mapping[str, Any], control: Control, data: Mapping[str, Any]) -> list[Region]:
    """The regions of *labelling* as they were drawn, one drawn twice being two; those with an id and a label."""
    results = results_of(labelling)
    found = [_region(one, control, data) for one in results if one.get("from_name") == control.drawn_by]
    return [
        one if isinstance(one, Region) else Region(one.region_id, one.labels, None)
        for one in found
        if isinstance(one, Region) or one.reason == BAD_REGION
    ]


def _of_regions(
    results: Sequence[Mapping[str, Any]], control: Control, data: Mapping[str, Any]
) -> list[Said | Unusable]:
    """One entry a region. What one person drew twice in the same place is one region, with the labels of both."""
    said: list[Said | Unusable] = []
    regions: list[Region] = []
    ids: set[str] = set()
    drawn = [_region(result, control, data) for result in results]
    said += [found for found in drawn if isinstance(found, Unusable)]
    # By id and not as they come: which of several regions in one place are one must not hang on their order.
    for found in sorted((found for found in drawn if isinstance(found, Region)), key=lambda region: region.id):
        again = next((row for row, known in enumerate(regions) if _is_same(known, found)), None)
        if again is not None:
            both = dict.fromkeys((*regions[again].labels, *found.labels))
            regions[again] = replace(regions[again], labels=tuple(both))
        elif found.id in ids:
            said.append(Unusable(ID_TWICE, found.labels))
        else:
            regions.append(found)
        ids.add(found.id)
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
    return known.place.overlap(other.place) >= DRAWN_TWICE


def _region(result: Mapping[str, Any], control: Control, data: Mapping[str, Any]) -> Region | Unusable:
    labels = value_of(result).get(control.tag.lower())
    if not isinstance(labels, list) or not labels:
        return Unusable(NO_CHOICE)
    region = str(result.get("id") or "")
    if not region:
        return Unusable(NO_ID)
    named = tuple(dict.fromkeys(map(str, labels)))
    kind = region_type(control)
    if kind is None:
        return Region(region, named, None)
    place = kind.read(result, data, control)
    return Unusable(BAD_REGION, named, region) if place is None else Region(region, named, place)
