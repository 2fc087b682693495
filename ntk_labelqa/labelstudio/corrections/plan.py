"""Which accepted corrections can be written, which are there already, and which meet something that has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pandas as pd

from ntk_labelqa.dataset import Control
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.labelstudio.corrections.results import (
    Change,
    corrected_result,
    correction_id,
    given_label,
    marks_of,
    region_obstacle,
)
from ntk_labelqa.labelstudio.reading import label_config
from ntk_labelqa.labelstudio.review.decisions import CORRECTING
from ntk_labelqa.labelstudio.review.tasks import finding_key, round_of


@dataclass(frozen=True)
class Correction:
    """What reviewers want changed of one annotation: its label, or those of any number of its regions.

    Attributes:
        key: names it: the finding's, where it is of a whole item.
        task, annotation: in the source project.
        changes: one label each; at least one.
        source_updated_at: when the annotation had last been saved at the time of the audit.
    """

    key: str
    task: int
    annotation: int
    changes: tuple[Change, ...]
    source_updated_at: str

    def __str__(self) -> str:
        said = [
            f"{f'region {change.region_id}, ' if change.region_id else ''}{change.given_label!r} to "
            f"{change.final_label!r}"
            for change in self.changes
        ]
        return f"task {self.task}, annotation {self.annotation}, {'; '.join(said)}"


@dataclass(frozen=True)
class Conflict:
    """A correction that is not written, and why; the annotation is left as it is."""

    correction: Correction
    why: str

    def __str__(self) -> str:
        return f"{self.correction}: {self.why}"


@dataclass(frozen=True)
class Ready:
    """A correction that can be written, with the result that its annotation gets, and the task's data."""

    correction: Correction
    result: list[dict[str, Any]]
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """What is to be done with the accepted corrections of a project.

    Attributes:
        project: the source project.
        control: the control that is corrected.
        ready: can be written.
        there: are in the project already, each with its annotation.
        conflicts: cannot be written.
    """

    project: int
    control: Control
    ready: tuple[Ready, ...]
    there: tuple[tuple[Correction, Mapping[str, Any]], ...]
    conflicts: tuple[Conflict, ...]


def plan_corrections(
    decisions: pd.DataFrame,
    tasks: Sequence[Mapping[str, Any]],
    config: str,
    *,
    project: int,
    control: Control,
    journal: Mapping[str, Mapping[str, Any]],
) -> Plan:
    """Hold the decisions against the source project as it is now.

    Args:
        decisions: see :data:`ntk_labelqa.labelstudio.review.decisions.COLUMNS`.
        tasks: a snapshot of the source project.
        config: its labelling config now.
        project: its id.
        control: the audited control.
        journal: the last entry of each finding; see :mod:`ntk_labelqa.labelstudio.corrections.journal`.
    """
    source = _Source(tasks, config, control, journal)
    ready, there, conflicts = [], [], []
    for correction in wanted_corrections(decisions):
        existing = source.corrections.get(correction_id(correction.key))
        to_write, done = [], []
        for change in correction.changes:
            one = replace(correction, changes=(change,))
            if existing is not None and source.label_in(existing, one, change) == change.final_label:
                done.append(change)
            elif why := source.obstacle(one, change, existing):
                conflicts.append(Conflict(one, why))
            else:
                to_write.append(change)
        if existing is not None and done:
            there.append((replace(correction, changes=tuple(done)), existing))
        if to_write:
            writable = replace(correction, changes=tuple(to_write))
            before = source.annotations[correction.annotation]["result"]
            result = corrected_result(before, control, to_write, key=correction.key, config=config)
            ready.append(Ready(writable, result, source.data[correction.task]))
    return Plan(project, control, tuple(ready), tuple(there), tuple(conflicts))


def wanted_corrections(decisions: pd.DataFrame) -> list[Correction]:
    """The corrections that the last round of each finding's review asks for, by task and annotation."""
    last: dict[str, dict[str, Any]] = {}
    for row in decisions.to_dict("records"):
        key = finding_key(row["review_key"])
        if key not in last or round_of(row["review_key"]) > round_of(last[key]["review_key"]):
            last[key] = {str(column): value for column, value in row.items()}
    found: dict[str, Correction] = {}
    for key, row in last.items():
        if row["decision"] not in CORRECTING:
            continue
        region, saved = str(row.get("region_id") or ""), row["source_updated_at"]
        change = Change(key, row["given_label"], row["final_label"], region, row["reviewers"])
        together = regions_key(key, saved) if region else key
        known = found.get(together)
        found[together] = Correction(
            together,
            int(row["task_id"]),
            int(row["annotation_id"]),
            (*(known.changes if known else ()), change),
            saved,
        )
    return sorted(found.values(), key=lambda correction: (correction.task, correction.annotation))


def regions_key(key: str, saved: str) -> str:
    """What a correction of an annotation's regions is called: one for each time that the annotation was saved.

    Args:
        key: of a finding of one of the regions.
        saved: when the annotation had last been saved, ISO 8601; may be empty.
    """
    of_annotation = "-".join(key.split("-")[:3])
    digest = hashlib.sha256(str(moment(saved).timestamp() if saved else "").encode()).hexdigest()[:8]
    return f"{of_annotation}-regions-{digest}"


class _Source:
    """The source project, looked up by id."""

    def __init__(
        self,
        tasks: Sequence[Mapping[str, Any]],
        config: str,
        control: Control,
        journal: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self.control, self.journal = control, journal
        self.data = {int(task["id"]): task.get("data") or {} for task in tasks}
        self.annotations = {int(one["id"]): one for task in tasks for one in task["annotations"]}
        self.corrected = {one.get("parent_annotation") for one in self.annotations.values() if marks_of(one)}
        self.corrections = {str(one.get("unique_id")): one for one in self.annotations.values()}
        self.labels, self.config_problem = self._labels(config)

    def _labels(self, config: str) -> tuple[frozenset[str] | None, str]:
        """The labels of the config, None where any may be given; and what is wrong with it."""
        try:
            labelled = label_config.parse(config, self.control.full_name)
        except InvalidInputError as error:
            return frozenset(), f"the labelling config has changed: {error.what}"
        now = labelled.control
        if (now.to_name, now.tag, now.part) != (self.control.to_name, self.control.tag, self.control.part):
            return frozenset(), f"the labelling config has changed: {now.name!r} is another control now"
        return None if labelled.open_classes else frozenset(labelled.class_names), ""

    def label_in(self, annotation: Mapping[str, Any], correction: Correction, change: Change) -> str | None:
        """The label that *annotation* has where *change* is to be made."""
        return given_label(annotation, self.control, self.data.get(correction.task, {}), change.region_id)

    def obstacle(self, correction: Correction, change: Change, existing: Mapping[str, Any] | None) -> str:
        """Why *change* must not be made; empty where nothing speaks against it."""
        if existing is not None:
            stands = self.label_in(existing, correction, change)
            if change.region_id and stands == change.given_label:
                return "another correction of its annotation is there already; audit again"
            return f"its correction stands there with the label {stands!r}"
        if self.journal.get(correction.key, {}).get("event") == "written":
            return "its correction was deleted in Label Studio since"
        if self.config_problem:
            return self.config_problem
        for label in (change.given_label, change.final_label):
            if self.labels is not None and label not in self.labels:
                return f"the labelling config no longer has the label {label!r}"
        if correction.task not in self.data:
            return "its task is gone"
        if correction.annotation in self.corrected:
            return "another correction of its annotation is there already; audit again"
        return changed(
            correction, self.annotations.get(correction.annotation), self.control, self.data[correction.task]
        )


def changed(
    correction: Correction, annotation: Mapping[str, Any] | None, control: Control, data: Mapping[str, Any]
) -> str:
    """What is no longer as it was audited about the annotation to be corrected; empty where all is."""
    if annotation is None:
        return "its annotation was deleted"
    if annotation.get("was_cancelled"):
        return "its annotation was skipped since the audit"
    for change in correction.changes:
        label = given_label(annotation, control, data, change.region_id)
        if label is None and change.region_id:
            return "its region was deleted since the audit"
        if label != change.given_label:
            return f"its label was changed to {label!r} since the audit"
        if change.region_id and (why := region_obstacle(annotation, control, change)):
            return why
    if not correction.source_updated_at:
        return "the audit does not know when it had last been saved; audit and push again"
    if not same_moment(annotation.get("updated_at"), correction.source_updated_at):
        return "its annotation was saved again since the audit"
    return ""


def same_moment(one: object, other: object) -> bool:
    """Whether two times, each a datetime or ISO 8601, are the same."""
    return moment(one) == moment(other)


def moment(at: object) -> datetime:
    return at if isinstance(at, datetime) else datetime.fromisoformat(str(at))
