"""Pairwise: which of two is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ntk_labelqa.dataset import Control
from ntk_labelqa.label_types.control_type import ControlConfig, ControlType


class Pairwise(ControlType):
    """``left`` or ``right``."""

    tag = "Pairwise"

    def all_classes(self, config: ControlConfig) -> tuple[str, ...]:
        """Both."""
        return "left", "right"

    def labels(self, value: Mapping[str, Any]) -> list[str]:
        """The one that was selected."""
        return [str(value["selected"])] if value.get("selected") else []

    def value(self, before: Mapping[str, Any], control: Control, final: str, paths: Sequence[Sequence[str]]) -> Any:
        """The one that is to be."""
        return {"selected": final}
