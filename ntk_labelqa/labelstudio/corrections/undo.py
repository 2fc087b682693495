"""Corrections taken back: exactly those that the journal says are ours, and only while nobody else has touched them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ntk_labelqa.errors import InvalidInputError, LabelStudioError
from ntk_labelqa.labelstudio.connect import server_url
from ntk_labelqa.labelstudio.corrections.apply import annotation_now, is_gone
from ntk_labelqa.labelstudio.corrections.journal import Journal
from ntk_labelqa.labelstudio.corrections.results import correction_id, moment, same_moment
from ntk_labelqa.labelstudio.plain_requests import delete
from ntk_labelqa.labelstudio.reading.pull import take_snapshot
from ntk_labelqa.shown import without_logins

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio

AT_ONCE = timedelta(seconds=1)
"""An annotation that nobody has saved again was last saved when it was made, give or take."""

LATE = timedelta(minutes=15)
"""How long after it was sent a write may still arrive: longer than servers and proxies hold a request back."""

Tick = Callable[[int, int], None]


@dataclass
class Undone:
    """What an undo did: corrections deleted, gone before, left with the reason why, and failed.

    Attributes:
        open: begun by an earlier run, and not to be seen: their write may still be on its way. The journal keeps them.
        late: how many of these were begun so short a time ago that this is to be feared.
    """

    deleted: int = 0
    gone: int = 0
    kept: list[str] = field(default_factory=list)
    failed: list[LabelStudioError] = field(default_factory=list)
    open: int = 0
    late: int = 0


def undo_corrections(client: LabelStudio, journal: Journal, *, progress: Tick | None = None) -> Undone:
    """Delete what the journal says we wrote and have not undone, the last first.

    A correction that somebody has saved again, is editing, or has taken as the parent of another annotation, is
    left and listed. One that was taken back before and stands there again, as its write came late, is deleted too. That
    one is gone is believed only of Label Studio's own answers, and only after a second look. Run again after an
    interruption, it goes on where it was.

    Raises InvalidInputError if the journal is of another server; LabelStudioError if the server cannot be read.
    """
    entries = [entry for entry in journal.last.values() if "project" in entry and entry["event"] != "pushed"]
    servers = {without_logins(entry["server"]) for entry in entries if entry["event"] != "undone"}
    others = servers - {server_url(client)}
    if others:
        raise InvalidInputError(
            f"The corrections in {journal.path} were written to {', '.join(sorted(others))}, and this is "
            f"{server_url(client)}.",
            remedy="Set LABEL_STUDIO_URL to that address.",
        )
    undone = Undone()
    here = [entry for entry in entries if entry["server"] == server_url(client)]
    for project in sorted({entry["project"] for entry in here}):
        mine = [entry for entry in here if entry["project"] == project]
        tasks = take_snapshot(client, project, predictions=False, drafts=True)
        _Undo(client, journal, tasks, mine, undone).all(mine, progress)
    return undone


class _Undo:
    """Takes back corrections of one project, of which *tasks* is a snapshot, and *entries* are in the journal."""

    def __init__(
        self,
        client: LabelStudio,
        journal: Journal,
        tasks: Iterable[Mapping[str, Any]],
        entries: Sequence[Mapping[str, Any]],
        undone: Undone,
    ) -> None:
        self.client, self.journal, self.undone = client, journal, undone
        self.there: dict[str, Mapping[str, Any]] = {}
        self.parents: set[Any] = set()
        self.at_work: set[Any] = set()
        keys = {correction_id(entry["key"]) for entry in entries}
        for task in tasks:
            for one in task["annotations"]:
                if (key := str(one.get("unique_id"))) in keys:
                    self.there[key] = one
                self.parents.add(one.get("parent_annotation"))
            self.at_work.update(draft.get("annotation") for draft in task.get("drafts") or ())

    def all(self, entries: Sequence[Mapping[str, Any]], progress: Tick | None) -> None:
        """Take back those of *entries* that can be."""
        for number, entry in enumerate(reversed(entries)):
            try:
                self._one(entry)
            except LabelStudioError as error:
                self.undone.failed.append(error)
            if progress:
                progress(number + 1, len(entries))

    def _one(self, entry: Mapping[str, Any]) -> None:
        annotation = self.there.get(correction_id(entry["key"]))
        if annotation is None:
            self._absent(entry)
        elif why := self._obstacle(entry, annotation):
            self.undone.kept.append(f"task {entry['task']}, annotation {annotation['id']}: {why}")
        else:
            self._delete(entry, annotation)

    def _absent(self, entry: Mapping[str, Any]) -> None:
        """What the snapshot lacks need not be gone."""
        if entry["event"] == "intended":
            self.undone.open += 1
            self.undone.late += not _is_old(entry)
        elif entry["event"] == "written":
            if not is_gone(self.client, entry["correction"], entry["task"]):
                raise LabelStudioError(
                    f"Annotation {entry['correction']} of task {entry['task']} is there, but the project's snapshot "
                    "has no correction of that name.",
                    remedy="Undo again; if it stays so, look at the annotation in Label Studio.",
                )
            self.undone.gone += 1
            _note_undone(self.journal, entry)

    def _obstacle(self, entry: Mapping[str, Any], annotation: Mapping[str, Any]) -> str:
        """Why the annotation must stay; empty where it is still as we wrote it."""
        if entry["event"] == "undone":
            if moment(annotation["created_at"]) - moment(entry["at"]) > LATE:
                return "it was taken back, and written again since"
        elif annotation["id"] != entry.get("correction", annotation["id"]):
            return "it is not the one that was written"
        saved = annotation["updated_at"]
        if "updated_at" in entry and entry["event"] != "undone":
            untouched = same_moment(saved, entry["updated_at"]) and annotation["completed_by"] == entry["by"]
        else:
            own = annotation["completed_by"] == entry.get("by", annotation["completed_by"])
            untouched = own and moment(saved) - moment(annotation["created_at"]) < AT_ONCE
        if not untouched or annotation["result"] != entry["result"]:
            return "somebody has saved it since"
        if annotation["id"] in self.parents:
            return "another annotation was made from it"
        if annotation["id"] in self.at_work:
            return "somebody is editing it"
        return ""

    def _delete(self, entry: Mapping[str, Any], annotation: Mapping[str, Any]) -> None:
        number = annotation["id"]
        now = annotation_now(self.client, number)
        if now is not None and not same_moment(now["updated_at"], annotation["updated_at"]):
            raise LabelStudioError(f"Annotation {number} was saved a moment ago.", remedy="Undo again.")
        failure: LabelStudioError | None = None
        if now is not None:
            try:
                delete(self.client, f"api/annotations/{number}/", f"Taking back annotation {number}")
            except LabelStudioError as error:  # it may have been done all the same
                failure = error
        if not is_gone(self.client, number, entry["task"]):
            raise failure or LabelStudioError(f"Annotation {number} is still there.", remedy="Undo again.")
        self.undone.deleted += now is not None
        self.undone.gone += now is None
        _note_undone(self.journal, {**entry, "correction": number})


def _is_old(entry: Mapping[str, Any]) -> bool:
    return datetime.now(UTC) - moment(entry["at"]) > LATE


def _note_undone(journal: Journal, entry: Mapping[str, Any]) -> None:
    journal.add("undone", **{name: value for name, value in entry.items() if name not in ("event", "at")})
