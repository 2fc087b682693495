"""A reviewed correction as an annotation of its own, beside the one it corrects, and how it is recognised again.

It names its parent, holds the review key in its result's ``meta``, and has an id that follows from that key in
``unique_id``. Label Studio's database takes no ``unique_id`` twice, so that no correction can be there twice, whoever
writes it and however often; and it stays when somebody edits the annotation.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from ntk_labelqa.labelstudio.label_values import choices_of
from ntk_labelqa.labelstudio.review_tasks import finding_key, review_key

META = "ntk_labelqa"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "ntk-labelqa:correction")


def correction_id(key: str) -> str:
    """The ``unique_id`` of the correction of a finding, the same in every round of its review."""
    return str(uuid.uuid5(_NAMESPACE, finding_key(key)))


def given_choice(annotation: Mapping[str, Any], control: str) -> str | None:
    """The single choice of an annotation with *control*; None if it made none, or several."""
    mine = [part for part in annotation.get("result") or () if part.get("from_name") == control]
    choices = [choice for part in mine for choice in choices_of(part)]
    return choices[0] if len(choices) == 1 else None


def corrected_result(result: Sequence[Mapping[str, Any]], control: str, label: str, key: str) -> list[dict[str, Any]]:
    """*result* with *label* as the one choice of *control*, marked with the review key; all else as it was."""
    corrected = copy.deepcopy([dict(part) for part in result])
    for part in corrected:
        if part.get("from_name") == control:
            part["value"] = {**part["value"], "choices": [label]}
            part["meta"] = {**(part.get("meta") or {}), META: {"review_key": finding_key(key)}}
    return corrected


def mark_of(annotation: Mapping[str, Any]) -> str | None:
    """The finding key that a correction of ours holds; None for other annotations."""
    marks = ((part.get("meta") or {}).get(META) for part in annotation.get("result") or ())
    return next((mark["review_key"] for mark in marks if mark), None)


def superseded_in(task: Mapping[str, Any]) -> set[int]:
    """Ids of the annotations of *task* that a reviewed correction stands in for.

    Only as long as the annotation still has the label that was corrected: what a person says later counts again. Needs
    ``unique_id`` and ``parent_annotation``, which Label Studio's snapshots and JSON exports have.
    """
    annotations = task.get("annotations") or ()
    project = task.get("project")
    children = {
        (child.get("parent_annotation"), str(child.get("unique_id")))
        for child in annotations
        if child.get("parent_annotation") is not None and not child.get("was_cancelled")
    }
    if not children or not isinstance(project, int):
        return set()
    found = set()
    for annotation in annotations:
        # Whichever control was corrected: the correction holds the labels of the others too.
        for label in [choice for part in annotation.get("result") or () for choice in choices_of(part)]:
            key = review_key(project, int(task["id"]), int(annotation["id"]), label)
            if (annotation["id"], correction_id(key)) in children:
                found.add(int(annotation["id"]))
    return found
