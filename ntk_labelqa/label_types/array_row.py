"""Rows of plain arrays: what an audit from Python is of."""

from __future__ import annotations

from ntk_labelqa.label_types.item_type import ItemType
from ntk_labelqa.label_types.words import shorten


class ArrayRow(ItemType):
    """A row of features, of which no more is known than what it is called."""

    kind = "features"
    is_textual = True
    words_title = "Item"

    def in_words(self, value: str, length: int) -> str:
        """Its name in the index; empty where rows are only counted."""
        return shorten(value, length)
