"""Number: one of a few numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ntk_labelqa.dataset import Control
from ntk_labelqa.label_types.control_type import ControlConfig, ControlType
from ntk_labelqa.label_types.place import finite

MOST_NUMBERS = 50
"""Classes that a Number may have by its least, largest and step; with more, those that were given are its classes."""


class Number(ControlType):
    """Numbers as classes."""

    tag = "Number"

    def all_classes(self, config: ControlConfig) -> tuple[str, ...]:
        """From least to largest; none where there is no end of them, or too many."""
        try:
            least, most, step = (
                float(config.attributes.get(key, usual)) for key, usual in (("min", "nan"), ("max", "nan"), ("step", 1))
            )
            count = round((most - least) / step) + 1
        except (ValueError, ZeroDivisionError, OverflowError):
            return ()
        return tuple(_written(least + number * step) for number in range(count)) if 1 < count <= MOST_NUMBERS else ()

    def labels(self, value: Mapping[str, Any]) -> list[str]:
        """The number, as short as it can be written."""
        number = finite(value.get("number"))
        return [] if number is None else [_written(number)]

    def value(self, before: Mapping[str, Any], control: Control, final: str, paths: Sequence[Sequence[str]]) -> Any:
        """The number."""
        number = float(final)
        return {"number": int(number) if number.is_integer() else number}


def _written(number: float) -> str:
    """*number* in full, whole ones without a point; rounded to 12 digits behind it, where steps add up to more."""
    rounded = round(number, 12)
    return str(int(rounded)) if rounded.is_integer() else repr(rounded)
