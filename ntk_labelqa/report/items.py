"""What the page shows of an item: its picture while the page's budget lasts, its text, its labels, its address."""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass
from urllib.parse import urlsplit

import pandas as pd

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.report.formats import shorten

PICTURE_BUDGET = 6_000_000
"""Characters of the page that pictures may take; the worst findings come first, and later ones go without."""
ICON_SIDE = 48
"""Pixels; smaller pictures are shown enlarged with hard edges."""
PNG_SIZE = slice(16, 24)
"""Where a PNG file has its width and height, big-endian."""


@dataclass(frozen=True)
class Picture:
    """A ``data:`` address, and whether the picture is too small to be shown at its own size."""

    address: str
    icon: bool


class Items:
    """Looks up items by task id. Pictures are handed out until :data:`PICTURE_BUDGET` is spent."""

    def __init__(self, audit: Audit) -> None:
        data = audit.manifest["data"]
        self.kind: str = data["kind"]
        self._values = dict(zip(audit.items["task_id"], audit.items["value"], strict=True))
        shown = audit.items[audit.items["thumbnail"].notna()]
        self._thumbnails = dict(zip(shown["task_id"], shown["thumbnail"], strict=True))
        self._labels = _labels_of(audit.findings)
        self._project = _project_address(data["server_url"], data["project_id"])
        self._left = PICTURE_BUDGET

    def picture(self, task_id: int) -> Picture | None:
        """The item's picture; None where there is none, or the page has no room left for it."""
        image = self._thumbnails.get(task_id)
        if image is None:
            return None
        address = "data:image/png;base64," + base64.b64encode(image).decode()
        if len(address) > self._left:
            return None
        self._left -= len(address)
        return Picture(address, icon=max(struct.unpack(">II", image[PNG_SIZE])) < ICON_SIDE)

    def text(self, task_id: int, length: int) -> str:
        """The item's text, cut to *length* characters; empty where the items are not texts."""
        return shorten(str(self._values.get(task_id, "")), length) if self.kind == "text" else ""

    def labels(self, task_id: int) -> str:
        """The labels that people gave the item; several are set apart by a stroke."""
        return self._labels.get(task_id, "")

    def link(self, task_id: int) -> str:
        """The item's task in Label Studio; empty where the audit does not come from a server."""
        return f"{self._project}{task_id}" if self._project else ""


def _labels_of(findings: pd.DataFrame) -> dict[int, str]:
    pairs = findings[["task_id", "given_label"]].drop_duplicates()
    several = pairs["task_id"].duplicated(keep=False)
    labels = dict(zip(pairs["task_id"], pairs["given_label"], strict=True))
    labels.update(pairs[several].groupby("task_id")["given_label"].agg(" / ".join).to_dict())
    return labels


def _project_address(server_url: str, project_id: int | None) -> str:
    """Address of the project's tasks, but for the number; other schemes than http(s) must not become links."""
    if project_id is None or urlsplit(server_url).scheme not in ("http", "https"):
        return ""
    return f"{server_url.rstrip('/')}/projects/{int(project_id)}/data?task="
