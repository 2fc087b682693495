"""Whole texts: of a Text, a web page, a dialogue, a chat."""

from __future__ import annotations

from collections.abc import Sequence

from ntk_labelqa.label_types.blocks import text_block
from ntk_labelqa.label_types.item_type import ItemType, Shown
from ntk_labelqa.label_types.words import shorten

SMALL = 240
"""Characters that are shown of texts that the one asked about is compared with."""


class WholeText(ItemType):
    """What a reader takes in."""

    kind = "text"
    is_textual = True

    def in_words(self, value: str, length: int) -> str:
        """The text's beginning."""
        return shorten(value, length)

    def page(self, item: Shown) -> dict[str, str]:
        """The text, with its line breaks."""
        return {"item_html": text_block(item.value, size=18)}

    def small(self, items: Sequence[tuple[Shown, str]]) -> str:
        """The texts' beginnings."""
        return "".join(text_block(item.value, size=14, most=SMALL, caption=words) for item, words in items)
