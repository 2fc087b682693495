"""The labelling config: which control is audited, which classes it has, and what its items are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from ntk_labelqa.dataset import Control, ItemKind
from ntk_labelqa.encoders.encoder import FILES
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.label_types.choices import is_multiple
from ntk_labelqa.label_types.control_type import ControlConfig
from ntk_labelqa.label_types.registry import CONTROLS, REGION_LABELS, region_type
from ntk_labelqa.label_types.results import choices_of, is_of_part, results_of
from ntk_labelqa.labelstudio.reading.config_xml import choice_paths, conditions, is_true, read
from ntk_labelqa.readable import READABLE, TURN_KEYS

if TYPE_CHECKING:
    from label_studio_sdk.label_interface.control_tags import ControlTag
    from label_studio_sdk.label_interface.object_tags import ObjectTag

WHOLE_ITEMS: dict[str, ItemKind] = {
    "Image": "image",
    "Table": "row",
    "Audio": "audio",
    "Video": "video",
    "TimeSeries": "series",
    "Pdf": "pdf",
    **dict.fromkeys(READABLE, "text"),
}
"""Object tags whose items can be compared as they are, and what the items are; all others need features."""
CAN_BE_AUDITED = (
    "Choices, Taxonomy, Rating, Number and Pairwise, and all controls that label regions; without --features, over an "
    "Image, a Table, text in any form, Audio, a Video, a TimeSeries or a Pdf, shapes in an Image, tracks in a Video, "
    "spans of text, segments of Audio and of a TimeSeries"
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
        open_classes: whether the config does not say the classes: they are those that were given.
    """

    control: Control
    class_names: tuple[str, ...]
    kind: ItemKind
    options: tuple[str, ...] = ()
    note: str = ""
    open_classes: bool = False


def parse(config: str, control: str | None = None) -> LabelledControl:
    """The control to audit, from a labelling config in XML.

    Args:
        config: the XML.
        control: ``NAME``, needed where several could be audited (a single-choice ``Choices``, if there is just one,
            goes first); ``NAME:OPTION`` for one option of a multiple choice, or one label of regions that may have
            several; ``NAME:LEVEL`` for one level, counted from 1, of a taxonomy.

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
        repeated = {str(tag.get("name")) for around in tree.iter("Repeater") for tag in around.iter()}
        boxes = {str(tag.get("toName")): str(tag.get("name")) for tag in tree.iter("VideoRectangle")}
        obstacles = {str(tag.name): _obstacle(tag, objects, repeated) for tag in interface.controls}
        candidates = [tag for tag in interface.controls if not obstacles[str(tag.name)]]
        controls = {str(tag.name): _control(tag, objects[_shown_by(tag)], tree, boxes) for tag in candidates}
        readiest = _readiest(candidates, controls)
        seen = [f"{tag.tag} {tag.name!r}{obstacles[str(tag.name)]}" for tag in interface.controls]
    except Exception as error:  # the SDK lets whatever its XML and schema parsers raise through
        raise InvalidInputError(
            f"The labelling config cannot be read: {next(iter(str(error).splitlines()), type(error).__name__)}",
            remedy="Copy it from the project's Settings, Labeling Interface, Code.",
        ) from error
    chosen, part = _choose(candidates, readiest, control, seen)
    classes, options = _labelling(chosen, part, tree)
    found = replace(controls[str(chosen.name)], part=part)
    return LabelledControl(
        control=found,
        class_names=classes,
        kind=_kind_of(found),
        options=options,
        note="" if control else _others(candidates, chosen),
        open_classes=not classes,
    )


def _control(
    tag: ControlTag, item: ObjectTag, tree: ElementTree.Element, boxes_of_videos: Mapping[str, str]
) -> Control:
    """What the config says of a control and of the object that it labels.

    *boxes_of_videos* are the names of VideoRectangles, whose results hold the labels of tracks, by that of the video.
    """
    attributes = item.attr or {}
    encoding = str(attributes.get("encoding", "none"))
    return Control(
        name=str(tag.name),
        to_name=str(item.name),
        tag=str(tag.tag),
        value_key=(item.value_name or "") if item.value_is_variable else "",
        encoding="" if encoding == "none" else encoding,
        shown_when=conditions(tree, str(tag.name)),
        over=str(item.tag),
        turn_keys=_turn_keys(item),
        per_region=is_true((tag.attr or {}).get("perRegion")),
        time_column=str(attributes.get("timeColumn", "")),
        separator=str(attributes.get("sep", "")),
        drawn_with=boxes_of_videos.get(str(item.name), "") if tag.tag == "Labels" else "",
        elsewhere=_lies_elsewhere(tag, item),
    )


def _turn_keys(item: ObjectTag) -> tuple[str, ...]:
    """Keys of who speaks and of what is said, of Paragraphs."""
    attributes = item.attr or {}
    names = zip(("nameKey", "textKey"), TURN_KEYS, strict=True)
    return tuple(str(attributes.get(name, usual)) for name, usual in names) if item.tag == "Paragraphs" else ()


def _labelling(tag: ControlTag, part: str, tree: ElementTree.Element) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The classes of the labelling *part* of a control, none where each task brings its own; and the options where it
    is a multiple choice.
    """
    name, attributes = str(tag.name), tag.attr or {}
    labels = () if _brings_classes(tag) else tuple(map(str, tag.labels or ()))
    nested = labels and (tag.tag == "Taxonomy" or is_true(attributes.get("allowNested")))
    paths = tuple(choice_paths(tree, name)) if nested else ()
    return CONTROLS.get(str(tag.tag), REGION_LABELS).classes(ControlConfig(name, attributes, labels, paths), part)


def infer(tasks: Sequence[Mapping[str, Any]], control: str | None = None) -> LabelledControl:
    """The control to audit, from the results of an export that came without its config.

    Classes are those that were used, sorted. Raises InvalidInputError as :func:`parse` does, and where the items look
    neither like images nor like texts.
    """
    used: dict[str, Counter[str]] = {}
    several: Counter[str] = Counter()
    shown: Counter[tuple[str, str, str]] = Counter()
    seen: dict[str, str] = {}
    for (kind, name, to_name), choices, of_part, task in _results(tasks):
        seen[name] = kind
        if of_part:
            seen[name] = f"{kind} of regions or of single images"
            continue
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


def _obstacle(tag: ControlTag, objects: Mapping[str, ObjectTag], repeated: Collection[str]) -> str:
    """Why the control cannot be audited, to follow its name; empty where it can. *repeated* are names in a Repeater."""
    attributes = tag.attr or {}
    if tag.tag not in CONTROLS and not str(tag.tag).endswith("Labels"):
        return " (of a type that cannot be audited)"
    if str(tag.name) in repeated:
        return " (inside a Repeater: each entry of a list has one of its own)"
    if tag.tag != "Choices" and (is_true(attributes.get("perRegion")) or is_true(attributes.get("labeling"))):
        return " (of regions, not of the item)"
    if is_true(attributes.get("perItem")):
        return " (of single items of a list)"
    if tag.tag in ("Choices", "Taxonomy") and not tag.labels and not _brings_classes(tag):
        return " (without any choice)"
    if _shown_by(tag) not in objects:
        return f" (over {_shown_by(tag)!r}, which is not in the config)"
    return CONTROLS.get(str(tag.tag), REGION_LABELS).obstacle(attributes)


def _brings_classes(tag: ControlTag) -> bool:
    """Whether each task, or a server, brings the classes of the control."""
    return "value" in (tag.attr or {}) or "apiUrl" in (tag.attr or {})


def _kind_of(control: Control) -> ItemKind:
    """What the items of a control are: ``other`` where they cannot be compared without features."""
    if control.elsewhere:
        return "other"
    if control.of_regions:
        found = region_type(control)
        return found.kind if found else "other"
    return WHOLE_ITEMS.get(control.over, "other")


def _lies_elsewhere(tag: ControlTag, shown: ObjectTag) -> bool:
    attributes = shown.attr or {}
    behind = shown.tag in (*READABLE, "Table") and (shown.value_type == "url" or "resolver" in attributes)
    return behind or len(tag.to_name or ()) > 1 or "valueList" in attributes or not shown.value_is_variable


def _readiest(candidates: Sequence[ControlTag], controls: Mapping[str, Control]) -> list[ControlTag]:
    """Those of *candidates* that need least: what tasks and images show, else other files, else features; labels of
    regions go before choices of them.
    """
    found = [controls[str(tag.name)] for tag in candidates]
    kinds = [_kind_of(control) for control in found]
    needs = [
        (2 if kind == "other" else int(kind in FILES), control.per_region)
        for kind, control in zip(kinds, found, strict=True)
    ]
    return [tag for tag, need in zip(candidates, needs, strict=True) if need == min(needs)]


def _is_single_choice(tag: ControlTag) -> bool:
    attributes = tag.attr or {}
    return tag.tag == "Choices" and not is_multiple(attributes) and not is_true(attributes.get("perRegion"))


def _shown_by(tag: ControlTag) -> str:
    """The object tag that a control belongs to, the first where there are several."""
    return tag.to_name[0] if tag.to_name else ""


def _choose(
    candidates: Sequence[ControlTag], readiest: Sequence[ControlTag], control: str | None, seen: list[str]
) -> tuple[ControlTag, str]:
    """The control to audit, and which of its labellings is asked for: none, an option, or a level.

    Those of *candidates* that need least, *readiest*, go first.
    """
    if control is None:
        single = [tag for tag in readiest if _is_single_choice(tag)]
        matching = single if len(single) == 1 else readiest
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


def _results(
    tasks: Iterable[Mapping[str, Any]],
) -> Iterator[tuple[tuple[str, ...], list[str], bool, Mapping[str, Any]]]:
    """Type, names and choices of each result, and whether it is of a part; with its task."""
    for task in tasks:
        for annotation in task.get("annotations") or ():
            results = results_of(annotation)
            with suppress(Exception):  # it is left out, and listed, once it is read
                named = [tuple(str(one.get(key, "")) for key in ("type", "from_name", "to_name")) for one in results]
                choices = [choices_of(one) for one in results]
                of_part = [is_of_part(one) for one in results]
                yield from zip(named, choices, of_part, [task] * len(results), strict=True)


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
