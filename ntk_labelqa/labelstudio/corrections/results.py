"""A reviewed correction as an annotation of its own, beside the one it corrects, and how it is recognised again.

It names its parent, says in its result's ``meta`` which finding it corrects, and has an id that follows from that
finding in ``unique_id``. Label Studio's database takes no ``unique_id`` twice, so that no correction can be there
twice, whoever writes it and however often. All three stay when somebody edits the annotation.
"""

from __future__ import annotations

import copy
import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeGuard

from ntk_labelqa.dataset import Control
from ntk_labelqa.label_types.choices import opposite
from ntk_labelqa.label_types.control_type import Said
from ntk_labelqa.label_types.registry import control_type, region_type
from ntk_labelqa.label_types.results import is_of_part, results_of, value_of
from ntk_labelqa.labelstudio.corrections.authors import Authors
from ntk_labelqa.labelstudio.reading.config_xml import choice_paths, read
from ntk_labelqa.labelstudio.reading.label_values import labels_given, regions_drawn
from ntk_labelqa.labelstudio.review.tasks import finding_key

META = "ntk_labelqa"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "ntk-labelqa:correction")


@dataclass(frozen=True)
class Change:
    """One label that is to be another, of a whole item or of one of its regions; or a region that is to come, go or
    move.

    Attributes:
        key: the finding, without the round of its review.
        given_label, final_label: from what to what. No given label means a region that is to be added, no final one a
            region that is to go.
        region_id: of the annotation's region; empty for whole items.
        reviewers: who decided so.
        result: fields of the region's result that are to be, as JSON, its place under ``value``: of one that is added
            or moves; else empty.
    """

    key: str
    given_label: str
    final_label: str
    region_id: str = ""
    reviewers: str = ""
    result: str = ""

    def __str__(self) -> str:
        region = f"region {self.region_id}, " if self.region_id else ""
        if not self.given_label:
            return f"{region}new, {self.final_label!r}"
        if not self.final_label:
            return f"{region}{self.given_label!r} to be taken away"
        if self.final_label == self.given_label:
            return f"{region}{self.given_label!r} to another place"
        return f"{region}{self.given_label!r} to {self.final_label!r}"

    @property
    def fields(self) -> dict[str, Any]:
        """Those of the result's value."""
        found = self._result().get("value")
        return found if isinstance(found, dict) else {}

    @property
    def about(self) -> dict[str, Any]:
        """Those beside the value, such as the size of the image."""
        return {name: field for name, field in self._result().items() if name.startswith(("original_", "image_"))}

    def _result(self) -> dict[str, Any]:
        found = json.loads(self.result) if self.result else {}
        return found if isinstance(found, dict) else {}


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


def stands(annotation: Mapping[str, Any], control: Control, data: Mapping[str, Any], change: Change) -> str | None:
    """The label that *annotation* has where *change* is to be made; empty where it has no such region, and None where
    it has several.

    A region that is to go or to move may have other labels beside the one that the change is about.
    """
    if not change.region_id:
        return given_label(annotation, control, data)
    own = [one for one in regions_drawn(annotation, control, data) if one.id == change.region_id]
    labels = list(dict.fromkeys(label for one in own for label in one.labels))
    goes = not change.final_label
    if not own or (not goes and region_type(control) is not None and any(one.place is None for one in own)):
        return ""
    if control.part:
        return control.part if control.part in labels else opposite(control.part)
    if change.given_label in labels and change.final_label in ("", change.given_label):
        return change.given_label
    return labels[0] if len(labels) == 1 else None


def is_made(annotation: Mapping[str, Any], control: Control, data: Mapping[str, Any], change: Change) -> bool:
    """Whether *annotation* is as *change* wants it."""
    label = stands(annotation, control, data, replace(change, given_label=change.final_label))
    if label != change.final_label or not change.final_label:
        return label == change.final_label
    own = [part for part in annotation["result"] if _is_of(part, control.drawn_by, change.region_id)]
    return all(part["value"].get(name) == value for part in own for name, value in change.fields.items())


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
    corrected: list[Any] = copy.deepcopy(list(result))  # whatever is in it stays
    for change in changes:
        mark = {
            "review_key": finding_key(change.key),
            "control": control.drawn_by,
            "part": control.part,
            "given_label": change.given_label,
        }
        of_region = {**mark, "correction": key, "region_id": change.region_id}
        if not control.of_regions:
            _correct_item(corrected, control, change.final_label, mark, config)
        elif not change.final_label:
            corrected = _without_region(corrected, change.region_id)
        elif not change.given_label:
            corrected.append(_new_region(control, change, of_region))
        else:
            _correct_region(corrected, control, change, of_region)
    return corrected


def _without_region(result: Sequence[Any], region_id: str) -> list[Any]:
    """*result* without the region, what else was said of it, and its relations to others."""
    ends = ("id", "from_id", "to_id")
    return [
        part
        for part in result
        if not isinstance(part, Mapping) or region_id not in (str(part.get(end)) for end in ends if end in part)
    ]


def _new_region(control: Control, change: Change, mark: dict[str, Any]) -> dict[str, Any]:
    kind = control.tag.lower()
    return {
        **change.about,
        "id": change.region_id,
        "from_name": control.drawn_by,
        "to_name": control.to_name,
        "type": kind,
        "origin": "manual",
        "value": {**change.fields, kind: [change.final_label]},
        "meta": {META: mark},
    }


def _correct_item(
    corrected: list[dict[str, Any]], control: Control, final: str, mark: dict[str, Any], config: str
) -> None:
    mine = [part for part in corrected if _is_by(part, control.name) and not is_of_part(part)]
    if not mine:  # Label Studio holds no result for a control where nothing is chosen
        made = {"from_name": control.name, "to_name": control.to_name, "type": control.tag.lower(), "value": {}}
        corrected.append(made)
        mine = [made]
    paths = choice_paths(read(config), control.name)
    for part in mine:
        value = value_of(part)
        part["value"] = {**value, **control_type(control).value(value, control, final, paths)}
        part["meta"] = {**_meta(part), META: mark}


def _correct_region(
    corrected: Sequence[dict[str, Any]], control: Control, change: Change, mark: dict[str, Any]
) -> None:
    part = next(part for part in corrected if _is_of(part, control.drawn_by, change.region_id))
    before = _labels(part, control)
    place = {name: part["value"].get(name) for name in change.fields}
    after = (
        {}
        if change.final_label == change.given_label
        else control_type(control).value(part["value"], control, change.final_label, ())
    )
    part["value"] = {**part["value"], **after, **change.fields}
    part["meta"] = {**_meta(part), META: {**mark, "labels": before, **({"place": place} if place else {})}}


def _labels(part: Mapping[str, Any], control: Control) -> list[str]:
    return list(map(str, part["value"].get(control.tag.lower()) or ()))


def region_obstacle(annotation: Mapping[str, Any], control: Control, change: Change) -> str:
    """Why the label of a region cannot be changed in *annotation*; empty where it can."""
    own = [part for part in annotation["result"] if _is_of(part, control.drawn_by, change.region_id)]
    labels = [label for part in own for label in _labels(part, control)]
    if not change.final_label and (len(own) > 1 or set(labels) - {change.given_label}):
        return "its region has other labels, or its id twice: correct it by hand"
    if not control.part or change.final_label in ("", control.part):
        return ""
    if control.part not in labels:
        return "its label is that of a second region in the same place: correct it by hand"
    return "" if len(labels) > 1 else "it is the only label of its region: correct it by hand"


def _is_of(part: Any, control: str, region_id: str) -> bool:
    return _is_by(part, control) and str(part.get("id")) == region_id and isinstance(part.get("value"), Mapping)


def _is_by(part: Any, control: str) -> bool:
    return isinstance(part, Mapping) and part.get("from_name") == control


def _meta(part: Mapping[str, Any]) -> Mapping[str, Any]:
    meta = part.get("meta")
    return meta if isinstance(meta, Mapping) else {}


def marks_of(annotation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What a correction of ours says of itself (``review_key``, ``given_label`` …), for each label that it changed;
    nothing for other annotations."""
    return [mark for mark in (_meta(part).get(META) for part in results_of(annotation)) if _is_mark(mark)]


def _is_mark(mark: Any) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(mark, Mapping) and all(isinstance(mark.get(name), str) for name in ("review_key", "control"))


def regions_key(key: str, saved: object) -> str:
    """What a correction of an annotation's regions is called: one for each time that the annotation was saved.

    Args:
        key: of a finding of one of the regions.
        saved: when the annotation had last been saved, a datetime or ISO 8601; may be empty.
    """
    of_annotation = "-".join(key.split("-")[:3])
    digest = hashlib.sha256(str(moment(saved).timestamp() if saved else "").encode()).hexdigest()[:8]
    return f"{of_annotation}-regions-{digest}"


def corrects(child: Mapping[str, Any], parent: Mapping[str, Any] | None, project: object) -> bool:
    """Whether *child* is a correction of ours of *parent*.

    One that only takes regions away has nothing to carry a mark: it is known by its ``unique_id``, as long as nobody
    has saved its parent again.
    """
    if parent is None or child.get("was_cancelled"):
        return False
    marks = marks_of(child)
    key = marks[0].get("correction", marks[0]["review_key"]) if marks else None
    if key is None:
        of = f"p{project}-t{child.get('task') or parent.get('task')}-a{parent['id']}"
        return child.get("unique_id") == correction_id(regions_key(of, parent.get("updated_at")))
    return bool(child.get("unique_id", correction_id(key)) == correction_id(key))  # else somebody's copy of one


def superseded_in(task: Mapping[str, Any], authors: Authors) -> set[int]:
    """Ids of the annotations of *task* that a reviewed correction by *authors* stands in for.

    Only as long as the annotation still has the labels that were corrected: what a person says later counts again.
    Needs ``parent_annotation``, which Label Studio's snapshots and JSON exports have.
    """
    annotations = {one["id"]: one for one in task.get("annotations") or ()}
    found = set()
    for child in annotations.values():
        number = child.get("parent_annotation")
        parent = annotations.get(number) if isinstance(number, int) else None
        about = {**child, "task": task.get("id")}
        # Marks that are none of ours: no correction.
        with suppress(LookupError, TypeError, ValueError, AttributeError, OverflowError):
            if parent is None or not authors.wrote(child) or not corrects(about, parent, task.get("project")):
                continue
            if all(_still_has(parent, child, mark) for mark in marks_of(child)):
                found.add(int(parent["id"]))
    return found


def _still_has(parent: Mapping[str, Any], child: Mapping[str, Any], mark: Mapping[str, Any]) -> bool:
    """Whether *parent* has the label, and the place, that *child* changed, as *mark* tells."""
    kinds = {part["from_name"]: str(part.get("type")) for part in results_of(child) if "from_name" in part}
    kind = kinds[mark["control"]]
    if "region_id" in mark:
        own = [part for part in parent["result"] if _is_of(part, mark["control"], mark["region_id"])]
        if not mark["given_label"]:
            return not own
        key = "labels" if kind == "videorectangle" else kind
        labels = [list(map(str, part["value"].get(key) or ())) for part in own]
        place = mark.get("place", {})
        return labels == [mark["labels"]] and all(own[0]["value"].get(name) == was for name, was in place.items())
    control = Control(mark["control"], "", kind.capitalize(), part=mark["part"])
    return given_label(parent, control, {}) == mark["given_label"]


def claimed_in(task: Mapping[str, Any], authors: Authors) -> set[int]:
    """Ids of the annotations of *task* that bear our mark and are not by *authors*: they stand in for nothing."""
    children = task.get("annotations") or ()
    return {int(one["id"]) for one in children if marks_of(one) and not authors.wrote(one)}


def same_moment(one: object, other: object) -> bool:
    """Whether two times, each a datetime or ISO 8601, are the same."""
    return moment(one) == moment(other)


def moment(at: object) -> datetime:
    """A time, as a datetime or in ISO 8601."""
    return at if isinstance(at, datetime) else datetime.fromisoformat(str(at))
