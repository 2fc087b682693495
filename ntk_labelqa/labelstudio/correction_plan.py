"""Which accepted corrections can be written, which are there already, and which meet something that has changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from ntk_labelqa.dataset import Control
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.labelstudio import label_config
from ntk_labelqa.labelstudio.corrections import corrected_result, correction_id, given_label, mark_of
from ntk_labelqa.labelstudio.decisions import CORRECTING
from ntk_labelqa.labelstudio.review_tasks import finding_key, round_of


@dataclass(frozen=True)
class Correction:
    """One label that reviewers want changed.

    Attributes:
        key: the finding, without the round of its review.
        task, annotation: in the source project.
        given_label, final_label: from what to what.
        reviewers: who decided so.
        source_updated_at: when the annotation had last been saved at the time of the audit.
    """

    key: str
    task: int
    annotation: int
    given_label: str
    final_label: str
    reviewers: str
    source_updated_at: str

    def __str__(self) -> str:
        return f"task {self.task}, annotation {self.annotation}, {self.given_label!r} to {self.final_label!r}"


@dataclass(frozen=True)
class Conflict:
    """A correction that is not written, and why; the annotation is left as it is."""

    correction: Correction
    why: str

    def __str__(self) -> str:
        return f"{self.correction}: {self.why}"


@dataclass(frozen=True)
class Ready:
    """A correction that can be written, with the result that its annotation gets."""

    correction: Correction
    result: list[dict[str, Any]]


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
        decisions: see :data:`ntk_labelqa.labelstudio.decisions.COLUMNS`.
        tasks: a snapshot of the source project.
        config: its labelling config now.
        project: its id.
        control: the audited control.
        journal: the last entry of each finding; see :mod:`ntk_labelqa.labelstudio.journal`.
    """
    source = _Source(tasks, config, control, journal)
    ready, there, conflicts = [], [], []
    for correction in wanted_corrections(decisions):
        existing = source.corrections.get(correction_id(correction.key))
        if existing is not None and given_label(existing, control) == correction.final_label:
            there.append((correction, existing))
        elif why := source.obstacle(correction, existing):
            conflicts.append(Conflict(correction, why))
        else:
            before = source.annotations[correction.annotation]["result"]
            result = corrected_result(
                before,
                control,
                given=correction.given_label,
                final=correction.final_label,
                key=correction.key,
                config=config,
            )
            ready.append(Ready(correction, result))
    return Plan(project, control, tuple(ready), tuple(there), tuple(conflicts))


def wanted_corrections(decisions: pd.DataFrame) -> list[Correction]:
    """The corrections that the last round of each finding's review asks for, by task and annotation."""
    last: dict[str, dict[str, Any]] = {}
    for row in decisions.to_dict("records"):
        key = finding_key(row["review_key"])
        if key not in last or round_of(row["review_key"]) > round_of(last[key]["review_key"]):
            last[key] = {str(column): value for column, value in row.items()}
    found = [
        Correction(
            key,
            int(row["task_id"]),
            int(row["annotation_id"]),
            row["given_label"],
            row["final_label"],
            row["reviewers"],
            row["source_updated_at"],
        )
        for key, row in last.items()
        if row["decision"] in CORRECTING
    ]
    return sorted(found, key=lambda correction: (correction.task, correction.annotation))


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
        self.tasks = {int(task["id"]) for task in tasks}
        self.annotations = {int(one["id"]): one for task in tasks for one in task["annotations"]}
        self.corrected = {one.get("parent_annotation") for one in self.annotations.values() if mark_of(one)}
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

    def obstacle(self, correction: Correction, existing: Mapping[str, Any] | None) -> str:
        """Why *correction* must not be written; empty where nothing speaks against it."""
        if existing is not None:
            stands = given_label(existing, self.control)
            return f"its correction stands there with the label {stands!r}"
        if self.journal.get(correction.key, {}).get("event") == "written":
            return "its correction was deleted in Label Studio since"
        if self.config_problem:
            return self.config_problem
        for label in (correction.given_label, correction.final_label):
            if self.labels is not None and label not in self.labels:
                return f"the labelling config no longer has the label {label!r}"
        if correction.task not in self.tasks:
            return "its task is gone"
        if correction.annotation in self.corrected:
            return "another correction of its annotation is there already; audit again"
        return changed(correction, self.annotations.get(correction.annotation), self.control)


def changed(correction: Correction, annotation: Mapping[str, Any] | None, control: Control) -> str:
    """What is no longer as it was audited about the annotation to be corrected; empty where all is."""
    if annotation is None:
        return "its annotation was deleted"
    if annotation.get("was_cancelled"):
        return "its annotation was skipped since the audit"
    label = given_label(annotation, control)
    if label != correction.given_label:
        return f"its label was changed to {label!r} since the audit"
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
