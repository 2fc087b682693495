"""Whose annotations count as corrections: a mark in an annotation can be written by anybody, so it proves nothing."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ntk_labelqa.errors import LabelQAError
from ntk_labelqa.labelstudio.connect import server_url, translating_errors
from ntk_labelqa.labelstudio.corrections.journal import SUFFIX, read_journal
from ntk_labelqa.paths import real_place

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio


@dataclass(frozen=True)
class Authors:
    """Who may have written a correction.

    Attributes:
        user: id of the user whose key is used; None where there is no key, as with an export file.
        listed: ids of annotations that a journal on this machine says were written, each with that of its parent.

    Example:
        >>> Authors(user=1).wrote({"id": 900, "completed_by": 1})
        True
        >>> Authors(user=1).wrote({"id": 900, "completed_by": 2})
        False
    """

    user: int | None = None
    listed: frozenset[tuple[int, int]] = frozenset()

    def wrote(self, annotation: Mapping[str, Any]) -> bool:
        """Whether *annotation* is by the user, or listed."""
        by = annotation.get("completed_by")
        number = by.get("id") if isinstance(by, Mapping) else by
        known = (annotation.get("id"), annotation.get("parent_annotation")) in self.listed
        return known or (self.user is not None and number == self.user)


def user_of(client: LabelStudio) -> int:
    """The id of the user whose key *client* has; raises LabelStudioError where the server does not say."""
    with translating_errors("Asking whose key this is"):
        return int(client.users.whoami().id)


def authors(client: LabelStudio | None, project: int | None, journals: Iterable[Path] = ()) -> Authors:
    """The user of *client*'s key, and what *journals* list of its server's *project*.

    Without a client, what they list of any server: an export does not say where it is from.
    """
    listed = set()
    for path in journals:
        for entry in _entries(path):
            of_server = client is None or entry.get("server") == server_url(client)
            of_project = project is None or entry.get("project") == project
            if of_server and of_project:
                listed.add((entry["correction"], entry["annotation"]))
    return Authors(None if client is None else user_of(client), frozenset(listed))


def journals_beside(audit_folder: Path) -> list[Path]:
    """The journals in the folder where *audit_folder* is or will be: of this audit and of earlier ones.

    Where everybody may write, as in a folder for temporary files, only those that this user owns.
    """
    parent = real_place(audit_folder).parent
    found = sorted(parent.glob(f"*{SUFFIX}"))
    if found and parent.stat().st_mode & stat.S_IWOTH:
        return [path for path in found if path.stat().st_uid == os.getuid()]
    return found


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        return [entry for entry in read_journal(path).values() if entry["event"] == "written"]
    except (LabelQAError, OSError, KeyError):
        return []  # one that cannot be read lists nothing: what it wrote then counts as anybody's annotation
