"""Choices: a single choice, or each option of a multiple one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ntk_labelqa.dataset import Control
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.label_types.control_type import ControlConfig, ControlType, Said, Unusable
from ntk_labelqa.label_types.results import STEP, choices_of


class Choices(ControlType):
    """One of several classes; of a multiple choice, whether an option was chosen."""

    tag = "Choices"

    def classes(self, config: ControlConfig, part: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """See :class:`~ntk_labelqa.label_types.control_type.ControlType`; *part* is an option."""
        labels = self.all_classes(config)
        if not is_multiple(config.attributes):
            return super().classes(config, part)
        if not part or (labels and part not in labels):
            several = ", ".join(f"{config.name}:{label}" for label in labels or ("OPTION",))
            raise InvalidInputError(
                f"The control {config.name!r} is a multiple choice: each of its options is a labelling of its own.",
                remedy=f"Name one with --control: {several}.",
            )
        return (part, opposite(part)), labels

    def all_classes(self, config: ControlConfig) -> tuple[str, ...]:
        """Nested choices as paths."""
        return tuple(map(STEP.join, config.paths)) if config.paths else config.labels

    def said(self, values: Sequence[Mapping[str, Any]], part: str) -> Said | Unusable:
        """Of a multiple choice, whether *part* is among what was chosen."""
        if not part:
            return super().said(values, part)
        chosen = [choice for value in values for choice in self.labels(value)]
        return Said(part if part in chosen else opposite(part), named=tuple(chosen))

    def labels(self, value: Mapping[str, Any]) -> list[str]:
        """Nested choices as paths."""
        return choices_of({"value": value})

    def value(self, before: Mapping[str, Any], control: Control, final: str, paths: Sequence[Sequence[str]]) -> Any:
        """The other options of a multiple choice stay."""
        said = before.get("choices")
        was = said if isinstance(said, list) else []
        named = self.labels(before)
        others = [choice for choice, name in zip(was, named, strict=True) if name != control.part]
        kept = others if control.part else []
        if control.part and final != control.part:
            return {"choices": kept}
        nested = any(isinstance(choice, list) for choice in was)
        return {"choices": [*kept, path_of(final, paths) if nested else final]}


def is_multiple(attributes: Mapping[str, Any]) -> bool:
    """Whether several options may be chosen."""
    return not str(attributes.get("choice", "single")).startswith("single")


def opposite(option: str) -> str:
    """The label of items that do not have *option*."""
    return f"not {option}"


def path_of(label: str, paths: Sequence[Sequence[str]]) -> list[str]:
    """The path that *label* stands for."""
    return next((list(path) for path in paths if STEP.join(path) == label), label.split(STEP))
