"""Whole images."""

from __future__ import annotations

from collections.abc import Sequence

from ntk_labelqa.label_types.blocks import image_address, tiles
from ntk_labelqa.label_types.item_type import ItemType, Shown
from ntk_labelqa.thumbnails import thumbnail


class WholeImage(ItemType):
    """What an Image shows."""

    kind = "image"
    noun = "image"
    has_pictures = True
    review_tag = '<Image name="item" value="$image" maxWidth="100%" height="380px" negativeZoom="false"/>'

    def picture(self, path: str) -> bytes | None:
        """See :func:`ntk_labelqa.thumbnails.thumbnail`."""
        return thumbnail(path)

    def page(self, item: Shown) -> dict[str, str]:
        """The image."""
        return {"image": _address(item)}

    def small(self, items: Sequence[tuple[Shown, str]]) -> str:
        """Tiles side by side."""
        return tiles([(_address(item), words) for item, words in items])


def _address(item: Shown) -> str:
    return image_address(item.value, item.task_id, item.thumbnail, item.base_path)
