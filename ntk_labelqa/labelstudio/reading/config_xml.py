"""A labelling config as the labelling page reads it: names in any case, and controls that are shown at times only.

The page does not mind the case of tags and attributes, the SDK does; so the names are first brought to the case that
the documentation has. What the attributes in :data:`ATTRIBUTES` say changes what a label means, and is read. All the
others that Label Studio has change how the page looks or is worked with, and are left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from xml.etree import ElementTree

from ntk_labelqa.label_types.results import choices_of, paths_of
from ntk_labelqa.shown import well_formed

ATTRIBUTES = {
    "name": "what results are filed under",
    "toName": "which objects a control labels",
    "value": "what is shown; of Choices, Taxonomy and Labels: that each task brings its own classes",
    "valueList": "of Image: that several images are shown",
    "valueType": "of Text, HyperText, Paragraphs and Table: whether the value is behind an address",
    "resolver": "of Text: that the value is in a column of a file behind an address",
    "nameKey": "of Paragraphs: the key of who speaks",
    "textKey": "of Paragraphs: the key of what is said",
    "encoding": "of Text and HyperText: whether the value is base64",
    "timeColumn": "of TimeSeries: which column has the time",
    "sep": "of TimeSeries: what stands between the columns of a file",
    "choice": "of Choices and of labels: whether several may be chosen",
    "allowNested": "of Choices: that choices are paths",
    "perRegion": "that labels are of regions, not of the item",
    "perItem": "that labels are of single images of a list",
    "labeling": "of Taxonomy: that it labels regions",
    "apiUrl": "of Taxonomy: that its classes come from elsewhere",
    "alias": "of Choice and Label: the name in results",
    "maxRating": "of Rating: its classes",
    "min": "of Number: its classes",
    "max": "of Number: its classes",
    "step": "of Number: its classes",
    "visibleWhen": "of controls, and of View around them: when they are shown",
    "whenTagName": "the same",
    "whenChoiceValue": "the same",
    "whenLabelValue": "the same",
    "whenRole": "the same",
    "on": "of Repeater: the list whose entries each get controls of their own",
    "indexFlag": "of Repeater: what stands for the entry's number in names",
}
"""Attributes that change what a label means or what it is of, and how."""
TAGS = """
    View Repeater Header Image Text HyperText Paragraphs Table Audio Video TimeSeries List Pdf Chat Markdown
    Choices Choice Taxonomy Rating Number Pairwise Ranker TextArea DateTime Labels Label HyperTextLabels ParagraphLabels
    RectangleLabels Rectangle PolygonLabels Polygon BrushLabels Brush BitmaskLabels EllipseLabels Ellipse KeyPointLabels
    KeyPoint VectorLabels Vector TimeSeriesLabels TimelineLabels VideoRectangle
""".split()  # noqa: SIM905 a line each would be forty
_CANONICAL = {name.lower(): name for name in ATTRIBUTES}
_TAGS = {name.lower(): name for name in TAGS}

Condition = tuple[str, ...]
"""``visibleWhen``, ``whenTagName`` and ``whenChoiceValue`` of a tag, empty where it has none."""


def read(config: str) -> ElementTree.Element:
    """The config's tree, names in the case of the documentation. Raises ElementTree.ParseError where it is no XML."""
    tree = ElementTree.fromstring(well_formed(config))
    for tag in tree.iter():
        tag.tag = _TAGS.get(tag.tag.lower(), tag.tag)
        tag.attrib = {_CANONICAL.get(key.lower(), key): value for key, value in tag.attrib.items()}
    return tree


def is_true(value: object) -> bool:
    """Whether an attribute is switched on."""
    return str(value or "").lower() == "true"


def conditions(tree: ElementTree.Element, name: str) -> tuple[Condition, ...]:
    """All that has to hold for the control *name* to be shown: its own conditions, and those of what is around it."""

    def walk(tag: ElementTree.Element, above: tuple[Condition, ...]) -> Iterator[tuple[Condition, ...]]:
        here = above
        if tag.get("visibleWhen") or tag.get("whenChoiceValue"):
            here = (*above, tuple(tag.get(key, "") for key in ("visibleWhen", "whenTagName", "whenChoiceValue")))
        if tag.get("name") == name and tag.get("toName"):
            yield here
        for child in tag:
            yield from walk(child, here)

    return next(walk(tree, ()), ())


def was_shown(shown_when: Iterable[Condition], results: Iterable[Mapping[str, Any]]) -> bool | None:
    """Whether a control was shown to whoever left *results*; None where that cannot be known any more.

    Choices that were made are in the results; which region was selected meanwhile is not.
    """
    chosen: dict[str, set[str]] = {}
    for result in results:
        names = {path[-1] for path in paths_of(result) if path} | set(choices_of(result))
        chosen.setdefault(str(result.get("from_name")), set()).update(names)
    found: bool | None = True
    anything = set().union(*chosen.values())
    for kind, tag, values in shown_when:
        if not kind:
            selected = values in anything
        elif tag and values:
            selected = not chosen.get(tag, set()).isdisjoint(values.split(","))
        else:
            selected = bool(chosen.get(tag) if tag else anything)
        if kind not in ("", "choice-selected", "choice-unselected"):
            found = None
        elif selected == (kind == "choice-unselected"):
            return False
    return found


def choice_paths(tree: ElementTree.Element, name: str) -> list[tuple[str, ...]]:
    """Every node of the Taxonomy or of the nested Choices *name*, as the path to it, in the config's order."""
    found: list[tuple[str, ...]] = []

    def walk(node: ElementTree.Element, above: tuple[str, ...]) -> None:
        for child in node.findall("Choice"):
            path = (*above, child.get("alias") or child.get("value") or "")
            found.append(path)
            walk(child, path)

    for tag in tree.iter():
        if tag.get("name") == name and tag.get("toName"):
            walk(tag, ())
    return found
