"""The labelling config: which control is audited, which classes it has, and what its items are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ntk_labelqa.dataset import Control, ItemKind
from ntk_labelqa.errors import InvalidInputError

if TYPE_CHECKING:
    from label_studio_sdk.label_interface.control_tags import ControlTag

ITEM_KINDS: dict[str, ItemKind] = {"Image": "image", "Text": "text"}
"""Object tags whose items can be audited."""


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
    """
    from label_studio_sdk.label_interface import LabelInterface

    try:
        interface = LabelInterface(config)
        objects = {tag.name: tag for tag in interface.objects}
        candidates = [tag for tag in interface.controls if _is_single_choice(tag) and _item_tag(tag, objects)]
        seen = [f"{tag.tag} {tag.name!r}" for tag in interface.controls]
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

    Classes are those that were used, sorted. Raises InvalidInputError as :func:`parse` does.
    """
    used: dict[str, set[str]] = {}
    shown: Counter[tuple[str, str, str]] = Counter()
    seen: Counter[str] = Counter()
    for result, task in _results(tasks):
        kind, name, to_name = (str(result.get(key, "")) for key in ("type", "from_name", "to_name"))
        seen[f"{kind} {name!r}"] += 1
        choices = result.get("value", {}).get("choices")
        if kind == "choices" and isinstance(choices, list) and len(choices) == 1:
            used.setdefault(name, set()).add(str(choices[0]))
            shown[name, to_name, _shown_key(task)] += 1
    names = [control] if control in used else sorted(used)
    if len(names) != 1 or (control is not None and control not in used):
        raise _cannot_choose(names, control, list(seen))
    name, to_name, key = max((entry for entry in shown if entry[0] == names[0]), key=lambda entry: shown[entry])
    sample = [str(task["data"].get(key, "")) for task in tasks[:100]]
    shown_as: ItemKind = "image" if sum(map(_looks_like_image, sample)) * 2 > len(sample) else "text"
    return LabelledControl(Control(name, to_name, "Choices", key), tuple(sorted(used[name])), shown_as)


def _is_single_choice(tag: ControlTag) -> bool:
    return tag.tag == "Choices" and str((tag.attr or {}).get("choice", "single")).startswith("single")


def _item_tag(tag: ControlTag, objects: Mapping[str, Any]) -> bool:
    shown = objects.get(_shown_by(tag))
    return shown is not None and shown.tag in ITEM_KINDS


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
                yield result, task


def _shown_key(task: Mapping[str, Any]) -> str:
    """The key of the task data that the page most likely shows: an image address if there is one, else a text."""
    strings = {key: value for key, value in task["data"].items() if isinstance(value, str)}
    images = [key for key, value in strings.items() if _looks_like_image(value)]
    return (images or [key for key in ("text", *strings) if key in strings] or [""])[0]


def _looks_like_image(value: str) -> bool:
    address = value.split("?d=")[-1].split("?")[0].lower()
    return value.startswith("data:image/") or address.endswith(
        (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff")
    )
