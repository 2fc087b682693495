"""What the page shows of an item: its picture while the page's budget lasts, its text, its labels, its address.

A page shows some hundreds of items of perhaps a million, so an item is looked up when it is asked for.
"""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.findings import keys
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
        self._items, self._found = _Rows.of(audit.items, "task_id"), _Rows.of(audit.findings, "task_id")
        self._annotations = _Rows.of(audit.annotations, "annotation_id")
        self._values, self._given = (_texts(*of) for of in ((audit.items, "value"), (audit.findings, "given_label")))
        self._annotation_ids = audit.findings["annotation_id"].to_numpy()
        # Audits of earlier versions know of no regions.
        known = "item_region_id" in audit.annotations
        self._item_regions = _texts(audit.annotations, "item_region_id" if known else "region_id")
        has_words = self._type.is_textual and any(self._values)
        self.kind = "text" if has_words else self._type.kind
        shown = audit.items[audit.items["thumbnail"].notna()]
        self._thumbnails = dict(zip(keys(shown), shown["thumbnail"], strict=True))
        self._project = _project_address(data["server_url"], data["project_id"])
        self._left = PICTURE_BUDGET

    @property
    def title(self) -> str:
        """What a column of the items' words is headed."""
        return self._type.words_title

    def item_of(self, row: Any) -> Key:
        """The item that a row of the findings is about."""
        return self._item(int(row.task_id), int(row.annotation_id), getattr(row, "region_id", ""))

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
        rows = self._items.at(*item)
        return self._type.in_words(str(self._values[rows[-1]]) if rows else "", length)

    def words(self, value: str, length: int) -> str:
        """An item's *value* as a reader takes it in, cut to *length* characters; empty where it is not textual."""
        return self._type.in_words(value, length)

    def labels(self, item: Key) -> str:
        """The labels that people gave the item; several are set apart by a stroke."""
        rows = [row for row in self._found.of_number(item[0]) if self._of(item[0], row) == item]
        return " / ".join(dict.fromkeys(self._given[row] for row in rows))

    def of_task(self, task_id: int, label: str) -> Key:
        """The item of a task that has *label*; of several regions the first."""
        rows = (row for row in self._found.of_number(task_id) if self._given[row] == label)
        return next((self._of(task_id, row) for row in rows), (task_id, ""))

    def link(self, task_id: int) -> str:
        """The item's task in Label Studio; empty where the audit does not come from a server."""
        return f"{self._project}{task_id}" if self._project else ""

    def _of(self, task_id: int, row: int) -> Key:
        """The item of a row of the findings, by its number."""
        return self._item(task_id, int(self._annotation_ids[row]), self._found.regions[row])

    def _item(self, task_id: int, annotation_id: int, region_id: str) -> Key:
        """The item of an annotation: its region is that of the first annotator who drew it."""
        rows = self._annotations.at(annotation_id, region_id)
        return task_id, self._item_regions[rows[-1]] if rows else region_id


@dataclass(frozen=True)
class _Rows:
    """The rows of a table by a number in a column, and by region.

    Attributes:
        order: the rows in the order of their numbers, int[n].
        numbers: those, ascending, int[n].
        regions: region id of each row of the table; empty where it has none.
    """

    order: np.ndarray
    numbers: np.ndarray
    regions: np.ndarray

    @classmethod
    def of(cls, table: pd.DataFrame, column: str) -> _Rows:
        numbers = table[column].to_numpy(np.int64)
        order = np.argsort(numbers, kind="stable")
        return cls(order, numbers[order], _texts(table, "region_id"))

    def of_number(self, number: int) -> list[int]:
        """The rows with *number*, in the table's order."""
        low, high = np.searchsorted(self.numbers, [number, number + 1])
        return self.order[low:high].tolist()

    def at(self, number: int, region: str) -> list[int]:
        """Those of them that are of *region*."""
        return [row for row in self.of_number(number) if self.regions[row] == region]


def _texts(table: pd.DataFrame, column: str) -> np.ndarray:
    return table[column].to_numpy(object) if column in table else np.full(len(table), "", object)


def _project_address(server_url: str, project_id: int | None) -> str:
    """Address of the project's tasks, but for the number; other schemes than http(s) must not become links."""
    if project_id is None or urlsplit(server_url).scheme not in ("http", "https"):
        return ""
    return f"{server_url.rstrip('/')}/projects/{int(project_id)}/data?task="
