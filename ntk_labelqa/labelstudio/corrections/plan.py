"""Which accepted corrections can be written, which are there already, and which meet something that has changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from ntk_labelqa.dataset import Control
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.labelstudio.corrections.authors import Authors
from ntk_labelqa.labelstudio.corrections.results import (
    Change,
    corrected_result,
    correction_id,
    corrects,
    is_made,
    marks_of,
    region_obstacle,
    regions_key,
    same_moment,
    stands,
)
from ntk_labelqa.labelstudio.reading import label_config
from ntk_labelqa.labelstudio.review.decisions import CORRECTING
from ntk_labelqa.labelstudio.review.tasks import finding_key, round_of
from ntk_labelqa.labelstudio.review.trust import EDITED


@dataclass(frozen=True)
class Correction:
    """What reviewers want changed of one annotation: its label, or those of any number of its regions.

    Attributes:
        key: names it: the finding's, where it is of a whole item.
        task, annotation: in the source project.
        changes: one label each; none where a review task does not say anything that can be relied upon.
        source_updated_at: when the annotation had last been saved at the time of the audit.
        review_task: where there are no changes, the review task.
    """

    key: str
    task: int
    annotation: int
    changes: tuple[Change, ...]
    source_updated_at: str
    review_task: int = 0

    def __str__(self) -> str:
        if not self.changes:
            return f"review task {self.review_task}"
        return f"task {self.task}, annotation {self.annotation}, {'; '.join(map(str, self.changes))}"


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
        authors: whose annotations may be corrections.
        unnoted: see :func:`unnoted`.
    """

    project: int
    control: Control
    ready: tuple[Ready, ...]
    there: tuple[tuple[Correction, Mapping[str, Any]], ...]
    conflicts: tuple[Conflict, ...]
    authors: Authors
    unnoted: tuple[tuple[Mapping[str, Any], Mapping[str, Any]], ...] = ()


def plan_corrections(
    decisions: pd.DataFrame,
    tasks: Iterable[Mapping[str, Any]],
    config: str,
    *,
    project: int,
    control: Control,
    journal: Mapping[str, Mapping[str, Any]],
    authors: Authors,
) -> Plan:
    """Hold the decisions against the source project as it is now.

    Args:
        decisions: see :data:`ntk_labelqa.labelstudio.review.decisions.COLUMNS`.
        tasks: a snapshot of the source project; gone through twice, one at a time.
        config: its labelling config now.
        project: its id.
        control: the audited control.
        journal: the last entry of each finding; see :mod:`ntk_labelqa.labelstudio.corrections.journal`.
        authors: whose annotations may be corrections.

    What has a ``problem`` among the decisions is a conflict, unless it is in the project already.
    """
    refused, wanted = refused_corrections(decisions), wanted_corrections(decisions)
    asked = [*(correction for correction, _ in refused), *wanted]
    source = _Source(tasks, asked, config, control, journal, project, authors)
    ready, there, conflicts = [], [], []
    for correction, problem in refused:
        existing = source.corrections.get(correction_id(correction.key))
        if existing is not None and correction.changes and source.is_made(existing, correction, correction.changes[0]):
            there.append((correction, existing))
        else:
            conflicts.append(Conflict(correction, problem))
    for correction in wanted:
        existing = source.corrections.get(correction_id(correction.key))
        to_write, done = [], []
        regions = Counter(change.region_id for change in correction.changes)
        for change in correction.changes:
            one = replace(correction, changes=(change,))
            if change.region_id and regions[change.region_id] > 1:
                conflicts.append(Conflict(one, "two corrections of one region were accepted: settle one of them"))
            elif existing is not None and source.is_made(existing, one, change):
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
            try:
                result = corrected_result(before, control, to_write, key=correction.key, config=config)
            except (KeyError, TypeError, ValueError, AttributeError, StopIteration):
                conflicts.append(Conflict(writable, "its annotation holds what cannot be read: correct it by hand"))
                continue
            ready.append(Ready(writable, result, source.data[correction.task]))
    late = unnoted(journal, tasks, project, authors)
    return Plan(project, control, tuple(ready), tuple(there), tuple(conflicts), authors, late)


def unnoted(
    entries: Mapping[str, Mapping[str, Any]], tasks: Iterable[Mapping[str, Any]], project: int, authors: Authors
) -> tuple[tuple[Mapping[str, Any], Mapping[str, Any]], ...]:
    """Journal entries whose correction the server has though they do not say so, each with its annotation.

    Either the run was killed between the write and the note of it, or the write came late: after it had been given up,
    or even after an undo.
    """
    begun = [entry for entry in entries.values() if entry["event"] in ("intended", "undone")]
    mine = [(entry, correction_id(entry["key"])) for entry in begun if entry.get("project") == project]
    keys = {key for _, key in mine}
    annotations = (one for task in tasks for one in task["annotations"]) if keys else ()
    there = {key: one for one in annotations if (key := str(one.get("unique_id"))) in keys and authors.wrote(one)}
    return tuple((entry, there[key]) for entry, key in mine if key in there)


def wanted_corrections(decisions: pd.DataFrame) -> list[Correction]:
    """The corrections that the last round of each finding's review asks for, by task and annotation."""
    found: dict[str, Correction] = {}
    for row in _last_rounds(decisions):
        if row["decision"] in CORRECTING and not row["problem"]:
            one = _correction(row)
            known = found.get(one.key)
            found[one.key] = replace(one, changes=(*(known.changes if known else ()), *one.changes))
    return sorted(found.values(), key=lambda correction: (correction.task, correction.annotation))


def refused_corrections(decisions: pd.DataFrame) -> list[tuple[Correction, str]]:
    """What is not acted upon though reviewers said something of it, one change each, and why not."""
    answered = decisions[(decisions["problem"] == EDITED) & (decisions["decision"] != "open")]
    edited = [
        Correction(f"review task {row['review_task']}", 0, 0, (), "", int(row["review_task"]))
        for row in answered.to_dict("records")
    ]
    asked = [row for row in _last_rounds(decisions) if row["decision"] in CORRECTING and row["problem"]]
    return [*((one, EDITED) for one in edited), *((_correction(row), row["problem"]) for row in asked)]


def _last_rounds(decisions: pd.DataFrame) -> list[dict[str, Any]]:
    last: dict[str, dict[str, Any]] = {}
    for row in decisions[decisions["problem"] != EDITED].to_dict("records"):
        key = finding_key(row["review_key"])
        if key not in last or _rank(row) > _rank(last[key]):
            last[key] = {str(column): value for column, value in row.items()}
    return list(last.values())


def _rank(row: Mapping[Any, Any]) -> tuple[bool, int]:
    """What the audit raised counts before anything else, then the later round."""
    return not row["problem"], round_of(row["review_key"])


def _correction(row: Mapping[str, Any]) -> Correction:
    key, region, saved = finding_key(row["review_key"]), str(row.get("region_id") or ""), row["source_updated_at"]
    placed = row["decision"] == "accept" or not row["given_label"]
    result = str(row.get("suggested_result") or "") if placed else ""
    change = Change(key, row["given_label"], row["final_label"], region, row["reviewers"], result)
    together = regions_key(key, saved) if region else key
    return Correction(together, int(row["task_id"]), int(row["annotation_id"]), (change,), saved)


class _Source:
    """What the source project has of the corrections *asked* for, looked up by id."""

    def __init__(
        self,
        tasks: Iterable[Mapping[str, Any]],
        asked: Sequence[Correction],
        config: str,
        control: Control,
        journal: Mapping[str, Mapping[str, Any]],
        project: int,
        authors: Authors,
    ) -> None:
        self.control, self.journal = control, journal
        self.tasks: dict[int, int] = {}
        self.data: dict[int, Mapping[str, Any]] = {}
        self.annotations: dict[int, Mapping[str, Any]] = {}
        self.corrections: dict[str, Mapping[str, Any]] = {}
        self.corrected: set[Any] = set()
        of_tasks, of_annotations = {one.task for one in asked}, {one.annotation for one in asked}
        keys = {correction_id(one.key) for one in asked}
        for task in tasks:
            if (number := int(task["id"])) in of_tasks:
                self.data[number] = task.get("data") or {}
            own = {int(one["id"]): one for one in task["annotations"]}
            for annotation, one in own.items():
                if annotation in of_annotations:
                    self.tasks[annotation], self.annotations[annotation] = number, one
                if (key := str(one.get("unique_id"))) in keys:
                    self.corrections[key] = one
                parent = one.get("parent_annotation")
                if authors.wrote(one) and (
                    marks_of(one) or corrects({**one, "task": number}, own.get(parent), project)
                ):
                    self.corrected.add(parent)
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
        return stands(annotation, self.control, self.data.get(correction.task, {}), change)

    def is_made(self, annotation: Mapping[str, Any], correction: Correction, change: Change) -> bool:
        """Whether *annotation* is as *change* wants it."""
        return is_made(annotation, self.control, self.data.get(correction.task, {}), change)

    def obstacle(self, correction: Correction, change: Change, existing: Mapping[str, Any] | None) -> str:
        """Why *change* must not be made; empty where nothing speaks against it."""
        if existing is not None:
            label = self.label_in(existing, correction, change)
            if change.region_id and label == change.given_label:
                return "another correction of its annotation is there already; audit again"
            return f"its correction stands there with the label {label!r}"
        if self.journal.get(correction.key, {}).get("event") == "written":
            return "its correction was deleted in Label Studio since"
        if self.config_problem:
            return self.config_problem
        for label in (change.given_label, change.final_label):
            if label and self.labels is not None and label not in self.labels:
                return f"the labelling config no longer has the label {label!r}"
        if correction.task not in self.data:
            return "its task is gone"
        if self.tasks.get(correction.annotation, correction.task) != correction.task:
            return f"its annotation is of task {self.tasks[correction.annotation]}"
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
        label = stands(annotation, control, data, change)
        if label != change.given_label:
            return _otherwise(label, change)
        if change.region_id and (why := region_obstacle(annotation, control, change)):
            return why
    if not correction.source_updated_at:
        return "the audit does not know when it had last been saved; audit and push again"
    if not same_moment(annotation.get("updated_at"), correction.source_updated_at):
        return "its annotation was saved again since the audit"
    return ""


def _otherwise(label: str | None, change: Change) -> str:
    """What has become of a label that is not the one audited."""
    if not change.given_label:
        return "its region is there already"
    if change.region_id and not label:
        return "its region was deleted since the audit"
    return f"its label was changed to {label!r} since the audit"
