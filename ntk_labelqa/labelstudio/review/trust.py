"""What a review task may be relied upon for. Whoever can edit the review project can write anything into its tasks.

A task is ours if its review key follows from what it is about, and its finding is to be acted upon if this audit raised
it. What is done then goes by what the audit says, never by what the task says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ntk_labelqa.labelstudio.corrections.results import same_moment
from ntk_labelqa.labelstudio.review.project import ReviewTask
from ntk_labelqa.labelstudio.review.tasks import LABEL, finding_key, review_key
from ntk_labelqa.labelstudio.review.warning_tasks import warning_key

EDITED = "its review key does not fit what it is about: the review task was edited, or is not ours"
OF_ANOTHER_AUDIT = "this audit has no such finding"
NUMBERS = ("source_project", "source_task", "source_annotation")
TEXTS = ("given_label", "suggested_label")
LATER_TEXTS = (
    "source_region",
    "kind",
    "source_control",
    "source_updated_at",
    "audited_at",
    "annotator",
    "suggested_result",
)
"""Texts that tasks of earlier versions lack."""
KINDS = (LABEL, "spurious", "missing", "shifted", "rule")


def is_ours(task: ReviewTask, source_project: int) -> bool:
    """Whether the review task is whole, about *source_project*, and has the review key that follows from its parts."""
    data = task.data
    whole = (
        all(_is_number(data.get(name)) for name in NUMBERS)
        and all(isinstance(data.get(name), str) for name in TEXTS)
        and all(isinstance(data.get(name, ""), str) for name in LATER_TEXTS)
        and _is_probability(data.get("error_probability"))
        and _is_probability(data.get("model_probability", 0.0))
        and data.get("kind", LABEL) in KINDS
        and _is_record(data.get("suggested_result", ""))
        and (not data.get("source_updated_at") or _same_moment(*[data["source_updated_at"]] * 2))
    )
    if not whole or data["source_project"] != source_project:
        return False
    parts = (data["source_task"], data["source_annotation"], data["given_label"])
    key = review_key(source_project, *parts, data.get("source_region", ""), data.get("kind", LABEL))
    return _is_round_of(task.key, key)


def is_our_warning(task: ReviewTask, source_project: int) -> bool:
    """The same of a class warning's task."""
    data = task.data
    names = ("class_a", "class_b", "cause", "source_control")
    if not all(isinstance(data.get(name), str) for name in names) or not isinstance(data.get("audited_at", ""), str):
        return False
    if data.get("source_project") != source_project or not _is_probability(data.get("overlap")):
        return False
    key = warning_key(source_project, data["source_control"], data["class_a"], data["class_b"])
    return _is_round_of(task.key, key)


def distrust(task: ReviewTask, raised: Mapping[str, Mapping[str, Any]], source_project: int) -> str:
    """Why nothing may be written for what reviewers say of *task*; empty where it may.

    Args:
        task: of the review project.
        raised: what this audit's review tasks hold, by finding key.
        source_project: the project that was audited.
    """
    if not is_ours(task, source_project):
        return EDITED
    ours = raised.get(finding_key(task.key))
    if ours is None:
        return OF_ANOTHER_AUDIT
    for name in ("source_control", "suggested_label"):
        if task.data.get(name, ours[name]) != ours[name]:
            what = name.removeprefix("source_").replace("_", " ")
            return f"its {what} is {task.data[name]!r}, but this audit's is {ours[name]!r}"
    seen = task.data.get("source_updated_at", "")
    if seen != ours["source_updated_at"] and not _same_moment(seen, ours["source_updated_at"]):
        return "it is about its annotation as it was saved at another time than this audit saw it"
    return ""


def _same_moment(one: str, other: str) -> bool:
    try:
        return same_moment(one, other)
    except (ValueError, OverflowError):  # no time
        return False


def _is_round_of(key: str, finding: str) -> bool:
    return re.fullmatch(rf"{re.escape(finding)}(~[1-9][0-9]{{0,5}})?", key) is not None


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _is_probability(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0.0 <= value <= 1.0


def _is_record(text: str) -> bool:
    try:
        found = json.loads(text) if text else {}
        return isinstance(found, dict) and isinstance(found.get("value", {}), dict)
    except (ValueError, RecursionError):
        return False
