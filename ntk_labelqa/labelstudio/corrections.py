"""A reviewed correction as an annotation of its own, beside the one it corrects, and how it is recognised again.

It names its parent, says in its result's ``meta`` which finding it corrects, and has an id that follows from that
finding in ``unique_id``. Label Studio's database takes no ``unique_id`` twice, so that no correction can be there
twice, whoever writes it and however often. All three stay when somebody edits the annotation.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from ntk_labelqa.dataset import Control
from ntk_labelqa.labelstudio.config_xml import choice_paths, read
from ntk_labelqa.labelstudio.label_values import Said, labels_given
from ntk_labelqa.labelstudio.results import STEP, choices_of
from ntk_labelqa.labelstudio.review_tasks import finding_key

META = "ntk_labelqa"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "ntk-labelqa:correction")


def correction_id(key: str) -> str:
    """The ``unique_id`` of the correction of a finding, the same in every round of its review."""
    return str(uuid.uuid5(_NAMESPACE, finding_key(key)))


def can_be_corrected(control: Control) -> bool:
    """Whether a label of *control* can be replaced: those of whole items, but no single level of a taxonomy."""
    return not control.of_regions and not (control.tag == "Taxonomy" and control.part)


def given_label(annotation: Mapping[str, Any], control: Control) -> str | None:
    """The one label that an annotation gives with *control*; None if it gave none, or several."""
    said = labels_given(annotation, control, {})
    return said[0].label if len(said) == 1 and isinstance(said[0], Said) else None


def corrected_result(
    result: Sequence[Mapping[str, Any]], control: Control, *, given: str, final: str, key: str, config: str
) -> list[dict[str, Any]]:
    """*result* with the label *final* in the place of *given*, and marked; all else as it was.

    Args:
        result: of the annotation to be corrected.
        control: whose label it is.
        given: the label that was reviewed.
        final: the label that it gets; one that the config has.
        key: the review key.
        config: the labelling config, for the paths of a taxonomy.
    """
    corrected = copy.deepcopy([dict(part) for part in result])
    mine = [part for part in corrected if part.get("from_name") == control.name]
    if not mine:  # Label Studio holds no result for a control where nothing is chosen
        made = {"from_name": control.name, "to_name": control.to_name, "type": control.tag.lower(), "value": {}}
        corrected.append(made)
        mine = [made]
    mark = {"review_key": finding_key(key), "control": control.name, "part": control.part, "given_label": given}
    for part in mine:
        part["value"] = {**part["value"], **_value(part["value"], control, final, config)}
        part["meta"] = {**(part.get("meta") or {}), META: mark}
    return corrected


def _value(before: Mapping[str, Any], control: Control, final: str, config: str) -> dict[str, Any]:
    if control.tag == "Rating":
        return {"rating": int(final)}
    if control.tag == "Number":
        return {"number": float(final) if "." in final else int(final)}
    if control.tag == "Pairwise":
        return {"selected": final}
    if control.tag == "Taxonomy":
        return {"taxonomy": [_path(final, control, config)]}
    named = choices_of({"value": before})
    others = [choice for choice, name in zip(before.get("choices") or (), named, strict=True) if name != control.part]
    kept = others if control.part else []
    if control.part and final != control.part:
        return {"choices": kept}
    nested = any(isinstance(choice, list) for choice in before.get("choices") or ())
    return {"choices": [*kept, _path(final, control, config) if nested else final]}


def _path(label: str, control: Control, config: str) -> list[str]:
    return next(list(path) for path in choice_paths(read(config), control.name) if STEP.join(path) == label)


def mark_of(annotation: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What a correction of ours says of itself (``review_key``, ``given_label`` …); None for other annotations."""
    marks = ((part.get("meta") or {}).get(META) for part in annotation.get("result") or ())
    return next((mark for mark in marks if mark), None)


def superseded_in(task: Mapping[str, Any]) -> set[int]:
    """Ids of the annotations of *task* that a reviewed correction stands in for.

    Only as long as the annotation still has the label that was corrected: what a person says later counts again. Needs
    ``parent_annotation``, which Label Studio's snapshots and JSON exports have.
    """
    annotations = {one["id"]: one for one in task.get("annotations") or ()}
    found = set()
    for child in annotations.values():
        parent = annotations.get(child.get("parent_annotation"))
        mark = mark_of(child) if parent is not None and not child.get("was_cancelled") else None
        if parent is None or mark is None:
            continue
        ours = correction_id(mark["review_key"])
        if child.get("unique_id", ours) != ours:  # somebody's copy of a correction
            continue
        kinds = {part["from_name"]: str(part.get("type")) for part in child["result"]}
        tag = kinds[mark["control"]].capitalize()
        if given_label(parent, Control(mark["control"], "", tag, part=mark["part"])) == mark["given_label"]:
            found.add(int(parent["id"]))
    return found
