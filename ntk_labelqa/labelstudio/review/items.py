"""How a review task shows items, each kind in its own way: the one that is asked about, and those like it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ntk_labelqa.labelstudio.reading.regions import split_crop
from ntk_labelqa.labelstudio.review.html import (
    TILE,
    crop_block,
    image_address,
    place_block,
    shown,
    side_by_side,
    span_block,
    table_block,
    text_block,
    tiles,
)

CROP = 210
"""Pixels: the largest side of the crop that is asked about; beside its image, both fit a page of 1280 pixels."""
PLACE_WIDTH, PLACE_HEIGHT = 240, 300
FEW_FIELDS = 6
"""Fields of a row that are shown of those alike."""

Key = tuple[int, str]


class ItemPages:
    """HTML of items, looked up by task id and region id.

    Args:
        data: the manifest's description of the data.
        items: value and thumbnail of each.
        base_path: path below which the server is reached.
    """

    def __init__(
        self, data: Mapping[str, Any], items: Mapping[Key, tuple[str, bytes | None]], base_path: str = ""
    ) -> None:
        self.kind, self.items, self.base_path = data["kind"], items, base_path

    def whole(self, item: Key) -> dict[str, str]:
        """What the page shows of the item that is asked about, under the keys of the review config."""
        value = self._value(item)
        if self.kind == "image":
            return {"image": self._address(item)}
        if self.kind == "crop":
            return {"item_html": self._crop(item)}
        if self.kind == "text":
            return {"item_html": text_block(value, size=18)}
        if self.kind == "span":
            return {"item_html": span_block(value, size=18)}
        if self.kind == "row" and (row := _row(value)):
            return {"item_html": table_block(row)}
        return {"item_html": text_block(f"Task {item[0]}. Its page in the source project shows it.", size=18)}

    def small(self, items: Sequence[tuple[Key, str]]) -> str:
        """Items, each with its caption, small enough to be compared at a glance."""
        if self.kind == "image":
            return tiles([(self._address(item), words) for item, words in items])
        if self.kind == "crop":
            return side_by_side([self._small_crop(item, words) for item, words in items])
        return "".join(self._small(item, words) for item, words in items)

    def _small(self, item: Key, words: str) -> str:
        value = self._value(item)
        if self.kind == "span":
            return span_block(value, size=14, caption=words)
        if self.kind == "row" and (row := _row(value)):
            fields = [f"{name}: {shown(part)}" for name, part in row.items()]
            value = "; ".join(fields[:FEW_FIELDS]) + ("; …" if len(fields) > FEW_FIELDS else "")
        elif self.kind != "text":
            value = f"Task {item[0]}"
        return text_block(value, size=14, most=240, caption=words)

    def _crop(self, item: Key) -> str:
        address, box = split_crop(self._value(item))
        address = image_address(address, item[0], None, self.base_path)
        if box is None or not box.image_width or address.startswith("data:image/svg"):
            return tiles([(self._address(item), "")])  # no browser could fetch the image: the thumbnail has to do
        crop = crop_block(address, box, side=CROP)
        return side_by_side([crop, place_block(address, box, width=PLACE_WIDTH, height=PLACE_HEIGHT)])

    def _small_crop(self, item: Key, words: str) -> str:
        address, box = split_crop(self._value(item))
        address = image_address(address, item[0], None, self.base_path)
        if box is None or not box.image_width or address.startswith("data:image/svg"):
            return tiles([(self._address(item), words)])
        return crop_block(address, box, side=TILE, caption=words)

    def _value(self, item: Key) -> str:
        return str(self.items.get(item, ("", None))[0])

    def _address(self, item: Key) -> str:
        value, thumbnail = self.items.get(item, ("", None))
        address = "" if self.kind == "crop" else str(value)
        return image_address(address, item[0], thumbnail, self.base_path)


def _row(value: str) -> dict[str, Any]:
    """The fields of a table row; none where the value is no JSON object."""
    try:
        row = json.loads(value)
    except ValueError:
        return {}
    return row if isinstance(row, dict) else {}
