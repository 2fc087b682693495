"""Rating: a number of stars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ntk_labelqa.dataset import Control
from ntk_labelqa.label_types.control_type import ControlConfig, ControlType
from ntk_labelqa.label_types.place import finite

MOST = 100
"""Stars: more are no classes that anybody distinguished."""
USUAL = "5"
"""Stars, where the config names no largest number."""


class Rating(ControlType):
    """1 star to as many as there are."""

    tag = "Rating"

    def all_classes(self, config: ControlConfig) -> tuple[str, ...]:
        """From 1."""
        return tuple(str(stars) for stars in range(1, int(config.attributes.get("maxRating", USUAL)) + 1))

    def obstacle(self, attributes: Mapping[str, Any]) -> str:
        """A largest number that is none."""
        most = str(attributes.get("maxRating", USUAL))
        if not (most.isascii() and most.isdigit()):
            return " (without a largest rating)"
        return "" if len(most) <= 3 and int(most) <= MOST else f" (of more than {MOST} stars)"

    def labels(self, value: Mapping[str, Any]) -> list[str]:
        """None of half stars."""
        stars = finite(value.get("rating"))
        return [str(int(stars))] if stars is not None and stars % 1 == 0 else []

    def value(self, before: Mapping[str, Any], control: Control, final: str, paths: Sequence[Sequence[str]]) -> Any:
        """The stars."""
        return {"rating": int(final)}
