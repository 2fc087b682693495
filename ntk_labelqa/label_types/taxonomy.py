"""Taxonomy: a path in a tree of classes, or one level of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ntk_labelqa.dataset import Control
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.label_types.choices import path_of
from ntk_labelqa.label_types.control_type import ABOVE_LEVEL, ControlConfig, ControlType, Said, Unusable, one_of
from ntk_labelqa.label_types.results import STEP, paths_of


class Taxonomy(ControlType):
    """Whole paths; or what paths are down to a level, counted from 1."""

    tag = "Taxonomy"

    def classes(self, config: ControlConfig, part: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """See :class:`~ntk_labelqa.label_types.control_type.ControlType`; *part* is a level."""
        if not config.labels and part:
            return super().classes(config, part)
        deepest = max(map(len, config.paths), default=0)
        if part and (not part.isdigit() or not 1 <= int(part) <= deepest):
            raise InvalidInputError(
                f"The taxonomy {config.name!r} has no level {part!r}.",
                remedy=f"Its levels are 1 to {deepest}, as in --control {config.name}:1; --control {config.name} takes "
                "the whole path.",
            )
        return tuple(STEP.join(path) for path in config.paths if not part or len(path) == int(part)), ()

    def said(self, values: Sequence[Mapping[str, Any]], part: str) -> Said | Unusable:
        """The path, or the level of it that *part* names."""
        chosen = [path for value in values for path in paths_of({"value": value})]
        if not part:
            return one_of([STEP.join(path) for path in chosen])
        depth = int(part)
        deep = dict.fromkeys(STEP.join(path[:depth]) for path in chosen if len(path) >= depth)
        return Unusable(ABOVE_LEVEL) if chosen and not deep else one_of(list(deep))

    def value(self, before: Mapping[str, Any], control: Control, final: str, paths: Sequence[Sequence[str]]) -> Any:
        """The path."""
        return {"taxonomy": [path_of(final, paths)]}
