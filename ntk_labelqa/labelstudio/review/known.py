"""Which review projects a journal names as ours: those that a push from this audit folder made or filled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ntk_labelqa.labelstudio.connect import server_url
from ntk_labelqa.labelstudio.corrections.journal import journal_path, open_journal, read_journal
from ntk_labelqa.labelstudio.review.push import PushResult

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio


def known_projects(client: LabelStudio, audit_folder: Path) -> frozenset[int]:
    """Ids of the projects that the journal beside *audit_folder* names for this server.

    Raises InvalidInputError where the journal is damaged.
    """
    entries = read_journal(journal_path(audit_folder)).values()
    return frozenset(entry["review"] for entry in entries if _is_push(entry, server_url(client)))


def note_projects(client: LabelStudio, audit_folder: Path, pushed: PushResult) -> None:
    """Write the projects of *pushed* into the journal, so that another key finds them by it.

    Raises LabelQAError where the journal cannot be written.
    """
    projects = [pushed.project_id, *([pushed.warnings.project_id] if pushed.warnings else [])]
    if set(projects) <= known_projects(client, audit_folder):
        return
    with open_journal(journal_path(audit_folder)) as journal:
        for project in projects:
            journal.add(
                "pushed", key=f"review {server_url(client)} {project}", server=server_url(client), review=project
            )


def _is_push(entry: Mapping[str, Any], server: str) -> bool:
    return entry.get("event") == "pushed" and entry.get("server") == server and isinstance(entry.get("review"), int)
