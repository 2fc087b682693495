"""Rows of a table: task data with fields."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ntk_labelqa.label_types.blocks import shown, table_block, text_block
from ntk_labelqa.label_types.item_type import ItemType, Shown
from ntk_labelqa.label_types.text import SMALL
from ntk_labelqa.label_types.words import shorten

FEW_FIELDS = 6
"""Fields of a row that are shown of those alike."""


class TableRow(ItemType):
    """What a Table shows."""

    kind = "row"
    words_title = "Fields"
    is_textual = True

    def in_words(self, value: str, length: int) -> str:
        """The fields, ``name: value``; *value* itself where it is no JSON object."""
        row = _fields(value)
        said = " · ".join(f"{name}: {shown(part)}" for name, part in row.items()) if row is not None else value
        return shorten(said, length)

    def page(self, item: Shown) -> dict[str, str]:
        """The row as a table of two columns."""
        row = _fields(item.value)
        return {"item_html": table_block(row)} if row else super().page(item)

    def small(self, items: Sequence[tuple[Shown, str]]) -> str:
        """The first few fields of each."""
        return "".join(self._small(item, words) for item, words in items)

    def _small(self, item: Shown, words: str) -> str:
        row = _fields(item.value)
        if not row:
            return text_block(f"Task {item.task_id}", size=14, caption=words)
        fields = [f"{name}: {shown(part)}" for name, part in row.items()]
        text = "; ".join(fields[:FEW_FIELDS]) + ("; …" if len(fields) > FEW_FIELDS else "")
        return text_block(text, size=14, most=SMALL, caption=words)


def _fields(value: str) -> dict[str, Any] | None:
    """The fields of a row; None where the value is no JSON object."""
    try:
        row = json.loads(value)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None
