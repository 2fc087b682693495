"""The labelling config: which control is audited, which classes it has, and what its items are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from ntk_labelqa.dataset import Control, ItemKind
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.labelstudio.config_xml import choice_paths, conditions, is_true, read
from ntk_labelqa.labelstudio.label_values import opposite
from ntk_labelqa.labelstudio.results import STEP, choices_of, is_of_part

if TYPE_CHECKING:
    from label_studio_sdk.label_interface.control_tags import ControlTag
    from label_studio_sdk.label_interface.object_tags import ObjectTag

WHOLE_ITEMS: dict[str, ItemKind] = {"Image": "image", "Text": "text", "Table": "row"}
"""Object tags whose items can be audited, and what the items are."""
REGION_ITEMS: dict[str, tuple[str, ItemKind]] = {"RectangleLabels": ("Image", "crop"), "Labels": ("Text", "span")}
"""Controls whose items are regions: over which object tag, and what the items are."""
CAN_BE_AUDITED = (
    "Choices, Taxonomy and Rating over an Image, a Text or a Table, RectangleLabels over an Image, Labels over a Text"
)
MANY_CHOICES = 0.05
"""Share of results with several choices from which on a control without its config counts as multiple-choice."""
MULTIPLE = " (several may be chosen)"


@dataclass(frozen=True)
class LabelledControl:
    """What an audit needs of a labelling config.

    Attributes:
        control: the control, and which of its labellings.
        class_names: the label set.
        kind: what the items are.
        options: of a multiple choice, all of them.
        note: which other controls could be audited; empty where there is none.
    """

    control: Control
    class_names: tuple[str, ...]
    kind: ItemKind
    options: tuple[str, ...] = ()
    note: str = ""


def parse(config: str, control: str | None = None) -> LabelledControl:
    """The control to audit, from a labelling config in XML.

    Args:
        config: the XML.
        control: ``NAME``, needed where several could be audited (a single-choice ``Choices``, if there is just one,
            goes first); ``NAME:OPTION`` for one option of a multiple choice, ``NAME:LEVEL`` for one level, counted from
            1, of a taxonomy.

    Raises:
        InvalidInputError: not a labelling config, nothing in it that can be audited, several controls and none named,
            or the named one cannot be audited.

    Example:
        >>> found = parse(
        ...     '<View><Text name="t" value="$text"/><Choices name="c" toName="t"><Choice value="a"/></Choices></View>'
        ... )
        >>> found.control.name, found.control.value_key, found.class_names, found.kind
        ('c', 'text', ('a',), 'text')
    """
    from label_studio_sdk.label_interface import LabelInterface

    try:
        tree = read(config)
        interface = LabelInterface(ElementTree.tostring(tree, encoding="unicode"))
        objects = {tag.name: tag for tag in interface.objects}
        obstacles = {str(tag.name): _obstacle(tag, objects) for tag in interface.controls}
        candidates = [tag for tag in interface.controls if not obstacles[str(tag.name)]]
        seen = [f"{tag.tag} {tag.name!r}{obstacles[str(tag.name)]}" for tag in interface.controls]
    except Exception as error:  # the SDK lets whatever its XML and schema parsers raise through
        raise InvalidInputError(
            f"The labelling config cannot be read: {str(error).splitlines()[0]}",
            remedy="Copy it from the project's Settings, Labeling Interface, Code.",
        ) from error
    chosen, part = _choose(candidates, control, seen)
    classes, options = _labelling(chosen, part, tree)
    item = objects[_shown_by(chosen)]
    encoding = str((item.attr or {}).get("encoding", "none"))
    found = Control(
        name=str(chosen.name),
        to_name=str(item.name),
        tag=str(chosen.tag),
        value_key=item.value_name or "",
        part=part,
        encoding="" if encoding == "none" else encoding,
        shown_when=conditions(tree, str(chosen.name)),
    )
    kind = REGION_ITEMS[chosen.tag][1] if chosen.tag in REGION_ITEMS else WHOLE_ITEMS[item.tag]
    return LabelledControl(found, classes, kind, options, "" if control else _others(candidates, chosen))


def _labelling(tag: ControlTag, part: str, tree: ElementTree.Element) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The classes of the labelling *part* of a control, and the options where it is a multiple choice."""
    name, labels = str(tag.name), tuple(map(str, tag.labels or ()))
    if tag.tag == "Taxonomy":
        return _taxonomy_classes(choice_paths(tree, name), name, part), ()
    if tag.tag == "Choices" and is_true((tag.attr or {}).get("allowNested")):
        labels = tuple(map(STEP.join, choice_paths(tree, name)))
    if tag.tag == "Choices" and _is_multiple(tag):
        if part not in labels:
            several = ", ".join(f"{name}:{label}" for label in labels)
            raise InvalidInputError(
                f"The control {name!r} is a multiple choice: each of its options is a labelling of its own.",
                remedy=f"Name one with --control: {several}.",
            )
        return (part, opposite(part)), labels
    if part:
        raise InvalidInputError(
            f"The control {name!r} holds one labelling alone, none by the name {part!r}.",
            remedy=f"Name it with --control {name}.",
        )
    if tag.tag == "Rating":
        most = str((tag.attr or {}).get("maxRating", "5"))
        return tuple(str(stars) for stars in range(1, int(most) + 1)), ()
    return labels, ()


def _taxonomy_classes(paths: Sequence[tuple[str, ...]], name: str, level: str) -> tuple[str, ...]:
    deepest = max(map(len, paths))
    if level and (not level.isdigit() or not 1 <= int(level) <= deepest):
        raise InvalidInputError(
            f"The taxonomy {name!r} has no level {level!r}.",
            remedy=f"Its levels are 1 to {deepest}, as in --control {name}:1; --control {name} takes the whole path.",
        )
    return tuple(STEP.join(path) for path in paths if not level or len(path) == int(level))


def infer(tasks: Sequence[Mapping[str, Any]], control: str | None = None) -> LabelledControl:
    """The control to audit, from the results of an export that came without its config.

    Classes are those that were used, sorted. Raises InvalidInputError as :func:`parse` does, and where the items look
    neither like images nor like texts.
    """
    used: dict[str, Counter[str]] = {}
    several: Counter[str] = Counter()
    shown: Counter[tuple[str, str, str]] = Counter()
    seen: dict[str, str] = {}
    for result, task in _results(tasks):
        kind, name, to_name = (str(result.get(key, "")) for key in ("type", "from_name", "to_name"))
        seen[name] = kind
        if is_of_part(result):
            seen[name] = f"{kind} of regions or of single images"
            continue
        choices = choices_of(result)
        if kind == "choices" and len(choices) == 1:
            used.setdefault(name, Counter())[choices[0]] += 1
            shown[name, to_name, _shown_key(task)] += 1
        several[name] += len(choices) > 1
    if not seen:
        raise InvalidInputError(f"None of the {len(tasks)} tasks has an annotation.", remedy="Label some tasks first.")
    names = sorted(name for name, labels in used.items() if several[name] <= MANY_CHOICES * labels.total())
    matching = [name for name in names if control in (None, name)]
    if len(matching) != 1:
        described = [f"{kind} {name!r}{MULTIPLE if several[name] else ''}" for name, kind in seen.items()]
        if names and control is None:
            raise _cannot_choose(names, control, described)
        raise InvalidInputError(
            "Without the labelling config, only single choices can be audited"
            + (f", and {control!r} is none of them." if control else "."),
            why=f"Found: {', '.join(described)}.",
            remedy="Give the project's labelling config with --label-config.",
        )
    chosen = matching[0]
    name, to_name, key = max((entry for entry in shown if entry[0] == chosen), key=lambda entry: shown[entry])
    return LabelledControl(Control(name, to_name, "Choices", key), tuple(sorted(used[chosen])), _kind(tasks, key))


def _obstacle(tag: ControlTag, objects: Mapping[str, ObjectTag]) -> str:
    """Why the control cannot be audited, to follow its name; empty where it can."""
    attributes = tag.attr or {}
    shown = objects.get(_shown_by(tag))
    over = (REGION_ITEMS[tag.tag][0],) if tag.tag in REGION_ITEMS else tuple(WHOLE_ITEMS)
    if tag.tag not in (*REGION_ITEMS, "Choices", "Taxonomy", "Rating"):
        return " (of a type that cannot be audited)"
    if is_true(attributes.get("perRegion")):
        return " (of regions, not of the item)"
    if is_true(attributes.get("perItem")):
        return " (of single items of a list)"
    if is_true(attributes.get("labeling")):
        return " (its labels are of regions)"
    if tag.tag == "Rating" and not str(attributes.get("maxRating", "5")).isdigit():
        return " (without a largest rating)"
    if tag.tag != "Rating" and (not tag.labels or "value" in attributes or "apiUrl" in attributes):
        return " (its choices come with each task)"
    if shown is None:
        return " (over several objects)"
    if shown.tag not in over:
        return f" (over {shown.tag} {shown.name!r})"
    if "valueList" in (shown.attr or {}) or not shown.value_is_variable:
        return f" (over {shown.tag} {shown.name!r}, which does not show one value of the task)"
    if shown.tag in ("Text", "Table") and (shown.value_type == "url" or "resolver" in (shown.attr or {})):
        return f" (over {shown.tag} {shown.name!r}, whose values are behind addresses)"
    return ""


def _is_multiple(tag: ControlTag) -> bool:
    return not str((tag.attr or {}).get("choice", "single")).startswith("single")


def _shown_by(tag: ControlTag) -> str:
    """The object tag that a control belongs to; empty where there are several."""
    return tag.to_name[0] if tag.to_name and len(tag.to_name) == 1 else ""


def _choose(candidates: Sequence[ControlTag], control: str | None, seen: list[str]) -> tuple[ControlTag, str]:
    """The control to audit, and which of its labellings is asked for: none, an option, or a level."""
    if control is None:
        single = [tag for tag in candidates if tag.tag == "Choices" and not _is_multiple(tag)]
        matching = single if len(single) == 1 else candidates
        if len(matching) == 1:
            return matching[0], ""
    for tag in candidates:
        if control == tag.name:
            return tag, ""
    for tag in candidates:
        if control and control.startswith(f"{tag.name}:"):
            return tag, control.removeprefix(f"{tag.name}:")
    raise _cannot_choose([str(tag.name) for tag in candidates], control, seen)


def _others(candidates: Sequence[ControlTag], chosen: ControlTag) -> str:
    others = ", ".join(f"{tag.tag} {tag.name!r}" for tag in candidates if tag is not chosen)
    return f"Audited is the {chosen.tag} {chosen.name!r}; --control would take instead: {others}." if others else ""


def _cannot_choose(candidates: list[str], control: str | None, seen: list[str]) -> InvalidInputError:
    if not candidates:
        return InvalidInputError(
            "There is no control that can be audited.",
            why=f"Found: {', '.join(seen) or 'no control at all'}.",
            remedy=f"What can be: {CAN_BE_AUDITED}.",
        )
    names = ", ".join(repr(name) for name in candidates)
    if control is None:
        return InvalidInputError(f"Several controls could be audited: {names}.", remedy="Name one with --control NAME.")
    return InvalidInputError(
        f"The control {control!r} cannot be audited.",
        why=f"Those that can: {names}. Found: {', '.join(seen)}.",
        remedy="Name one with --control.",
    )


def _results(tasks: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    for task in tasks:
        for annotation in task.get("annotations") or ():
            for result in annotation.get("result") or ():
                if isinstance(result, Mapping):
                    yield result, task


def _shown_key(task: Mapping[str, Any]) -> str:
    """The key of the task data that the page most likely shows: an image address if there is one, else a text."""
    strings = {key: value for key, value in task["data"].items() if isinstance(value, str)}
    images = [key for key, value in strings.items() if _looks_like_image(value)]
    return (images or [key for key in ("text", *strings) if key in strings] or [""])[0]


def _kind(tasks: Sequence[Mapping[str, Any]], key: str) -> ItemKind:
    sample = [str(task["data"].get(key, "")) for task in tasks[:100]]
    if sum(map(_looks_like_image, sample)) * 2 > len(sample):
        return "image"
    if sum(map(_looks_like_address, sample)) * 2 > len(sample):
        raise InvalidInputError(
            f"The items under the key {key!r} are addresses, but not evidently of images: {sample[0]!r}.",
            remedy="Give the project's labelling config with --label-config.",
        )
    return "text"


def _looks_like_image(value: str) -> bool:
    address = value.split("?d=")[-1].split("?")[0].lower()
    return value.startswith("data:image/") or address.endswith(
        (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff")
    )


def _looks_like_address(value: str) -> bool:
    return re.fullmatch(r"([a-z][a-z0-9+.-]*://|/data/)\S+", value) is not None
