"""Reviewers' decisions, read back: what each of them said of a finding, and what they say together."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pandas as pd

from ntk_labelqa.audit_folder import DECISIONS as DECISIONS_FILE
from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.errors import LabelStudioError
from ntk_labelqa.files import whole_file
from ntk_labelqa.label_types.results import choices_of, paths_of, results_of, value_of
from ntk_labelqa.labelstudio.connect import translating_errors
from ntk_labelqa.labelstudio.reading.label_values import control_of
from ntk_labelqa.labelstudio.review import project as review_project
from ntk_labelqa.labelstudio.review.config import ACCEPT, COMMENT, DECISION, KEEP, OTHER, OTHER_LABEL, UNSURE
from ntk_labelqa.labelstudio.review.places import with_known_places
from ntk_labelqa.labelstudio.review.project import ReviewTask
from ntk_labelqa.labelstudio.review.tasks import LABEL, REVIEW_KEY, finding_key, raised_by
from ntk_labelqa.labelstudio.review.trust import EDITED, distrust, is_ours

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio

Decision = Literal["accept", "other", "keep", "unsure", "skipped", "unreadable", "conflict", "open"]
DECISIONS: tuple[Decision, ...] = ("accept", "other", "keep", "unsure", "skipped", "unreadable", "conflict", "open")
CORRECTING = ("accept", "other")
"""Decisions that ask for another label."""
ABSTAINING: tuple[Decision, ...] = ("unreadable", "unsure", "skipped")
"""Decisions that stand for no label; of several the first is named."""

COLUMNS = {
    "review_key": "str",
    "review_task": "int64",
    "task_id": "int64",
    "annotation_id": "int64",
    "annotator": "str",
    "given_label": "str",
    "suggested_label": "str",
    "error_probability": "float64",  # what the audit said, 0 to 1
    "model_probability": "float64",  # the same before earlier verdicts had put it right
    "decision": "str",  # one of DECISIONS: all reviewers together
    "final_label": "str",  # null unless the reviewers agree on a label
    "reviewers": "str",  # who, separated by commas
    "votes": "str",  # who said what
    "comment": "str",
    "decided_at": "str",  # the last vote, ISO 8601
    "audited_at": "str",
    "source_updated_at": "str",  # when the annotation had last been saved at the time of the audit
    "control": "str",
    "region_id": "str",  # of the annotation's region that the label is of; empty for whole items
    "kind": "str",  # of finding: a "label", a "spurious" or a "missing" region, or a "rule" that one breaks
    "suggested_result": "str",  # fields of a result, JSON, of a region that should come or move; else empty
    "problem": "str",  # why nothing is written for it; empty where this audit raised it as the review task says
}
"""Columns of ``decisions.parquet``, one row a review task."""


@dataclass(frozen=True)
class Vote:
    """What one reviewer said last of one finding.

    Attributes:
        reviewer: e-mail address.
        decision: ``accept``, ``other``, ``keep``, ``unsure``, ``skipped``, or ``unreadable`` where it is none of them.
        label: the label that the vote stands for, empty where there should be no region, None where it stands for none.
        comment: in the reviewer's words.
        at: when it was last saved, ISO 8601.
    """

    reviewer: str
    decision: Decision
    label: str | None
    comment: str
    at: str

    def __str__(self) -> str:
        said = f"other {self.label!r}" if self.decision == "other" else self.decision
        return f"{self.reviewer}: {said}"


class Read(NamedTuple):
    """What was read.

    Attributes:
        project: the review project's id.
        table: with the columns :data:`COLUMNS`, the most probable errors first.
        notes: what is to be said of other projects that bear its mark.
    """

    project: int
    table: pd.DataFrame
    notes: tuple[str, ...]


def read_decisions(client: LabelStudio, audit: Audit, source_project: int, known: Collection[int] = ()) -> Read:
    """What reviewers decided on the findings of an audit.

    Findings of other controls are not in it. Of those that this audit raised, the row holds what the audit says.

    Args:
        client: see :func:`ntk_labelqa.labelstudio.connect.connect`.
        audit: what its findings are held against.
        source_project: the project that was audited.
        known: projects that a journal of ours names as review projects, whoever made them.

    Raises LabelStudioError where there is no review project, or the server refuses.

    Cost: one snapshot, 600 review tasks a second.
    """
    control = control_of(audit.manifest)
    found = review_project.marked(client, review_project.mark(source_project, control), known)
    if not found.ours:
        foreign = "".join(found.notes("review project"))
        raise LabelStudioError(
            f"Project {source_project} has no review project.{' ' + foreign if foreign else ''}",
            why="Nothing has been pushed yet, or the review project or the mark in its description was deleted, or "
            "another key pushed it.",
            remedy="Push the audit first: ntk-labelqa push DIR. Where another key did, use that one, or its audit "
            "folder with the journal beside it.",
        )
    people = people_by_id(client)
    tasks = [
        task
        for task in review_project.tasks_of(client, found.ours[0])
        if not is_ours(task, source_project) or task.data.get("source_control", control.full_name) == control.full_name
    ]
    raised = raised_findings(audit, source_project, tasks)
    table = decisions_table(tasks, people, raised, source_project)
    return Read(found.ours[0], table, found.notes("review project"))


def raised_findings(audit: Audit, source_project: int, tasks: Sequence[ReviewTask]) -> dict[str, Mapping[str, Any]]:
    """What the review tasks of *audit* hold, by finding key.

    Regions that nobody drew go by the key of the one of *tasks* that asks about the same place.
    """
    ours = [task for task in tasks if is_ours(task, source_project)]
    found = with_known_places(raised_by(audit, source_project), ours)
    raised: dict[str, Mapping[str, Any]] = {}
    for data in found.outlines():
        raised.setdefault(data[REVIEW_KEY], data)
    return raised


def save_decisions(table: pd.DataFrame, audit_folder: Path, name: str = DECISIONS_FILE) -> Path:
    """Write the table as *name* beside the audit's tables, whole; raises LabelQAError where that cannot be."""
    path = audit_folder / name
    with whole_file(path) as stream:
        table.to_parquet(stream, index=False)
    return path


def decisions_table(
    tasks: Sequence[ReviewTask],
    people: Mapping[int, str],
    raised: Mapping[str, Mapping[str, Any]],
    source_project: int,
) -> pd.DataFrame:
    """One row a review key, with the columns :data:`COLUMNS`; tasks that ask the same are counted as one.

    Args:
        tasks: of the review project.
        people: e-mail addresses by user id.
        raised: see :func:`raised_findings`. Tasks that it does not have as they are get a row with a ``problem``.
        source_project: the project that was audited.
    """
    groups: dict[tuple[str, str], list[ReviewTask]] = {}
    for task in tasks:
        groups.setdefault((task.key, distrust(task, raised, source_project)), []).append(task)
    rows = [
        _edited_row(task)
        if problem == EDITED
        else _row(same, people, same[0].data if problem else raised[finding_key(key)], problem)
        for (key, problem), same in groups.items()
        for task in (same if problem == EDITED else same[:1])
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    typed = table.astype({column: kind for column, kind in COLUMNS.items() if kind != "str"})
    return typed.sort_values("error_probability", ascending=False, kind="stable", ignore_index=True)


def _edited_row(task: ReviewTask) -> dict[str, Any]:
    """What is said of a task that is not relied upon in anything."""
    nothing: dict[str, Any] = {name: "" for name, kind in COLUMNS.items() if kind == "str"}
    numbers = {"task_id": 0, "annotation_id": 0, "error_probability": 0.0, "model_probability": 0.0}
    answered = "unreadable" if task.annotations else "open"
    return (
        nothing
        | numbers
        | {
            "review_key": task.key,
            "review_task": task.id,
            "decision": answered,
            "final_label": None,
            "problem": EDITED,
        }
    )


def _row(
    same: Sequence[ReviewTask], people: Mapping[int, str], data: Mapping[str, Any], problem: str
) -> dict[str, Any]:
    task = same[0]
    votes = votes_of([said for one in same for said in one.annotations], data, people)
    decision, label = agree(votes)
    return {
        "review_key": task.key,
        "review_task": task.id,
        "task_id": data["source_task"],
        "annotation_id": data["source_annotation"],
        "annotator": data.get("annotator", ""),
        "given_label": data["given_label"],
        "suggested_label": data["suggested_label"],
        "error_probability": data["error_probability"],
        "model_probability": data.get("model_probability", data["error_probability"]),
        "decision": decision,
        "final_label": label,
        "reviewers": ", ".join(vote.reviewer for vote in votes),
        "votes": "; ".join(str(vote) for vote in votes),
        "comment": "; ".join(f"{vote.reviewer}: {vote.comment}" for vote in votes if vote.comment),
        "decided_at": max((vote.at for vote in votes), default=""),
        "audited_at": data.get("audited_at", ""),
        "source_updated_at": data.get("source_updated_at", ""),
        "control": data.get("source_control", ""),
        "region_id": data.get("source_region", ""),
        "kind": data.get("kind", LABEL),
        "suggested_result": data.get("suggested_result", ""),
        "problem": problem,
    }


def agree(votes: Sequence[Vote]) -> tuple[Decision, str | None]:
    """What *votes* say together, and the label they agree on.

    Those who are unsure or skip abstain. The others agree only if every one of them stands for the same label: a
    majority does not outvote a reviewer, it is a ``conflict`` that people have to settle.
    """
    firm = [vote for vote in votes if vote.label is not None]
    if len({(vote.label, vote.decision == "keep") for vote in firm}) > 1:
        return "conflict", None
    if firm:
        return firm[0].decision, firm[0].label
    said = {vote.decision for vote in votes}
    return next((decision for decision in ABSTAINING if decision in said), "open"), None


def votes_of(
    annotations: Sequence[Mapping[str, Any]], data: Mapping[str, Any], people: Mapping[int, str]
) -> list[Vote]:
    """Each reviewer's last word, in the order of their first.

    Args:
        annotations: of the review task, or of all that ask the same.
        data: the review task's, for the labels that its decisions stand for.
        people: e-mail addresses by user id.
    """
    last: dict[str, Vote] = {}
    for annotation in sorted(annotations, key=lambda one: (one.get("updated_at") or "", one["id"])):
        vote = _vote(annotation, data, people)
        last[vote.reviewer] = vote
    return list(last.values())


def _vote(annotation: Mapping[str, Any], data: Mapping[str, Any], people: Mapping[int, str]) -> Vote:
    answers = answers_in(annotation)
    decision, label = _answer(answers, data)
    if annotation.get("was_cancelled"):
        decision, label = "skipped", None
    at = str(annotation.get("updated_at") or "")
    return Vote(reviewer_of(annotation, people), decision, label, comment_in(answers), at)


def reviewer_of(annotation: Mapping[str, Any], people: Mapping[int, str]) -> str:
    """The e-mail address of whoever made *annotation*, by user id; else the id in words."""
    by = annotation.get("completed_by")
    number = by.get("id") if isinstance(by, Mapping) else by
    return people.get(number, f"user {number}") if isinstance(number, int) else "unknown"


def answers_in(annotation: Mapping[str, Any]) -> dict[Any, Mapping[str, Any]]:
    """What a reviewer answered with each control of the page."""
    parts = (part for part in results_of(annotation) if isinstance(part.get("from_name"), str))
    return {part["from_name"]: value_of(part) for part in parts}


def comment_in(answers: Mapping[Any, Mapping[str, Any]]) -> str:
    """The reviewer's comment, empty if there is none."""
    said = answers.get(COMMENT, {}).get("text")
    return " ".join(line for line in said if isinstance(line, str)).strip() if isinstance(said, list) else ""


def people_by_id(client: LabelStudio) -> dict[int, str]:
    """E-mail addresses of the server's users."""
    with translating_errors("Asking who the reviewers are"):
        return {user.id: user.email for user in client.users.list()}


def _answer(answers: Mapping[Any, Mapping[str, Any]], data: Mapping[str, Any]) -> tuple[Decision, str | None]:
    """The decision and its label; naming the given or the suggested one as another label is keeping or accepting it."""
    given, suggested = data["given_label"], data["suggested_label"]
    chosen = answers.get(DECISION, {}).get("choices") or []
    other = _other_label(answers.get(OTHER_LABEL, {}))
    if chosen == [ACCEPT] or (chosen == [OTHER] and other and other == suggested):
        return "accept", suggested
    if chosen == [KEEP] or (chosen == [OTHER] and other and other == given):
        return "keep", given
    if chosen == [OTHER] and other:
        return "other", other
    return ("unsure" if chosen == [UNSURE] else "unreadable"), None


def _other_label(value: Mapping[str, Any]) -> str:
    choices = choices_of({"value": value})
    paths = paths_of({"value": value})
    return choices[0] if choices else paths[0][-1] if paths and paths[0] else ""
