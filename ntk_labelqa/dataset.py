"""The labelled data set: items, the annotations people gave them, and where both came from.

The unit is the item. Several annotations of one item stay several rows of :attr:`LabeledDataset.annotations`, all
pointing at the same row of :attr:`LabeledDataset.items`: leaving an item out leaves out all that was said of it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd

from ntk_labelqa.inputs.held import LabelsLike
from ntk_labelqa.inputs.labels import Labels, read_labels
from ntk_labelqa.shown import has_halves, well_formed

ItemKind = Literal[
    "image",
    "text",
    "row",
    "audio",
    "video",
    "series",
    "pdf",
    "crop",
    "span",
    "audio_segment",
    "series_segment",
    "other",
    "features",
]
"""What an item is: the whole of what a task shows (image, text, table row, sound, video, time series, PDF), a region of
it (crop of an image or of a video, span of a text, segment of a sound or of a time series), anything else that a task
shows, whole or in part, or plain features."""
SPAN_MARKS = ("⟦", "⟧")
"""What stands before and after the span in an item's ``value``, which is the span in its context."""

ITEM_COLUMNS = ("task_id", "value")
ANNOTATION_COLUMNS = ("annotation_id", "item", "annotator", "label", "updated_at")
WHOLE_COLUMNS = ("task_id", "value", "annotation_id", "annotator", "updated_at")
PREDICTION_COLUMNS = ("item", "model_version", "label")


@dataclass(frozen=True)
class Control:
    """The labelling control that the labels come from, as the labelling config names it."""

    name: str
    to_name: str
    tag: str = "Choices"
    value_key: str = ""
    """Key of the task data that the object tag shows, for example ``image``, or the path to it, as in ``doc.body``."""
    part: str = ""
    """Which labelling of a control that holds several: the option of a multiple choice, the level of a taxonomy."""
    encoding: str = ""
    """How the value is encoded: ``base64`` or ``base64unicode``."""
    shown_when: tuple[tuple[str, ...], ...] = ()
    """What has to hold for the control to be shown: ``visibleWhen``, ``whenTagName`` and ``whenChoiceValue`` of each
    tag with such a condition."""

    over: str = ""
    """Tag of the object that is labelled, for example ``Image``; empty in audits of earlier versions."""
    per_region: bool = False
    """Whether a control that usually labels whole items labels regions here."""
    time_column: str = ""
    """Of a time series: the column with the time; empty where rows are evenly spaced."""
    separator: str = ""
    """Of a time series in a file: what stands between its columns; empty where that is found out."""

    turn_keys: tuple[str, ...] = ()
    """Of Paragraphs: the keys of who speaks and of what is said, where the config names them."""
    drawn_with: str = ""
    """Name of the control whose results hold the labels, where that is another: a VideoRectangle's."""
    elsewhere: bool = False
    """Whether what is shown lies not in the value itself: behind an address, in a list, or in no task at all."""

    @property
    def drawn_by(self) -> str:
        """What its results name as the control that they are from."""
        return self.drawn_with or self.name

    @property
    def identity(self) -> tuple[str, ...]:
        """What makes it the same control as another: all that audits of every version know of it."""
        return self.name, self.to_name, self.tag, self.value_key, self.part

    @property
    def of_regions(self) -> bool:
        """Whether the labels are of regions of what the task shows, and not of the whole."""
        return self.per_region or self.tag.endswith("Labels")

    @property
    def full_name(self) -> str:
        """As ``--control`` takes it: ``NAME`` or ``NAME:PART``."""
        return f"{self.name}:{self.part}" if self.part else self.name


@dataclass(frozen=True)
class LeftOut:
    """Something of the source that the audit does not use: why, and which tasks or annotations it concerns."""

    reason: str
    ids: tuple[int, ...]
    of: Literal["task", "annotation", "region", "prediction"] = "task"
    """Ids of a region are those of its annotation, once for each region; those of a prediction are its task's."""


@dataclass(frozen=True)
class Provenance:
    """Where a data set came from; enough to find it again and to link back to it."""

    source: str
    """Server address, file path, or ``arrays``."""
    project_id: int | None = None
    project_title: str = ""
    server_url: str = ""
    label_config_sha256: str = ""
    notes: tuple[str, ...] = ()
    """Things decided on the user's behalf, in words, for example that a labelling config was inferred."""


@dataclass(frozen=True)
class LabeledDataset:
    """Items, their annotations, and the class names.

    Attributes:
        items: one row an item, in a fixed order: ``task_id`` (int64), ``value`` (what the labelling page shows: an
            image address, a text; empty for plain features), and ``path`` once media were fetched, empty for an item
            that lies in the task data itself. Where they come from Label Studio, ``data`` too: the task data, as it is.
            Where they are regions, ``region_id`` (str): several items then have one task id. The value of a crop ends
            in ``#xywh=percent:…``, that of a span is its context.
        annotations: one row an annotation: ``annotation_id`` (int64), ``item`` (row of *items*), ``annotator`` (str),
            ``label`` (code into *class_names*), ``updated_at`` (str, ISO 8601, empty if unknown); and ``region_id``
            where items are regions: the one that this annotation has for the item.
        class_names: the label set in the config's order; classes that nobody used stay.
        kind: what the items are.
        control: the labelling control, None for plain arrays.
        predictions: labels given by models and not by us: ``item``, ``model_version``, ``label``.
        left_out: what was dropped on the way here and why.
        regions: boxes and spans as they were drawn, one row each, with their places; see
            :data:`ntk_labelqa.diagnostics.region_faults.COLUMNS`. None where there are none.
        wholes: what the regions are parts of, tasks without any among them, one row an annotated task: ``task_id``,
            ``value``, ``annotation_id``, ``annotator`` and ``updated_at`` of its last annotation, and ``path`` once
            files were fetched. None where there are none.
    """

    items: pd.DataFrame
    annotations: pd.DataFrame
    class_names: tuple[str, ...]
    kind: ItemKind
    provenance: Provenance
    control: Control | None = None
    predictions: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(PREDICTION_COLUMNS)))
    left_out: tuple[LeftOut, ...] = ()
    regions: pd.DataFrame | None = None
    wholes: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        """Half a character in a text becomes U+FFFD, the sign for an unknown one: no file could be written with it."""
        if has_halves(self.class_names):
            object.__setattr__(self, "class_names", tuple(map(well_formed, self.class_names)))
        for name in ("items", "annotations"):
            object.__setattr__(self, name, _well_formed(getattr(self, name)))

    def __len__(self) -> int:
        return len(self.items)

    @property
    def label_codes(self) -> np.ndarray:
        """Each annotation's label, int64[A]."""
        return self.annotations["label"].to_numpy(np.int64)

    @property
    def item_of_annotation(self) -> np.ndarray:
        """Each annotation's item, int64[A]."""
        return self.annotations["item"].to_numpy(np.int64)

    @property
    def item_regions(self) -> np.ndarray:
        """Each item's region id, str[N]; empty for whole items."""
        return _regions(self.items)

    @property
    def annotation_regions(self) -> np.ndarray:
        """Each annotation's region id, str[A]; empty where it is of a whole item."""
        return _regions(self.annotations)

    def keep_items(self, keep: np.ndarray, reason: str) -> LabeledDataset:
        """The same data set without the items where *keep* (bool[N]) is false; they are recorded as left out."""
        keep = np.asarray(keep, bool)
        if keep.all():
            return self
        gone = LeftOut(reason, tuple(self.items.loc[~keep, "task_id"].tolist()))
        return replace(self.without_items(~keep), left_out=(*self.left_out, gone))

    def without_items(self, drop: np.ndarray) -> LabeledDataset:
        """The same data set without the items where *drop* (bool[N]) is true, and without a word about them."""
        keep = ~np.asarray(drop, bool)
        new_row = np.cumsum(keep) - 1

        def follow(table: pd.DataFrame) -> pd.DataFrame:
            rows = table["item"].to_numpy(np.int64)
            kept = table[keep[rows]].copy()
            kept["item"] = new_row[kept["item"].to_numpy(np.int64)]
            return kept.reset_index(drop=True)

        return replace(
            self,
            items=self.items[keep].reset_index(drop=True),
            annotations=follow(self.annotations),
            predictions=follow(self.predictions) if len(self.predictions) else self.predictions,
        )

    def fingerprint(self) -> str:
        """SHA-256 of the items, labels and class names: equal if and only if the same audit would be run again."""
        digest = hashlib.sha256("\x1f".join(self.class_names).encode())
        for table, columns in ((self.items, ITEM_COLUMNS), (self.annotations, ANNOTATION_COLUMNS[:4])):
            hashed = [*columns, *(["region_id"] if "region_id" in table else [])]
            digest.update(pd.util.hash_pandas_object(table[hashed], index=False).to_numpy().tobytes())
        return digest.hexdigest()


def with_note(dataset: LabeledDataset, note: str) -> LabeledDataset:
    """*dataset* with one thing more that was decided on the user's behalf."""
    return replace(dataset, provenance=replace(dataset.provenance, notes=(*dataset.provenance.notes, note)))


def _well_formed(table: pd.DataFrame) -> pd.DataFrame:
    texts = [name for name in ("value", "annotator", "region_id") if name in table and table[name].dtype == object]
    odd = [name for name in texts if has_halves(table[name])]
    return table.assign(**{name: table[name].map(well_formed) for name in odd}) if odd else table


def _regions(table: pd.DataFrame) -> np.ndarray:
    return table["region_id"].to_numpy(object) if "region_id" in table else np.full(len(table), "", object)


def split_span(value: str) -> tuple[str, str, str]:
    """Text before, the span, and text after, of an item that is a span."""
    before, _, rest = value.partition(SPAN_MARKS[0])
    span, _, after = rest.partition(SPAN_MARKS[1])
    return before, span, after


def encode_labels(labels: LabelsLike, classes: LabelsLike | None = None) -> tuple[np.ndarray, list]:
    """Integer codes of *labels* and the classes they index; see :func:`ntk_labelqa.inputs.labels.read_labels`."""
    read = read_labels(labels, classes=classes)
    return read.codes, read.classes.tolist()


def from_arrays(labels: LabelsLike, *, classes: LabelsLike | None = None) -> LabeledDataset:
    """A data set of plain labels, one annotation an item; ``task_id`` and ``annotation_id`` count from 0."""
    return from_labels(read_labels(labels, classes=classes))


def from_labels(labels: Labels, *, names: pd.Index | None = None) -> LabeledDataset:
    """:func:`from_arrays` of labels that are read; *names* are what the items are called, unless they only count."""
    count = len(labels)
    values = [""] * count
    if names is not None and not names.equals(pd.RangeIndex(count)):
        values = [well_formed(str(name)) for name in names]
    return LabeledDataset(
        items=pd.DataFrame({"task_id": np.arange(count), "value": values}),
        annotations=pd.DataFrame(
            {
                "annotation_id": np.arange(count),
                "item": np.arange(count),
                "annotator": [""] * count,
                "label": labels.codes,
                "updated_at": [""] * count,
            }
        ),
        class_names=tuple(str(name) for name in labels.classes),
        kind="features",
        provenance=Provenance(source="arrays"),
    )


def label_means(dataset: LabeledDataset, labels: np.ndarray | None = None) -> np.ndarray:
    """Y, float64[N, K]: each item's mean over its annotations' one-hot labels; the row of an unlabelled item is zero.

    *labels* replaces the annotations' own codes, for what-if relabellings.
    """
    codes = dataset.label_codes if labels is None else labels
    means = np.zeros((len(dataset), len(dataset.class_names)))
    np.add.at(means, (dataset.item_of_annotation, codes), 1.0)
    means /= np.maximum(means.sum(axis=1, keepdims=True), 1.0)
    return means
