"""Label Studio's tasks, as an export or a snapshot has them, to a data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from ntk_labelqa.dataset import (
    ANNOTATION_COLUMNS,
    PREDICTION_COLUMNS,
    Control,
    LabeledDataset,
    LeftOut,
    Provenance,
)
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.labelstudio.corrections import superseded_in
from ntk_labelqa.labelstudio.label_config import LabelledControl, choices_of

OUR_MODEL = "ntk-labelqa"
"""Predictions whose ``model_version`` starts so are ours, and never read back as somebody's labels."""

UNANNOTATED, SKIPPED = "no annotation", "skipped by the annotator"
UNKNOWN_LABEL, SEVERAL_CHOICES = "label not in the labelling config", "more than one choice"
NO_CHOICE = "no choice with this control"
SUPERSEDED = "superseded by a reviewed correction"
SHOWN_LABELS = 10


def build_dataset(
    tasks: Sequence[Mapping[str, Any]],
    labelled: LabelledControl,
    provenance: Provenance,
    *,
    annotators: Mapping[int, str] | None = None,
) -> LabeledDataset:
    """The data set of *tasks*, items in the order of their task ids.

    Skipped annotations, those that a reviewed correction stands in for, annotations without exactly one known choice,
    and tasks that are left without any annotation are left out and listed by reason.

    Args:
        tasks: as exported, each with ``id``, ``data`` and ``annotations``.
        labelled: what the labelling config says.
        provenance: goes along; labels that the config does not have are added to its notes.
        annotators: names by user id.

    Raises:
        InvalidInputError: no annotation is left.
    """
    reader = _Reader(labelled, annotators or {})
    for task in sorted(tasks, key=lambda task: int(task["id"])):
        reader.read(task)
    if not reader.annotations:
        raise InvalidInputError(
            f"None of the {len(tasks)} tasks has an annotation that could be audited.",
            why="; ".join(f"{len(ids)} {of}s: {why}" for (of, why), ids in reader.gone.items()) or "There is no task.",
            remedy="Label some tasks first, or name another control with --control.",
        )
    return LabeledDataset(
        items=pd.DataFrame(reader.items, columns=["task_id", "value"]).astype({"task_id": np.int64}),
        annotations=pd.DataFrame(reader.annotations, columns=list(ANNOTATION_COLUMNS)),
        class_names=labelled.class_names,
        kind=labelled.kind,
        provenance=replace(provenance, notes=(*provenance.notes, *reader.notes())),
        control=labelled.control,
        predictions=pd.DataFrame(reader.predictions, columns=list(PREDICTION_COLUMNS)),
        left_out=tuple(LeftOut(why, tuple(ids), of) for (of, why), ids in reader.gone.items()),
    )


class _Reader:
    """Gathers rows task by task."""

    def __init__(self, labelled: LabelledControl, annotators: Mapping[int, str]) -> None:
        self.control: Control = labelled.control
        self.codes = {name: code for code, name in enumerate(labelled.class_names)}
        self.annotators = annotators
        self.items: list[tuple[int, str]] = []
        self.annotations: list[tuple[int, int, str, int, str]] = []
        self.predictions: list[tuple[int, str, int]] = []
        self.gone: dict[tuple[Any, str], list[int]] = {}
        self.unknown: Counter[str] = Counter()

    def read(self, task: Mapping[str, Any]) -> None:
        row, kept = len(self.items), False
        superseded = superseded_in(task)
        for annotation in task.get("annotations") or ():
            given = self._given(annotation)
            code = SKIPPED if annotation.get("was_cancelled") else self._code(given)
            code = SUPERSEDED if annotation["id"] in superseded else code
            if isinstance(code, str):
                if code == UNKNOWN_LABEL:
                    self.unknown.update(given)
                self.gone.setdefault(("annotation", code), []).append(int(annotation["id"]))
                continue
            kept = True
            by = self._annotator(annotation.get("completed_by"))
            self.annotations.append((int(annotation["id"]), row, by, code, str(annotation.get("updated_at") or "")))
        if not kept:
            self.gone.setdefault(("task", UNANNOTATED), []).append(int(task["id"]))
            return
        self.items.append((int(task["id"]), _text(task["data"].get(self.control.value_key))))
        self._read_predictions(task, row)

    def _read_predictions(self, task: Mapping[str, Any], row: int) -> None:
        for prediction in task.get("predictions") or ():
            if not isinstance(prediction, Mapping):  # an export may hold bare ids
                continue
            version = str(prediction.get("model_version") or "")
            code = self._code(self._given(prediction))
            if isinstance(code, int) and not version.startswith(OUR_MODEL):
                self.predictions.append((row, version or "prediction", code))

    def _given(self, labelling: Mapping[str, Any]) -> list[str]:
        """The choices that an annotation or prediction makes with our control."""
        results = labelling.get("result") or ()
        mine = [r for r in results if isinstance(r, Mapping) and r.get("from_name") == self.control.name]
        return [choice for result in mine for choice in choices_of(result)]

    def _code(self, given: Sequence[str]) -> int | str:
        """The class code of the choices made, or the reason why there is none."""
        if len(given) == 1:
            return self.codes.get(given[0], UNKNOWN_LABEL)
        return SEVERAL_CHOICES if given else NO_CHOICE

    def _annotator(self, by: object) -> str:
        """Lists name the annotator by id, single tasks and some exports by a record."""
        if isinstance(by, Mapping):
            return str(by.get("email") or by.get("username") or f"user {by.get('id')}")
        if isinstance(by, int):
            return self.annotators.get(by, f"user {by}")
        return str(by or "unknown")

    def notes(self) -> list[str]:
        """Which labels the config does not have: a renamed or deleted class is a likely reason, and easily mended."""
        if not self.unknown:
            return []
        shown = ", ".join(f"{label!r} ({count})" for label, count in self.unknown.most_common(SHOWN_LABELS))
        return [f"Labels that are not in the labelling config, and how often they were given: {shown}."]


def _text(value: object) -> str:
    return "" if value is None else str(value)
