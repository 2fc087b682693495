"""What the page shows of an item: its picture while the page's budget lasts, its text, its labels, its address."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.findings import item_keys, keys
from ntk_labelqa.label_types.registry import audited_type

Key = tuple[int, str]
"""Task id and region id; the latter is empty where items are whole."""
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


def picture_of(image: bytes) -> Picture:
    """*image*, a PNG file, as part of the page."""
    address = "data:image/png;base64," + base64.b64encode(image).decode()
    return Picture(address, icon=max(struct.unpack(">II", image[PNG_SIZE])) < ICON_SIDE)


class Items:
    """Looks up items by task id and region id. Pictures are handed out until :data:`PICTURE_BUDGET` is spent."""

    def __init__(self, audit: Audit) -> None:
        data = audit.manifest["data"]
        self._type = audited_type(data)
        self._values = dict(zip(keys(audit.items), audit.items["value"], strict=True))
        has_words = self._type.is_textual and any(self._values.values())
        self.kind = "text" if has_words else self._type.kind
        shown = audit.items[audit.items["thumbnail"].notna()]
        self._thumbnails = dict(zip(keys(shown), shown["thumbnail"], strict=True))
        items = item_keys(audit.findings, audit.annotations)
        self._labels = _labels_of(items, audit.findings["given_label"])
        labelled = zip(audit.findings["task_id"].tolist(), audit.findings["given_label"], strict=True)
        self._by_label = dict(reversed([*zip(labelled, items, strict=True)]))
        self._item_of = dict(zip(keys(audit.findings, "annotation_id"), items, strict=True))
        self._project = _project_address(data["server_url"], data["project_id"])
        self._left = PICTURE_BUDGET

    @property
    def title(self) -> str:
        """What a column of the items' words is headed."""
        return self._type.words_title

    def item_of(self, row: Any) -> Key:
        """The item that a row of the findings is about."""
        return self._item_of[int(row.annotation_id), getattr(row, "region_id", "")]

    def picture(self, item: Key) -> Picture | None:
        """The item's picture; None where there is none, or the page has no room left for it."""
        image = self._thumbnails.get(item)
        if image is None:
            return None
        picture = picture_of(image)
        if len(picture.address) > self._left:
            return None
        self._left -= len(picture.address)
        return picture

    def text(self, item: Key, length: int) -> str:
        """The item's text, cut to *length* characters; empty where the items are not texts."""
        return self._type.in_words(str(self._values.get(item, "")), length)

    def words(self, value: str, length: int) -> str:
        """An item's *value* as a reader takes it in, cut to *length* characters; empty where it is not textual."""
        return self._type.in_words(value, length)

    def labels(self, item: Key) -> str:
        """The labels that people gave the item; several are set apart by a stroke."""
        return self._labels.get(item, "")

    def of_task(self, task_id: int, label: str) -> Key:
        """The item of a task that has *label*; of several regions the first."""
        return self._by_label.get((task_id, label), (task_id, ""))

    def link(self, task_id: int) -> str:
        """The item's task in Label Studio; empty where the audit does not come from a server."""
        return f"{self._project}{task_id}" if self._project else ""


def _labels_of(items: Sequence[Key], given: pd.Series) -> dict[Key, str]:
    labels: dict[Key, dict[str, None]] = {}
    for item, label in zip(items, given, strict=True):
        labels.setdefault(item, {})[label] = None
    return {item: " / ".join(several) for item, several in labels.items()}


def _project_address(server_url: str, project_id: int | None) -> str:
    """Address of the project's tasks, but for the number; other schemes than http(s) must not become links."""
    if project_id is None or urlsplit(server_url).scheme not in ("http", "https"):
        return ""
    return f"{server_url.rstrip('/')}/projects/{int(project_id)}/data?task="
