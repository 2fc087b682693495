"""A reviewed correction as an annotation of its own, beside the one it corrects, and how it is recognised again.

It names its parent, says in its result's ``meta`` which finding it corrects, and has an id that follows from that
finding in ``unique_id``. Label Studio's database takes no ``unique_id`` twice, so that no correction can be there
twice, whoever writes it and however often. All three stay when somebody edits the annotation.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ntk_labelqa.dataset import Control
from ntk_labelqa.label_types.control_type import Said
from ntk_labelqa.label_types.registry import control_type
from ntk_labelqa.labelstudio.reading.config_xml import choice_paths, read
from ntk_labelqa.labelstudio.reading.label_values import labels_given
from ntk_labelqa.labelstudio.review.tasks import finding_key

META = "ntk_labelqa"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "ntk-labelqa:correction")


@dataclass(frozen=True)
class Change:
    """One label that is to be another: of a whole item, or of one of its regions.

    Attributes:
        key: the finding, without the round of its review.
        given_label, final_label: from what to what.
        region_id: of the annotation's region; empty for whole items.
        reviewers: who decided so.
    """

    key: str
    given_label: str
    final_label: str
    region_id: str = ""
    reviewers: str = ""


def correction_id(key: str) -> str:
    """The ``unique_id`` of a correction, the same in every round of its review.

    *key* is that of the finding; where an annotation's regions are corrected together, that of the correction.
    """
    return str(uuid.uuid5(_NAMESPACE, finding_key(key)))


def can_be_corrected(control: Control) -> bool:
    """Whether a label of *control* can be replaced: any but that of a single level of a taxonomy."""
    return not (control.tag == "Taxonomy" and control.part)


def given_label(
    annotation: Mapping[str, Any], control: Control, data: Mapping[str, Any], region_id: str = ""
) -> str | None:
    """The one label that an annotation gives its item, or the region *region_id*; None if it gave none, or several.

    *data* is the task's: spans are looked up in it.
    """
    said = labels_given(annotation, control, data)
    if control.of_regions:
        said = [one for one in said if isinstance(one, Said) and one.region_id == region_id]
    return said[0].label if len(said) == 1 and isinstance(said[0], Said) else None


def corrected_result(
    result: Sequence[Mapping[str, Any]], control: Control, changes: Sequence[Change], *, key: str, config: str
) -> list[dict[str, Any]]:
    """*result* with the labels of *changes*, each marked; all else as it was, in its order.

    Args:
        result: of the annotation to be corrected.
        control: whose labels they are.
        changes: one of the whole item, or any number of regions, to labels that the config has.
        key: of the correction.
        config: the labelling config, for the paths of a taxonomy.
    """
    corrected = copy.deepcopy([dict(part) for part in result])
    for change in changes:
        mark = {
            "review_key": finding_key(change.key),
            "control": control.name,
            "part": control.part,
            "given_label": change.given_label,
        }
        if control.of_regions:
            _correct_region(corrected, control, change, {**mark, "correction": key, "region_id": change.region_id})
        else:
            _correct_item(corrected, control, change.final_label, mark, config)
    return corrected


def _correct_item(
    corrected: list[dict[str, Any]], control: Control, final: str, mark: dict[str, Any], config: str
) -> None:
    mine = [part for part in corrected if part.get("from_name") == control.name]
    if not mine:  # Label Studio holds no result for a control where nothing is chosen
        made = {"from_name": control.name, "to_name": control.to_name, "type": control.tag.lower(), "value": {}}
        corrected.append(made)
        mine = [made]
    paths = choice_paths(read(config), control.name)
    for part in mine:
        part["value"] = {**part["value"], **control_type(control).value(part["value"], control, final, paths)}
        part["meta"] = {**(part.get("meta") or {}), META: mark}


def _correct_region(
    corrected: Sequence[dict[str, Any]], control: Control, change: Change, mark: dict[str, Any]
) -> None:
    part = next(part for part in corrected if _is_of(part, control.drawn_by, change.region_id))
    before = list(map(str, part["value"][control.tag.lower()]))
    part["value"] = {**part["value"], **control_type(control).value(part["value"], control, change.final_label, ())}
    part["meta"] = {**(part.get("meta") or {}), META: {**mark, "labels": before}}


def region_obstacle(annotation: Mapping[str, Any], control: Control, change: Change) -> str:
    """Why the label of a region cannot be changed in *annotation*; empty where it can."""
    if not control.part or change.final_label == control.part:
        return ""
    own = [part for part in annotation["result"] if _is_of(part, control.drawn_by, change.region_id)]
    labels = [str(label) for part in own for label in part["value"].get(control.tag.lower()) or ()]
    if control.part not in labels:
        return "its label is that of a second region in the same place: correct it by hand"
    return "" if len(labels) > 1 else "it is the only label of its region: correct it by hand"


def _is_of(part: Mapping[str, Any], control: str, region_id: str) -> bool:
    return part.get("from_name") == control and str(part.get("id")) == region_id


def marks_of(annotation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What a correction of ours says of itself (``review_key``, ``given_label`` …), for each label that it changed;
    nothing for other annotations."""
    parts = (part for part in annotation.get("result") or () if isinstance(part, Mapping))
    marks = ((part.get("meta") or {}).get(META) for part in parts)
    return [mark for mark in marks if mark]


def superseded_in(task: Mapping[str, Any]) -> set[int]:
    """Ids of the annotations of *task* that a reviewed correction stands in for.

    Only as long as the annotation still has the labels that were corrected: what a person says later counts again.
    Needs ``parent_annotation``, which Label Studio's snapshots and JSON exports have.
    """
    annotations = {one["id"]: one for one in task.get("annotations") or ()}
    found = set()
    for child in annotations.values():
        parent = annotations.get(child.get("parent_annotation"))
        marks = marks_of(child) if parent is not None and not child.get("was_cancelled") else []
        if parent is None or not marks:
            continue
        ours = correction_id(marks[0].get("correction", marks[0]["review_key"]))
        if child.get("unique_id", ours) != ours:  # somebody's copy of a correction
            continue
        if all(_still_has(parent, child, mark) for mark in marks):
            found.add(int(parent["id"]))
    return found


def _still_has(parent: Mapping[str, Any], child: Mapping[str, Any], mark: Mapping[str, Any]) -> bool:
    """Whether *parent* has the label that *child* changed, as *mark* tells."""
    kinds = {part["from_name"]: str(part.get("type")) for part in child["result"] if "from_name" in part}
    kind = kinds[mark["control"]]
    if "region_id" in mark:
        own = [part for part in parent["result"] if _is_of(part, mark["control"], mark["region_id"])]
        return [list(map(str, part["value"].get(kind) or ())) for part in own] == [mark["labels"]]
    control = Control(mark["control"], "", kind.capitalize(), part=mark["part"])
    return given_label(parent, control, {}) == mark["given_label"]
