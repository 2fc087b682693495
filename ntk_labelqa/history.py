"""Several audits of one project in the order of time, and which of them can be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from ntk_labelqa.audit_folder import read_manifest, read_table

INSTRUMENT = ("encoder", "preparation", "architecture")
"""Options that an estimate depends on as a measurement does on its instrument."""


@dataclass(frozen=True)
class Entry:
    """One audit of a history.

    Attributes:
        folder: where it is.
        manifest: its ``audit.json``.
        classes: its ``classes`` table.
        unlike: why it cannot be compared with the audit before it; empty if it can.
    """

    folder: Path
    manifest: dict[str, Any]
    classes: pd.DataFrame
    unlike: str

    @property
    def when(self) -> datetime:
        """When the audit was made."""
        return created(self.manifest)

    @property
    def summary(self) -> dict[str, Any]:
        """The headline figures."""
        return self.manifest["summary"]

    @property
    def fingerprint(self) -> str:
        """The first letters of the data's fingerprint: equal letters, equal items and labels."""
        return self.manifest["data"]["fingerprint"][:10]


def read_history(folders: Sequence[Path]) -> list[Entry]:
    """The audits in *folders*, oldest first, each once.

    Raises InvalidInputError for a folder that holds no audit.
    """
    manifests = {folder.resolve(): read_manifest(folder) for folder in folders}
    ordered = sorted(manifests.items(), key=lambda pair: created(pair[1]))
    entries: list[Entry] = []
    for folder, manifest in ordered:
        unlike = difference(entries[-1].manifest, manifest) if entries else ""
        entries.append(Entry(folder, manifest, read_table(folder, "classes"), unlike))
    return entries


def created(manifest: Mapping[str, Any]) -> datetime:
    """When an audit was made."""
    at = datetime.fromisoformat(manifest["created_at"])
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def difference(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> str:
    """Why the figures of two audits, given by their manifests, cannot be compared; empty if they can.

    They can if they are of one project (or both of exports), one labelling control with the same classes, and were
    measured with the same encoder and network. Whether the labels themselves are equal, their fingerprints say.
    """
    old, new = earlier["data"], later["data"]
    if (old["server_url"], old["project_id"]) != (new["server_url"], new["project_id"]):
        return f"another project: {_project(old)}, now {_project(new)}"
    if _control(old) != _control(new):
        return f"another labelling control: {_control(old)}, now {_control(new)}"
    if old["class_names"] != new["class_names"]:
        changed = sorted(set(old["class_names"]) ^ set(new["class_names"]))
        return f"other classes: {', '.join(changed[:5])}" if changed else "the classes in another order"
    for option in INSTRUMENT:
        before, now = (manifest["options"].get(option, "none") for manifest in (earlier, later))
        if before != now:
            return f"another {option}: {before}, now {now}"
    return ""


def runs(entries: Sequence[Entry]) -> list[list[Entry]]:
    """*entries* cut wherever an audit cannot be compared with the one before it."""
    cut: list[list[Entry]] = []
    for entry in entries:
        if entry.unlike or not cut:
            cut.append([])
        cut[-1].append(entry)
    return cut


def _project(data: Mapping[str, Any]) -> str:
    return "an export" if data["project_id"] is None else f"{data['project_id']} of {data['server_url']}"


def _control(data: Mapping[str, Any]) -> str:
    return data["control"]["name"] if data["control"] else "none"
