"""All label types. A new one is a file, and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from ntk_labelqa.dataset import Control, ItemKind, LabeledDataset
from ntk_labelqa.label_types.array_row import ArrayRow
from ntk_labelqa.label_types.choices import Choices
from ntk_labelqa.label_types.control_type import ControlType
from ntk_labelqa.label_types.crop import Crops
from ntk_labelqa.label_types.file import WholePdf, WholeSeries, WholeSound, WholeVideo
from ntk_labelqa.label_types.hypertext_span import HyperTextSpans
from ntk_labelqa.label_types.image import WholeImage
from ntk_labelqa.label_types.item_type import ItemType, RegionType
from ntk_labelqa.label_types.number import Number
from ntk_labelqa.label_types.pairwise import Pairwise
from ntk_labelqa.label_types.paragraph_span import ParagraphSpans
from ntk_labelqa.label_types.rating import Rating
from ntk_labelqa.label_types.region_labels import RegionLabels
from ntk_labelqa.label_types.row import TableRow
from ntk_labelqa.label_types.series_segment import SeriesSegments
from ntk_labelqa.label_types.sound_segment import SoundSegments
from ntk_labelqa.label_types.taxonomy import Taxonomy
from ntk_labelqa.label_types.text import WholeText
from ntk_labelqa.label_types.text_span import TextSpans
from ntk_labelqa.label_types.track import Tracks

CONTROLS: Mapping[str, ControlType] = {
    control.tag: control for control in (Choices(), Taxonomy(), Rating(), Number(), Pairwise())
}
"""Controls that give a whole item one of several classes, by their tags."""
REGION_LABELS = RegionLabels()
WHOLE: Mapping[ItemKind, ItemType] = {
    item.kind: item
    for item in (
        ArrayRow(),
        WholeImage(),
        WholeText(),
        TableRow(),
        WholeSound(),
        WholeVideo(),
        WholeSeries(),
        WholePdf(),
    )
}
REGIONS: tuple[RegionType, ...] = (
    Crops(),
    TextSpans(),
    HyperTextSpans(),
    ParagraphSpans(),
    SoundSegments(),
    SeriesSegments(),
    Tracks(),
)
OTHER = ItemType()
_OF_EARLIER_AUDITS: Mapping[ItemKind, ItemType] = {"crop": Crops(), "span": TextSpans()}


def control_type(control: Control) -> ControlType:
    """What reads and writes the labels of *control*."""
    return REGION_LABELS if control.of_regions else CONTROLS[control.tag]


def region_type(control: Control) -> RegionType | None:
    """What reads the regions that *control* labels; None where they cannot be cut out."""
    if control.elsewhere:
        return None
    for kind in REGIONS:
        if kind.reads(control):
            return kind
    return None


def item_type(kind: str, control: Control | None) -> ItemType:
    """What items of *kind* are, labelled with *control*."""
    if control is not None and control.of_regions:
        found = region_type(control)
        if found is not None and found.kind == kind:
            return found
    return {**WHOLE, **_OF_EARLIER_AUDITS}.get(kind, OTHER)  # type: ignore[call-overload] # by name


def item_type_of(dataset: LabeledDataset) -> ItemType:
    """What the items of *dataset* are."""
    return item_type(dataset.kind, dataset.control)


def audited_type(data: Mapping[str, Any]) -> ItemType:
    """What the items of an audit are, by its manifest's description of the data."""
    return item_type(data["kind"], control_in(data))


def control_in(data: Mapping[str, Any]) -> Control | None:
    """The control in an audit's description of the data; audits of earlier versions lack some of its fields."""
    if not data.get("control"):
        return None
    names = {field.name for field in fields(Control)}  # later versions may write more
    control = Control(**{name: value for name, value in data["control"].items() if name in names})
    return replace(control, shown_when=tuple(map(tuple, control.shown_when)))  # JSON knows lists alone
