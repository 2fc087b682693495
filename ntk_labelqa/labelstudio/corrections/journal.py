"""What was written to Label Studio, line by line, so that an interrupted apply goes on and an undo knows what is ours.

One JSON object a line, each on the disk before the next step is taken. It lies beside the audit folder and not in it:
an audit that is run again replaces the folder, and must not take with it how to undo what was applied.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Any, Literal

from ntk_labelqa import files
from ntk_labelqa.errors import InvalidInputError, LabelQAError
from ntk_labelqa.files import append, open_locked
from ntk_labelqa.paths import real_place

Event = Literal["intended", "written", "undone", "pushed"]
"""What became of a correction; or, under the mark of a review project, which project a push made or filled."""
SUFFIX = ".corrections.jsonl"


def journal_path(audit_folder: Path) -> Path:
    """``NAME.corrections.jsonl`` beside the audit folder ``NAME``, links followed."""
    folder = real_place(audit_folder)
    return folder.with_name(f"{folder.name}{SUFFIX}")


class Journal:
    """An open journal.

    Attributes:
        path: the file.
        last: the last entry of each finding, by finding key, in the order of their first.
    """

    def __init__(self, path: Path, file: FileIO) -> None:
        self.path, self._file = path, file
        file.seek(0)
        content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):  # what a killed process left of its last line; nothing followed it
            file.truncate(whole)
        self.last = _last_entries(content, path)

    def add(self, event: Event, **fields: Any) -> dict[str, Any]:
        """Append an entry, which has at least ``key``; it is on the disk when this returns."""
        entry = {"event": event, "at": datetime.now(UTC).isoformat(timespec="milliseconds"), **fields}
        try:
            append(self._file, json.dumps(entry, ensure_ascii=False).encode() + b"\n")
            os.fsync(self._file.fileno())
        except OSError as error:
            raise LabelQAError(
                f"The journal {self.path} cannot be written: {error.strerror}.",
                remedy="Make room on that disk, and run the same command again: it goes on from here.",
            ) from error
        self.last[entry["key"]] = entry
        return entry


@contextmanager
def open_journal(path: Path, say: Callable[[str], None] = lambda _: None) -> Iterator[Journal]:
    """The journal at *path*, made for this user alone if need be, and held against other processes meanwhile.

    A process that has it is waited for, which *say* is told. Raises LabelQAError if it does not end, or the journal
    cannot be written; InvalidInputError if it is damaged.
    """
    waiting = f"Waiting for another command that writes {path} to end."
    try:
        file = open_locked(path, wait=files.OTHERS_SECONDS, waiting=lambda: say(waiting))
        _sync_folder(path.parent)
    except BlockingIOError:
        raise LabelQAError(
            f"Corrections of {path} are being applied or undone already, and have been for "
            f"{files.OTHERS_SECONDS:.0f} s.",
            remedy="Wait until that is done, or end it.",
        ) from None
    except OSError as error:
        raise LabelQAError(
            f"The journal {path} cannot be written: {error.strerror}.",
            remedy="Without it nothing could be undone; give the right to write beside the audit folder.",
        ) from error
    with file:
        yield Journal(path, file)


def read_journal(path: Path) -> dict[str, dict[str, Any]]:
    """The last entry of each finding, as :attr:`Journal.last`, without holding or making the file."""
    return _last_entries(path.read_bytes(), path) if path.exists() else {}


def _last_entries(content: bytes, path: Path) -> dict[str, dict[str, Any]]:
    whole = content[: content.rfind(b"\n") + 1]
    try:
        return {entry["key"]: entry for entry in map(json.loads, whole.splitlines())}
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInputError(
            f"The journal {path} is damaged: {error}", remedy="Restore it from a backup, or move it away."
        ) from error


def _sync_folder(folder: Path) -> None:
    """The name of a new file is on the disk only once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
