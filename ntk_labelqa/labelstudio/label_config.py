"""The labelling config: which control is audited, which classes it has, and what its items are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ntk_labelqa.dataset import Control, ItemKind
from ntk_labelqa.errors import InvalidInputError

if TYPE_CHECKING:
    from label_studio_sdk.label_interface.control_tags import ControlTag
    from label_studio_sdk.label_interface.object_tags import ObjectTag

ITEM_KINDS: dict[str, ItemKind] = {"Image": "image", "Text": "text"}
"""Object tags whose items can be audited."""
MANY_CHOICES = 0.05
"""Share of results with several choices from which on a control without its config counts as multiple-choice."""
MULTIPLE, NO_CHOICES = " (several may be chosen)", " (no Choices)"


@dataclass(frozen=True)
class LabelledControl:
    """What an audit needs of a labelling config."""

    control: Control
    class_names: tuple[str, ...]
    kind: ItemKind


def parse(config: str, control: str | None = None) -> LabelledControl:
    """The control to audit, from a labelling config in XML.

    Args:
        config: the XML.
        control: name of the control, needed where several could be audited.

    Raises:
        InvalidInputError: not a labelling config, no single-choice ``Choices`` over an Image or a Text, several of them
            and none named, or the named one cannot be audited.

    Example:
        >>> found = parse(
        ...     '<View><Text name="t" value="$text"/><Choices name="c" toName="t"><Choice value="a"/></Choices></View>'
        ... )
        >>> found.control.name, found.control.value_key, found.class_names, found.kind
        ('c', 'text', ('a',), 'text')
    """
    from label_studio_sdk.label_interface import LabelInterface

    try:
        interface = LabelInterface(config)
        objects = {tag.name: tag for tag in interface.objects}
        obstacles = {str(tag.name): _obstacle(tag, objects) for tag in interface.controls}
        candidates = [tag for tag in interface.controls if not obstacles[str(tag.name)]]
        seen = [f"{tag.tag} {tag.name!r}{obstacles[str(tag.name)]}" for tag in interface.controls]
    except Exception as error:  # the SDK lets whatever its XML and schema parsers raise through
        raise InvalidInputError(
            f"The labelling config cannot be read: {str(error).splitlines()[0]}",
            remedy="Copy it from the project's Settings, Labeling Interface, Code.",
        ) from error
    chosen = _choose(candidates, control, seen)
    item = objects[_shown_by(chosen)]
    control_found = Control(str(chosen.name), str(item.name), str(chosen.tag), item.value_name or "")
    return LabelledControl(control_found, tuple(chosen.labels or ()), ITEM_KINDS[item.tag])


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
        raise _cannot_choose(names, control, described)
    chosen = matching[0]
    name, to_name, key = max((entry for entry in shown if entry[0] == chosen), key=lambda entry: shown[entry])
    return LabelledControl(Control(name, to_name, "Choices", key), tuple(sorted(used[chosen])), _kind(tasks, key))


def choices_of(result: Mapping[str, Any]) -> list[str]:
    """The choices that a result of an annotation or a prediction holds; none where it is not of that kind."""
    value = result.get("value")
    choices = value.get("choices") if isinstance(value, Mapping) else None
    return [str(choice) for choice in choices] if isinstance(choices, list) else []


def _obstacle(tag: ControlTag, objects: Mapping[str, ObjectTag]) -> str:
    """Why the control cannot be audited, to follow its name; empty where it can."""
    attributes = tag.attr or {}
    shown = objects.get(_shown_by(tag))
    if tag.tag != "Choices":
        return NO_CHOICES
    if not str(attributes.get("choice", "single")).startswith("single"):
        return MULTIPLE
    if str(attributes.get("perRegion", "false")).lower() == "true":
        return " (of regions, not of the item)"
    if not tag.labels:
        return " (its choices come with each task)"
    if shown is None:
        return " (over several objects)"
    if shown.tag not in ITEM_KINDS:
        return f" (over {shown.tag} {shown.name!r})"
    if "valueList" in (shown.attr or {}) or not shown.value_is_variable:
        return f" (over {shown.tag} {shown.name!r}, which does not show one value of the task)"
    if shown.tag == "Text" and shown.value_type == "url":
        return f" (over {shown.tag} {shown.name!r}, whose texts are behind addresses)"
    return ""


def _shown_by(tag: ControlTag) -> str:
    """The object tag that a control belongs to; empty where there are several."""
    return tag.to_name[0] if tag.to_name and len(tag.to_name) == 1 else ""


def _choose(candidates: Sequence[ControlTag], control: str | None, seen: list[str]) -> ControlTag:
    matching = [tag for tag in candidates if control in (None, tag.name)]
    if len(matching) == 1:
        return matching[0]
    raise _cannot_choose([str(tag.name) for tag in candidates], control, seen)


def _cannot_choose(candidates: list[str], control: str | None, seen: list[str]) -> InvalidInputError:
    if not candidates:
        return InvalidInputError(
            "There is no single-choice Choices over an Image or a Text to audit.",
            why=f"Found: {', '.join(seen) or 'no control at all'}.",
            remedy="Audit a project whose labels are single choices.",
        )
    names = ", ".join(repr(name) for name in candidates)
    if control is None:
        return InvalidInputError(f"Several controls could be audited: {names}.", remedy="Name one with --control NAME.")
    return InvalidInputError(
        f"The control {control!r} cannot be audited.",
        why=f"Those that can: {names}.",
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
