"""Label Studio's tasks, as an export or a snapshot has them, to a data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ntk_labelqa.dataset import (
    ANNOTATION_COLUMNS,
    ITEM_COLUMNS,
    PREDICTION_COLUMNS,
    WHOLE_COLUMNS,
    Control,
    LabeledDataset,
    LeftOut,
    Provenance,
)
from ntk_labelqa.label_types.control_type import Said, Unusable
from ntk_labelqa.label_types.place import Place, same_regions
from ntk_labelqa.label_types.registry import region_type
from ntk_labelqa.labelstudio.corrections.authors import Authors
from ntk_labelqa.labelstudio.corrections.results import claimed_in, superseded_in
from ntk_labelqa.labelstudio.reading.label_config import LabelledControl
from ntk_labelqa.labelstudio.reading.label_values import NO_REGION, UNKNOWN_LABEL, labels_given, regions_drawn
from ntk_labelqa.labelstudio.reading.plausibility import nothing_left, refuse_other_units
from ntk_labelqa.labelstudio.reading.region_tables import region_rows, regions_table
from ntk_labelqa.labelstudio.reading.task_store import TaskStore
from ntk_labelqa.readable import readable
from ntk_labelqa.task_data import value_shown

OUR_MODEL = "ntk-labelqa"
"""Predictions whose ``model_version`` starts so are ours, and never read back as somebody's labels."""

UNANNOTATED, SKIPPED = "no annotation", "skipped by the annotator"
SUPERSEDED = "superseded by a reviewed correction"
UNREADABLE, UNREADABLE_TASK = "annotation that cannot be read", "task data that cannot be read"
UNREADABLE_PREDICTION = "prediction that cannot be read"
SHOWN_LABELS = 10
NOBODY = Authors()


def build_dataset(
    tasks: Sequence[Mapping[str, Any]],
    labelled: LabelledControl,
    provenance: Provenance,
    *,
    annotators: Mapping[int, str] | None = None,
    authors: Authors = NOBODY,
) -> LabeledDataset:
    """The data set of *tasks*, items in the order of their task ids.

    Skipped annotations, those that a reviewed correction stands in for, what has not exactly one known label, what
    cannot be read, and tasks that are left without any label are left out and listed by reason. Where the control
    labels regions, each region is an item, and those of several annotators that overlap are one.

    Args:
        tasks: as exported, each with ``id``, ``data`` and ``annotations``; read one at a time.
        labelled: what the labelling config says.
        provenance: goes along; labels that the config does not have are added to its notes.
        annotators: names by user id.
        authors: whose corrections stand in for what they correct. Other annotations that bear our mark count as any
            annotation does, and so does what they say they correct; the notes say how many there are.

    Raises:
        InvalidInputError: no annotation is left; or boxes are not in per cent.
    """
    if labelled.open_classes:
        labelled = replace(labelled, class_names=_classes_used(tasks, labelled.control))
    refuse_other_units(tasks, labelled.control)
    reader = _Reader(labelled, annotators or {}, authors)
    ids = tasks.ids if isinstance(tasks, TaskStore) else [int(task["id"]) for task in tasks]
    for row in sorted(range(len(tasks)), key=ids.__getitem__):
        reader.read(tasks[row])
    if not reader.annotations:
        raise nothing_left(tasks, labelled, reader.gone, reader.unknown)
    regions = labelled.control.of_regions
    return LabeledDataset(
        items=_table(reader.items, [*ITEM_COLUMNS, "data"], regions).astype({"task_id": np.int64}),
        annotations=_table(reader.annotations, list(ANNOTATION_COLUMNS), regions),
        class_names=labelled.class_names,
        kind=labelled.kind,
        provenance=replace(provenance, notes=(*provenance.notes, *reader.notes())),
        control=labelled.control,
        predictions=pd.DataFrame(reader.predictions, columns=list(PREDICTION_COLUMNS)),
        left_out=tuple(LeftOut(why, tuple(ids), of) for (of, why), ids in reader.gone.items()),
        regions=regions_table(reader.drawn) if reader.drawn else None,
        wholes=pd.DataFrame(list(reader.wholes.values()), columns=list(WHOLE_COLUMNS)) if reader.wholes else None,
    )


def _classes_used(tasks: Sequence[Mapping[str, Any]], control: Control) -> tuple[str, ...]:
    """The labels that were given: numbers by size, else by name."""
    said: set[str] = set()
    for task in tasks:
        for annotation in task.get("annotations") or ():
            with suppress(Exception):  # it is left out, and listed, once it is read
                given = labels_given(annotation, control, task["data"])
                said.update(one.label for one in given if isinstance(one, Said))
    return tuple(sorted(said, key=float if control.tag == "Number" else str))


def _table(rows: list[tuple[Any, ...]], columns: list[str], regions: bool) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=[*columns, "region_id"])
    return table if regions else table.drop(columns="region_id")


class _Annotation(NamedTuple):
    """What an annotation says: *known* are rows of its task's items that its regions are; None of whole items."""

    usable: list[Said]
    values: list[str]
    refused: list[Unusable]
    known: list[int | None] | None
    by: str
    saved: str
    drawn: list[dict[str, Any]]


def _because(what: str, error: Exception) -> str:
    return f"{what} ({type(error).__name__})"


class _Reader:
    """Gathers rows task by task."""

    def __init__(self, labelled: LabelledControl, annotators: Mapping[int, str], authors: Authors) -> None:
        self.labelled, self.control = labelled, labelled.control
        self.codes = {name: code for code, name in enumerate(labelled.class_names)}
        self.annotators, self.authors = annotators, authors
        self.claimed: list[int] = []
        self.reads_places = self.control.of_regions and region_type(self.control) is not None
        self.items: list[tuple[Any, ...]] = []
        self.annotations: list[tuple[Any, ...]] = []
        self.predictions: list[tuple[int, str, int]] = []
        self.gone: dict[tuple[Any, str], list[int]] = {}
        self.unknown: Counter[str] = Counter()
        self.drawn: list[dict[str, Any]] = []
        self.wholes: dict[int, tuple[Any, ...]] = {}

    def read(self, task: Mapping[str, Any]) -> None:
        first, annotations = len(self.items), task.get("annotations") or ()
        superseded = superseded_in(task, self.authors)
        self.claimed += claimed_in(task, self.authors)
        try:
            shown = self._shown(task) if annotations else ""
        except Exception as error:  # noqa: BLE001 - whatever odd values make of what reads them, it is this task's alone
            self.gone.setdefault(("task", _because(UNREADABLE_TASK, error)), []).append(int(task["id"]))
            return
        places: list[Place] = []
        for annotation in sorted(annotations, key=lambda one: int(one["id"])):
            if annotation["id"] in superseded:
                self._leave_out(annotation, SUPERSEDED)
            elif annotation.get("was_cancelled"):
                self._leave_out(annotation, SKIPPED)
            else:
                self._read_annotation(task, annotation, shown, first, places)
        if len(self.items) == first:
            self.gone.setdefault(("task", UNANNOTATED), []).append(int(task["id"]))
        elif not self.control.of_regions:
            self._read_predictions(task, first)

    def _read_annotation(
        self, task: Mapping[str, Any], annotation: Mapping[str, Any], shown: str, first: int, places: list[Place]
    ) -> None:
        """Rows for what *annotation* says, where *first* is the row of the task's first item, and *places* has the
        places of its regions so far.
        """
        try:
            said = self._said(task, annotation, shown, places)
        except Exception as error:  # noqa: BLE001 - the same of an annotation
            self._leave_out(annotation, _because(UNREADABLE, error))
            return
        for refused in said.refused:
            self._leave_out(annotation, refused.reason, "region" if self._is_of_region(refused) else "annotation")
            if refused.reason == UNKNOWN_LABEL:
                self.unknown.update(set(refused.labels))
        if said.known is not None:
            known = said.known
        else:  # a whole item is the same for all; regions whose place is not compared are items of their own
            known = [0 if len(self.items) > first and not self.control.of_regions else None] * len(said.usable)
        if self.reads_places:
            self.wholes[int(task["id"])] = (int(task["id"]), shown, int(annotation["id"]), said.by, said.saved)
            self.drawn += said.drawn
        for one, value, same in zip(said.usable, said.values, known, strict=True):
            row = len(self.items) if same is None else first + same
            if same is None:
                places += [one.place] if one.place is not None else []
                self.items.append((int(task["id"]), value, task["data"], one.region_id))
            label = self.codes[one.label]
            self.annotations.append((int(annotation["id"]), row, said.by, label, said.saved, one.region_id))

    def _said(
        self, task: Mapping[str, Any], annotation: Mapping[str, Any], shown: str, places: Sequence[Place]
    ) -> _Annotation:
        """What *annotation* says, with nothing changed by it yet."""
        found = [self._known(one) for one in labels_given(annotation, self.control, task["data"])]
        usable = [one for one in found if isinstance(one, Said)]
        drawn = [one.place for one in usable if one.place is not None]
        by = self._annotator(annotation.get("completed_by"))
        rows: list[dict[str, Any]] = []
        if self.reads_places:
            rows += region_rows(task, annotation, by, regions_drawn(annotation, self.control, task["data"]), shown)
        return _Annotation(
            usable=usable,
            values=[shown if one.place is None else one.place.value(shown) for one in usable],
            refused=[one for one in found if isinstance(one, Unusable)],
            known=same_regions(places, drawn) if drawn else None,
            by=by,
            saved=str(annotation.get("updated_at") or ""),
            drawn=rows,
        )

    def _shown(self, task: Mapping[str, Any]) -> str:
        return readable(value_shown(task["data"], self.control), self.control)

    def _known(self, said: Said | Unusable) -> Said | Unusable:
        """*said*, if it names classes of ours alone. A renamed option would read as *not chosen*."""
        if isinstance(said, Unusable):
            return said
        options = self.labelled.options
        named = set(said.named).difference(options) if options else {said.label} - self.codes.keys()
        return Unusable(UNKNOWN_LABEL, tuple(named)) if named else said

    def _is_of_region(self, refused: Unusable) -> bool:
        return self.control.of_regions and refused.reason != NO_REGION

    def _leave_out(self, annotation: Mapping[str, Any], reason: str, of: str = "annotation") -> None:
        self.gone.setdefault((of, reason), []).append(int(annotation["id"]))

    def _read_predictions(self, task: Mapping[str, Any], row: int) -> None:
        predictions = task.get("predictions")
        for prediction in predictions if isinstance(predictions, list | tuple) else ():
            if not isinstance(prediction, Mapping):  # an export may hold bare ids
                continue
            try:
                version = str(prediction.get("model_version") or "")
                said = labels_given(prediction, self.control, task["data"])[0]
            except Exception as error:  # noqa: BLE001 - the same of a prediction
                self.gone.setdefault(("prediction", _because(UNREADABLE_PREDICTION, error)), []).append(int(task["id"]))
                continue
            if isinstance(said, Said) and said.label in self.codes and not version.startswith(OUR_MODEL):
                self.predictions.append((row, version or "prediction", self.codes[said.label]))

    def _annotator(self, by: object) -> str:
        """Lists name the annotator by id, single tasks and some exports by a record."""
        if isinstance(by, Mapping):
            return str(by.get("email") or by.get("username") or f"user {by.get('id')}")
        if isinstance(by, int):
            return self.annotators.get(by, f"user {by}")
        return str(by or "unknown")

    def notes(self) -> list[str]:
        """Which other controls there are, and which labels the config lacks: a renamed class is easily corrected."""
        others = [self.labelled.note] if self.labelled.note else []
        if self.claimed:
            others.append(
                f"{len(self.claimed)} annotations bear the mark of a correction, but were not written with this key, "
                "and no journal beside the audit lists them: they count as anybody's, and hide nothing."
            )
        if not self.unknown:
            return others
        shown = ", ".join(f"{label!r} ({count})" for label, count in self.unknown.most_common(SHOWN_LABELS))
        return [*others, f"Labels that are not in the labelling config, and how often they were given: {shown}."]
