"""Spurious, shifted and missing regions of a data set: what the scan of its scenes says, as findings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from ntk_labelqa import findings
from ntk_labelqa.dataset import LabeledDataset
from ntk_labelqa.diagnostics.region_presence import RegionPresence, find_region_presence
from ntk_labelqa.label_types.item_type import RegionType
from ntk_labelqa.label_types.registry import item_type_of

SPURIOUS, SHIFTED, MISSING = "spurious", "shifted", "missing"
SHOWN = 40
"""Issues that get a picture: those that a report shows."""


@dataclass(frozen=True)
class RegionIssues:
    """What was found.

    Attributes:
        table: ``region_issues``, by task; see :mod:`ntk_labelqa.findings`.
        measured: how well planted ones are found, by issue; None where nothing could be looked for.
    """

    table: pd.DataFrame
    measured: dict[str, Any] | None


def find_region_issues(
    dataset: LabeledDataset, *, seed: int = 0, progress: Callable[[int, int], None] | None = None
) -> RegionIssues:
    """Look for regions where nothing is, regions beside their thing, and things that nobody drew.

    Args:
        dataset: regions whose wholes are here; of others nothing is said.
        seed: see :func:`ntk_labelqa.diagnostics.region_presence.find_region_presence`.
        progress: the same.
    """
    kind = item_type_of(dataset)
    wholes = dataset.wholes
    if not isinstance(kind, RegionType) or wholes is None or dataset.regions is None:
        return RegionIssues(findings.empty("region_issues"), None)
    drawn = _drawn(dataset, kind)
    scenes = kind.scenes(wholes, drawn, seed=seed)
    if not scenes:
        return RegionIssues(findings.empty("region_issues"), None)
    found = find_region_presence(scenes, len(dataset.class_names), seed=seed, progress=progress)
    if found.regions.empty:
        return RegionIssues(findings.empty("region_issues"), None)
    rows = [*_of_regions(dataset, drawn, found, kind), *_missing(dataset, wholes, found, kind)]
    table = pd.DataFrame(rows, columns=list(findings.SCHEMAS["region_issues"]))
    table = table.sort_values(["task_id", "annotation_id"], kind="stable").reset_index(drop=True)
    measured = {SPURIOUS: found.spurious, SHIFTED: found.shifted, MISSING: found.missing}
    return RegionIssues(
        findings.conform("region_issues", _with_pictures(table, wholes, kind)),
        {name: asdict(planted) for name, planted in measured.items()},
    )


def worst_first(issues: pd.DataFrame) -> pd.DataFrame:
    """The flagged rows of ``region_issues``, the most probable first."""
    flagged = issues[issues["is_region_issue"]]
    return flagged.sort_values("probability", ascending=False, kind="stable")


def _with_pictures(table: pd.DataFrame, wholes: pd.DataFrame, kind: RegionType) -> pd.DataFrame:
    """*table* with pictures of the worst."""
    pictures = pd.Series([None] * len(table), dtype=object)
    if "path" in wholes:
        paths = dict(zip(wholes["task_id"], wholes["path"], strict=True))
        for row in worst_first(table).head(SHOWN).itertuples():
            pictures[row.Index] = kind.marked(paths[row.task_id], row.value)
    return table.assign(picture=pictures)


def _drawn(dataset: LabeledDataset, kind: RegionType) -> pd.DataFrame:
    """The items with their places, once each, in the order of tasks: ``task_id, item, label, row`` of the regions."""
    of_item = pd.DataFrame(
        {
            "annotation_id": dataset.annotations["annotation_id"],
            "region_id": dataset.annotation_regions,
            "item": dataset.item_of_annotation,
            "code": dataset.label_codes,
        }
    )
    assert dataset.regions is not None  # of a data set of regions
    regions = dataset.regions.assign(row=np.arange(len(dataset.regions)))
    regions = regions[regions["shape"].isin(kind.scanned)].drop_duplicates(["annotation_id", "region_id"])
    joined = of_item.merge(regions, on=["annotation_id", "region_id"])
    joined["code"] = joined.groupby("item")["code"].transform(lambda codes: codes.mode().iloc[0])
    return joined.drop_duplicates("item").sort_values(["task_id", "item"], kind="stable").reset_index(drop=True)


def _of_regions(
    dataset: LabeledDataset, drawn: pd.DataFrame, found: RegionPresence, kind: RegionType
) -> list[dict[str, Any]]:
    """A row for each annotation's region, of the issue that it more probably has."""
    first = drawn.groupby("task_id").cumcount()
    items = drawn.set_index([drawn["task_id"], first])["item"]
    judged = found.regions.assign(
        item=items.reindex(pd.MultiIndex.from_frame(found.regions[["task_id", "region"]])).to_numpy()
    ).set_index("item")
    assert dataset.regions is not None
    assert dataset.wholes is not None
    own = {(row.annotation_id, row.region_id): row for row in dataset.regions.itertuples()}
    of_item = {row.Index: row for row in judged.itertuples()}
    of_task = {row.task_id: row for row in dataset.wholes.itertuples()}
    tasks, regions = dataset.items["task_id"].to_numpy(), dataset.annotation_regions
    rows = []
    for annotation, region in zip(dataset.annotations.itertuples(), regions, strict=True):
        seen, place = of_item.get(annotation.item), own[annotation.annotation_id, region]
        if seen is None:
            continue
        moves = kind.can_move(place.shape) and seen.kind == SHIFTED
        task = int(tasks[annotation.item])
        result = kind.moved_to(seen.suggested_place, place, of_task[task]) if moves else None
        rows.append(
            {
                "task_id": task,
                "annotation_id": annotation.annotation_id,
                "annotator": annotation.annotator,
                "region_id": region,
                "issue": SHIFTED if moves else SPURIOUS,
                "label": dataset.class_names[annotation.label],
                "probability": float(seen.probability),
                "is_region_issue": bool(seen.is_issue) and (moves or seen.kind == SPURIOUS),
                "value": place.value,
                "suggested_result": "" if result is None else json.dumps(result),
                "picture": None,
            }
        )
    return rows


def _missing(
    dataset: LabeledDataset, wholes: pd.DataFrame, found: RegionPresence, kind: RegionType
) -> list[dict[str, Any]]:
    """A row for each place where a region seems to be missing, in the last annotation of its task."""
    if dataset.control is None or not kind.can_add(dataset.control):
        return []
    of_task = {row.task_id: row for row in wholes.itertuples()}
    rows = []
    for candidate in found.candidates.itertuples():
        whole = of_task[candidate.task_id]
        place, result = kind.placed(candidate.place, whole)
        rows.append(
            {
                "task_id": candidate.task_id,
                "annotation_id": int(whole.annotation_id),
                "annotator": whole.annotator,
                "region_id": new_id(int(whole.annotation_id), candidate.place),
                "issue": MISSING,
                "label": dataset.class_names[candidate.label],
                "probability": float(candidate.probability),
                "is_region_issue": bool(candidate.is_issue),
                "value": place.value(str(whole.value)),
                "suggested_result": json.dumps(result),
                "picture": None,
            }
        )
    return rows


def new_id(annotation: int, place: Sequence[float]) -> str:
    """The id that a region gets which is added to *annotation* at *place*."""
    about = f"{annotation}|" + ",".join(f"{side:.3f}" for side in place)
    return hashlib.sha256(about.encode()).hexdigest()[:10]
