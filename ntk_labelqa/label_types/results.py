"""Single results of an annotation or a prediction: what they hold, and what they are of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STEP = " / "
"""Between the levels of the label of a choice that is a path."""
_PLACES = {
    *("x", "y", "width", "height", "points", "rle", "vertices", "sequence", "ranges"),
    *("start", "end", "startOffset", "endOffset", "globalOffsets", "duration", "channel"),
}
"""Fields of a value that say where in its item a region is."""


def results_of(labelling: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The results of an annotation or a prediction; none of what can be none."""
    results = labelling.get("result")
    return [one for one in results if isinstance(one, Mapping)] if isinstance(results, list | tuple) else []


def value_of(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """The result's value; empty where it has none that could be read."""
    value = result.get("value")
    return value if isinstance(value, Mapping) else {}


def choices_of(result: Mapping[str, Any]) -> list[str]:
    """The choices that a result holds, nested ones as paths; none where it is not of that kind."""
    choices = value_of(result).get("choices")
    return list(map(_label, choices)) if isinstance(choices, list) else []


def paths_of(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The paths that a result of a taxonomy holds; none where it is not of that kind."""
    paths = value_of(result).get("taxonomy")
    found = [path if isinstance(path, list) else [path] for path in paths] if isinstance(paths, list) else []
    return [tuple(map(str, path)) for path in found]


def is_of_part(result: Mapping[str, Any]) -> bool:
    """Whether the result is of a region, or of one image of a list, and not of what the task shows as a whole."""
    return not _PLACES.isdisjoint(value_of(result)) or "item_index" in result


def _label(choice: object) -> str:
    return STEP.join(map(str, choice)) if isinstance(choice, list) else str(choice)
