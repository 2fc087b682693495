"""Whether what was read can be what was meant; if not, what it looks like, and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ntk_labelqa.dataset import Control
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.label_types.place import numbers
from ntk_labelqa.label_types.results import results_of, value_of
from ntk_labelqa.labelstudio.reading.label_config import LabelledControl
from ntk_labelqa.labelstudio.reading.label_values import NO_ID, UNKNOWN_LABEL

FEWEST_BOXES = 5
"""From which on their units can be seen from their range."""
SLACK = 1.0
"""Per cent by which a box may stand out of its image."""
SHOWN = 8


def nothing_left(
    tasks: Sequence[Mapping[str, Any]],
    labelled: LabelledControl,
    gone: Mapping[tuple[str, str], Sequence[int]],
    unknown: Counter[str],
) -> InvalidInputError:
    """Why no annotation of *tasks* could be used, and what to do about it.

    Args:
        tasks: as exported.
        labelled: what was looked for.
        gone: ids of what was left out, by what it is and why.
        unknown: labels that the config does not have, and how often they were given.
    """
    control = labelled.control
    counts = "; ".join(
        f"{len(ids)} {of}s: {why}, the first in {'task' if of == 'task' else 'annotation'} {ids[0]}"
        for (of, why), ids in gone.items()
    )
    what = f"None of the {len(tasks)} tasks has an annotation that could be audited."
    if not tasks or not any(task.get("annotations") for task in tasks):
        return InvalidInputError(what, why=counts or "There is no task.", remedy="Label some tasks first.")
    if not any(True for _ in _results(tasks)):
        return InvalidInputError(
            what, why=counts, remedy="All annotations are empty, or were skipped: label some tasks first."
        )
    if not any(result.get("from_name") == control.name for result in _results(tasks)):
        return InvalidInputError(
            what,
            why=f"Nothing was labelled with {control.tag} {control.name!r}. There are: {_controls(_results(tasks))}.",
            remedy="Give the labelling config of this very project, or name another control with --control.",
        )
    reasons = {why for _, why in gone}
    if UNKNOWN_LABEL in reasons and unknown:
        given = ", ".join(f"{label!r} ({count})" for label, count in unknown.most_common(SHOWN))
        return InvalidInputError(
            what,
            why=f"{counts}. Given were {given}; the config has {', '.join(map(repr, labelled.class_names[:SHOWN]))}.",
            remedy="Labels that were renamed since keep their old name in annotations: give the config that they were "
            "made with, or rename them in the annotations.",
        )
    if NO_ID in reasons:
        return InvalidInputError(
            what,
            why=counts,
            remedy="Give each region's result an `id`, as Label Studio does: regions are distinguished by it.",
        )
    remedy = "Name another control with --control, or label some tasks first."
    return InvalidInputError(what, why=counts, remedy=remedy)


def refuse_other_units(tasks: Sequence[Mapping[str, Any]], control: Control) -> None:
    """Raise InvalidInputError where boxes are evidently in pixels, or in fractions, and not in per cent."""
    if control.tag != "RectangleLabels":
        return
    values = (value_of(one) for one in _results(tasks) if one.get("from_name") == control.name)
    sides = (numbers(value, "x", "y", "width", "height") for value in values)
    corners = [(one[0] + one[2], one[1] + one[3]) for one in sides if one is not None]
    outside = sum(max(corner) > 100 + SLACK for corner in corners)
    inside_one = sum(max(corner) <= 1 for corner in corners)
    if len(corners) < FEWEST_BOXES or max(2 * outside, inside_one) < len(corners):
        return
    units = "pixels" if 2 * outside >= len(corners) else "fractions of the image"
    example = next(corner for corner in corners if units != "pixels" or max(corner) > 100 + SLACK)
    raise InvalidInputError(
        f"The boxes of {control.name!r} seem to be in {units}; Label Studio's are in per cent of the image.",
        why=f"{outside or inside_one} of {len(corners)} end so, for example at x + width = {example[0]:g} and "
        f"y + height = {example[1]:g}.",
        remedy="Multiply x and width by 100 / the image's width, y and height by 100 / its height."
        if units == "pixels"
        else "Multiply x, y, width and height by 100.",
    )


def _results(tasks: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for task in tasks:
        for annotation in task.get("annotations") or ():
            if not annotation.get("was_cancelled"):
                yield from results_of(annotation)


def _controls(results: Iterable[Mapping[str, Any]]) -> str:
    named = ((result.get("type"), result.get("from_name")) for result in results)
    found = Counter(f"{kind} by {name!r}" for kind, name in named if isinstance(kind, str) and isinstance(name, str))
    return ", ".join(f"{what} ({count})" for what, count in found.most_common(SHOWN))
