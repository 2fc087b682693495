"""How a review task shows items: the one that is asked about, and those like it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ntk_labelqa.label_types.item_type import Shown
from ntk_labelqa.label_types.registry import audited_type

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
        self.type, self.items, self.base_path = audited_type(data), items, base_path

    def whole(self, item: Key) -> dict[str, str]:
        """What the page shows of the item that is asked about, under the keys of the review config."""
        return self.type.page(self._shown(item))

    def of_value(self, task_id: int, value: str, picture: bytes | None = None) -> dict[str, str]:
        """The same of an item that is not among those of the audit; *picture* is for browsers that cannot fetch it."""
        return self.type.page(Shown(task_id, value, picture, self.base_path))

    def small(self, items: Sequence[tuple[Key, str]]) -> str:
        """Items, each with its caption, small enough to be compared at a glance."""
        return self.type.small([(self._shown(item), words) for item, words in items])

    def _shown(self, item: Key) -> Shown:
        value, thumbnail = self.items.get(item, ("", None))
        return Shown(item[0], str(value), thumbnail, self.base_path)
