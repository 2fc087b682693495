"""Corrections taken back: exactly those that the journal says are ours, and only while nobody else has touched them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ntk_labelqa.errors import InvalidInputError, LabelStudioError
from ntk_labelqa.labelstudio.connect import ONCE, server_url, translating_errors
from ntk_labelqa.labelstudio.corrections.apply import annotation_now
from ntk_labelqa.labelstudio.corrections.journal import Journal
from ntk_labelqa.labelstudio.corrections.results import correction_id, moment, same_moment
from ntk_labelqa.labelstudio.reading.pull import take_snapshot
from ntk_labelqa.shown import without_logins

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio

AT_ONCE = timedelta(seconds=1)
"""An annotation that nobody has saved again was last saved when it was made, give or take."""

Tick = Callable[[int, int], None]


@dataclass
class Undone:
    """What an undo did: corrections deleted, gone before, left with the reason why, and failed."""

    deleted: int = 0
    gone: int = 0
    kept: list[str] = field(default_factory=list)
    failed: list[LabelStudioError] = field(default_factory=list)


def undo_corrections(client: LabelStudio, journal: Journal, *, progress: Tick | None = None) -> Undone:
    """Delete what the journal says we wrote and have not undone, the last first.

    A correction that somebody has saved again, is editing, or has taken as the parent of another annotation, is
    left and listed. Run again after an interruption, it goes on where it was.

    Raises InvalidInputError if the journal is of another server; LabelStudioError if the server cannot be read.
    """
    entries = [entry for entry in journal.last.values() if entry["event"] in ("intended", "written")]
    others = {without_logins(entry["server"]) for entry in entries} - {server_url(client)}
    if others:
        raise InvalidInputError(
            f"The corrections in {journal.path} were written to {', '.join(sorted(others))}, and this is "
            f"{server_url(client)}.",
            remedy="Set LABEL_STUDIO_URL to that address.",
        )
    undone = Undone()
    for project in sorted({entry["project"] for entry in entries}):
        mine = [entry for entry in entries if entry["project"] == project]
        _undo(client, journal, take_snapshot(client, project, predictions=False, drafts=True), mine, undone, progress)
    return undone


def _undo(
    client: LabelStudio,
    journal: Journal,
    tasks: Sequence[Mapping[str, Any]],
    entries: Sequence[Mapping[str, Any]],
    undone: Undone,
    progress: Tick | None,
) -> None:
    there = {str(one.get("unique_id")): one for task in tasks for one in task["annotations"]}
    parents = {one.get("parent_annotation") for one in there.values()}
    at_work = {draft.get("annotation") for task in tasks for draft in task.get("drafts") or ()}
    for number, entry in enumerate(reversed(entries)):
        annotation = there.get(correction_id(entry["key"]))
        if annotation is None:
            undone.gone += entry["event"] == "written"
            journal.add("undone", key=entry["key"])
        elif why := _obstacle(entry, annotation, parents, at_work):
            undone.kept.append(f"task {entry['task']}, annotation {annotation['id']}: {why}")
        else:
            try:
                _delete(client, annotation, undone)
                journal.add("undone", key=entry["key"], correction=annotation["id"])
            except LabelStudioError as error:
                undone.failed.append(error)
        if progress:
            progress(number + 1, len(entries))


def _obstacle(entry: Mapping[str, Any], annotation: Mapping[str, Any], parents: set[Any], at_work: set[Any]) -> str:
    """Why the annotation must stay; empty where it is still as we wrote it."""
    if annotation["id"] != entry.get("correction", annotation["id"]):
        return "it is not the one that was written"
    saved = annotation["updated_at"]
    if "updated_at" in entry:
        untouched = same_moment(saved, entry["updated_at"]) and annotation["completed_by"] == entry["by"]
    else:
        untouched = moment(saved) - moment(annotation["created_at"]) < AT_ONCE
    if not untouched or annotation["result"] != entry["result"]:
        return "somebody has saved it since"
    if annotation["id"] in parents:
        return "another annotation was made from it"
    if annotation["id"] in at_work:
        return "somebody is editing it"
    return ""


def _delete(client: LabelStudio, annotation: Mapping[str, Any], undone: Undone) -> None:
    now = annotation_now(client, annotation["id"])
    if now is None:
        undone.gone += 1
    elif not same_moment(now["updated_at"], annotation["updated_at"]):
        raise LabelStudioError(f"Annotation {annotation['id']} was saved a moment ago.", remedy="Undo again.")
    else:
        with translating_errors(f"Taking back annotation {annotation['id']}"):
            client.annotations.delete(id=annotation["id"], request_options=ONCE)
        undone.deleted += 1
