"""What is said where nothing could be read, or not as it was meant."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ntk_labelqa.dataset import Provenance
from ntk_labelqa.encoders.choose import encode
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.labelstudio.reading.label_config import parse
from ntk_labelqa.labelstudio.reading.tasks import build_dataset
from tests.labelstudio.samples import CONFIG, TOPIC, annotation, choice, task

BOXES = """<View><Image name="image" value="$image"/><RectangleLabels name="box" toName="image">
<Label value="car"/><Label value="bus"/></RectangleLabels></View>"""


def refusal(tasks: list[dict[str, Any]], config: str = CONFIG) -> str:
    with pytest.raises(InvalidInputError) as raised:
        build_dataset(tasks, parse(config), Provenance("file"))
    return str(raised.value)


def box(x: float, y: float, width: float, height: float, **more: Any) -> dict[str, Any]:
    value = {"x": x, "y": y, "width": width, "height": height, "rectanglelabels": ["car"]}
    return {"id": f"{x}", "from_name": "box", "to_name": "image", "value": value} | more


def boxes(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [task(i, annotation(i, one), data={"image": "a.png"}) for i, one in enumerate(results, 1)]


def test_tasks_that_nobody_labelled() -> None:
    assert "Label some tasks first" in refusal([task(1), task(2)])


def test_annotations_that_are_all_skipped() -> None:
    said = refusal([task(1, annotation(1, choice("cars"), was_cancelled=True))])
    assert "1 annotations: skipped by the annotator, the first in annotation 1" in said
    assert "empty, or were skipped" in said


def test_a_config_of_another_project() -> None:
    said = refusal([task(i, annotation(i, choice("good", control="mood"))) for i in range(1, 4)])
    assert "Nothing was labelled with Choices 'topic'. There are: choices by 'mood' (3)." in said
    assert "Label some tasks" not in said


def test_labels_that_were_renamed() -> None:
    said = refusal([task(i, annotation(i, choice("Sports"))) for i in range(1, 4)])
    assert "Given were 'Sports' (3); the config has 'sport', 'space', 'cars'" in said
    assert "the first in annotation 1" in said


def test_regions_without_an_id() -> None:
    said = refusal(boxes([box(1, 1, 9, 9, id=""), box(2, 2, 9, 9, id="")]), BOXES)
    assert "2 regions: region without an id, the first in annotation 1" in said
    assert "`id`" in said


def test_regions_are_counted_as_regions() -> None:
    results = [box(1, 1, 9, 9), box(30, 1, 9, 9, id=""), box(60, 1, 9, 9, id="")]
    dataset = build_dataset([task(1, annotation(5, *results), data={"image": "a"})], parse(BOXES), Provenance("file"))
    assert [(gone.of, gone.ids) for gone in dataset.left_out] == [("region", (5, 5))]


@pytest.mark.parametrize(
    ("scale", "units", "remedy"), [(8.0, "pixels", "100 / the image's width"), (0.01, "fractions", "height by 100")]
)
def test_boxes_in_other_units_are_recognised_by_their_range(scale: float, units: str, remedy: str) -> None:
    corners = np.random.default_rng(0).uniform(5, 45, (20, 4)) * scale
    said = refusal(boxes([box(*map(float, corner)) for corner in corners]), BOXES)
    assert f"seem to be in {units}" in said
    assert remedy in said


def test_tiny_boxes_and_a_stray_one_are_in_per_cent() -> None:
    usual = [box(x, 5, 4, 4) for x in (1.0, 20.0, 40.0, 60.0, 80.0)]
    dataset = build_dataset(
        boxes([*usual, box(0.1, 0.1, 0.5, 0.5), box(99, 90, 30, 30)]), parse(BOXES), Provenance("f")
    )
    assert len(dataset) == 7


def test_nothing_left_to_encode_is_said_with_its_reason() -> None:
    dataset = build_dataset([task(1, annotation(1, choice("cars")))], TOPIC, Provenance("file"))
    empty = dataset.keep_items(np.zeros(1, bool), "unusable image")
    with pytest.raises(InvalidInputError, match=r"Nothing is left to audit.*1 tasks: unusable image"):
        encode(empty)
