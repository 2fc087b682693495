"""Regions that one person gave two labels: a multiple choice, and no contradiction."""

from __future__ import annotations

from typing import Any

import pytest

from ntk_labelqa.dataset import Provenance
from ntk_labelqa.labelstudio.reading.label_config import parse
from ntk_labelqa.labelstudio.reading.tasks import build_dataset
from tests.labelstudio.samples import annotation, task

LABELS = '<Label value="{}"/><Label value="{}"/>'
BOXES = (
    '<View><Image name="over" value="$image"/><RectangleLabels name="label" toName="over" choice="multiple">'
    + LABELS.format("Airplane", "Car")
    + "</RectangleLabels></View>"
)
SPANS = (
    '<View><Text name="over" value="$text"/><Labels name="label" toName="over">'
    + LABELS.format("PER", "LOC")
    + "</Labels></View>"
)


def given(value: dict[str, Any], region: str) -> dict[str, Any]:
    return {"id": region, "from_name": "label", "to_name": "over", "value": value}


def box(label: str | list[str], region: str, x: float) -> dict[str, Any]:
    place = {"x": x, "y": 10, "width": 20, "height": 20}
    named = [label] if isinstance(label, str) else label
    return given({**place, "rectanglelabels": named}, region)


def span(label: str | list[str], region: str, start: int, end: int) -> dict[str, Any]:
    named = [label] if isinstance(label, str) else label
    return given({"start": start, "end": end, "labels": named}, region)


TWICE = "several labels on one region, which --control NAME:LABEL audits one by one"


@pytest.mark.parametrize(
    ("config", "results"),
    [
        (BOXES, [box("Airplane", "a", 10), box("Car", "b", 10.4), box("Car", "c", 60)]),
        (BOXES, [box(["Airplane", "Car"], "a", 10), box("Car", "c", 60)]),
        (SPANS, [span("PER", "a", 0, 4), span("LOC", "b", 0, 4), span("LOC", "c", 5, 8)]),
        (SPANS, [span(["PER", "LOC"], "a", 0, 4), span("LOC", "c", 5, 8)]),
    ],
)
def test_two_labels_of_one_person_on_one_region_are_no_contradiction(
    config: str, results: list[dict[str, Any]]
) -> None:
    tasks = [task(1, annotation(1, *results), data={"text": "Anna was here", "image": "i.png"})]
    dataset = build_dataset(tasks, parse(config), Provenance("file"))
    assert dataset.items["region_id"].tolist() == ["c"]
    assert [(left.reason, left.ids) for left in dataset.left_out] == [(TWICE, (1,))]
    first, second = parse(config).class_names
    one_by_one = build_dataset(tasks, parse(config, f"label:{first}"), Provenance("file"))
    assert one_by_one.class_names == (first, f"not {first}")
    assert dict(zip(one_by_one.items["region_id"], one_by_one.label_codes, strict=True)) == {"a": 0, "c": 1}
    other = build_dataset(tasks, parse(config, f"label:{second}"), Provenance("file"))
    assert other.label_codes.tolist() == [0, 0]


def test_the_same_label_twice_in_one_place_is_one_region() -> None:
    results = [box("Car", "a", 10), box("Car", "b", 10)]
    dataset = build_dataset([task(1, annotation(1, *results), data={"image": "i"})], parse(BOXES), Provenance("file"))
    assert (len(dataset), len(dataset.annotations)) == (1, 1)


def test_regions_that_only_overlap_stay_two() -> None:
    results = [box("Car", "a", 10), box("Airplane", "b", 13)]
    dataset = build_dataset([task(1, annotation(1, *results), data={"image": "i"})], parse(BOXES), Provenance("file"))
    assert len(dataset) == 2


def test_a_renamed_label_beside_the_option_is_named() -> None:
    results = [box(["Car", "Boat"], "a", 10)]
    tasks = [task(1, annotation(1, *results, box("Car", "b", 60)), data={"image": "i"})]
    dataset = build_dataset(tasks, parse(BOXES, "label:Car"), Provenance("file"))
    assert dataset.items["region_id"].tolist() == ["b"]
    assert "'Boat' (1)" in dataset.provenance.notes[-1]
