"""Labels of regions: what all controls that label parts of an item have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ntk_labelqa.dataset import Control
from ntk_labelqa.label_types.choices import opposite
from ntk_labelqa.label_types.control_type import ControlConfig, ControlType


class RegionLabels(ControlType):
    """One of several classes for each region; where regions may have several, whether a label is among them."""

    def classes(self, config: ControlConfig, part: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """See :class:`~ntk_labelqa.label_types.control_type.ControlType`; *part* is a label."""
        if part and part in config.labels:
            return (part, opposite(part)), config.labels
        return super().classes(config, part)

    def value(self, before: Mapping[str, Any], control: Control, final: str, paths: Sequence[Sequence[str]]) -> Any:
        """The region's labels with *final* among them, or alone; without *part*, where *final* is its opposite."""
        key = control.tag.lower()
        was = [str(label) for label in before.get(key) or ()]
        others = [label for label in was if label != control.part]
        if not control.part:
            return {key: [final]}
        return {key: [*others, control.part] if final == control.part else others}
