"""Odd values, each left out by itself with its reason, and nothing that depends on the order of what is read."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ntk_labelqa.diagnostics.region_faults import find_region_faults
from ntk_labelqa.label_types.crop import Crops, split_crop
from ntk_labelqa.label_types.item_type import Shown
from ntk_labelqa.label_types.number import Number
from ntk_labelqa.label_types.segment import split_segment
from ntk_labelqa.label_types.span import nearest
from ntk_labelqa.label_types.taxonomy import Taxonomy
from ntk_labelqa.labelstudio.media.fetch import fetch_media
from ntk_labelqa.labelstudio.media.regions import CANNOT
from ntk_labelqa.labelstudio.reading.label_config import parse
from ntk_labelqa.labelstudio.reading.label_values import BAD_REGION
from ntk_labelqa.labelstudio.review.decisions import votes_of
from tests.diagnostics.test_region_faults import box, street, table
from tests.label_types.test_regions import config, left_out, of_image, point, polygon, read, rectangle, region
from tests.labelstudio.samples import annotation, task
from tests.media_files import save_sound

IMAGE = '<Image name="x" value="$image"/>'


@pytest.mark.parametrize(
    ("tag", "good", "huge"),
    [
        ("RectangleLabels", rectangle(50, 50), of_image({"x": 1e308, "y": 1, "width": 9, "height": 9})),
        ("RectangleLabels", rectangle(50, 50), of_image({"x": 1, "y": 1, "width": 1e308, "height": 1e308})),
        ("PolygonLabels", polygon(50, 50), of_image({"points": [[1, 1], [1e308, 1], [1, 1e308]]})),
        ("EllipseLabels", of_image({"x": 50, "y": 50, "radiusX": 9, "radiusY": 9}),
         of_image({"x": 1, "y": 1, "radiusX": 1e308, "radiusY": 1e308})),
        ("KeyPointLabels", point(50, 50), of_image({"x": 1e308, "y": 1, "width": 1})),
    ],
)  # fmt: skip
def test_a_huge_place_costs_its_own_region_alone(
    tag: str, good: dict[str, Any], huge: dict[str, Any], tmp_path: Path
) -> None:
    Image.new("RGB", (80, 60), "red").save(tmp_path / "1.png")
    said = [region(tag, huge, "a", "huge"), region(tag, good, "b", "good")]
    dataset = read(config(IMAGE, tag), [task(1, annotation(4, *said), data={"image": "1.png"})])
    dataset = fetch_media(dataset, root=tmp_path, cache_dir=tmp_path / "c")
    assert dataset.items["region_id"].tolist() == ["good"]
    assert sum(map(len, left_out(dataset).values())) == 1


@pytest.mark.parametrize("shown", ["Image", "Audio"])
def test_a_task_without_its_file_costs_itself_alone(shown: str, tmp_path: Path) -> None:
    Image.new("RGB", (80, 60), "red").save(tmp_path / "1.png")
    save_sound(tmp_path / "1.wav", np.sin(np.arange(16_000) / 9))
    name = {"Image": "1.png", "Audio": "1.wav"}[shown]
    drawn = rectangle(50, 50) if shown == "Image" else {"value": {"start": 0.1, "end": 0.5}}
    tasks = [
        task(number, annotation(number, region("Labels", drawn, "a", f"r{number}")), data={"file": file})
        for number, file in enumerate((name, None, name), start=1)
    ]
    dataset = read(config(f'<{shown} name="x" value="$file"/>', "Labels"), tasks)
    dataset = fetch_media(dataset, root=tmp_path, cache_dir=tmp_path / "c", max_failed=0.5)
    assert dataset.items["task_id"].tolist() == [1, 3]


def test_numbers_that_a_series_cannot_hold_cost_its_region_alone(tmp_path: Path) -> None:
    shown = '<TimeSeries name="x" value="$csv"><Channel column="v"/></TimeSeries>'
    rows = [float(value) for value in np.sin(np.arange(40))]
    tasks = [
        task(
            number,
            annotation(number, region("TimeSeriesLabels", {"value": {"start": 1, "end": 30}}, "a", f"r{number}")),
            data={"csv": {"v": values}},
        )
        for number, values in enumerate((rows, [10**400] * 40), start=1)
    ]
    dataset = fetch_media(read(config(shown, "TimeSeriesLabels"), tasks), root=tmp_path, cache_dir=tmp_path / "c")
    assert dataset.items["task_id"].tolist() == [1]
    assert left_out(dataset) == {CANNOT: (2,)}


def test_runs_of_words_that_are_no_bytes_are_no_mask() -> None:
    head = list((4 * 80 * 60).to_bytes(4, "big"))
    damaged = of_image({"rle": [*head, 0b11111000, *([255] * 60)]})
    xml = config(IMAGE, "BrushLabels")
    good = of_image({"rle": []})
    said = [region("BrushLabels", damaged, "a", "damaged"), region("BrushLabels", good, "a", "none")]
    dataset_of = [task(1, annotation(4, *said), data={"image": "1.png"})]
    with pytest.raises(Exception, match="None of the 1 tasks") as raised:
        read(xml, dataset_of)
    assert BAD_REGION in str(raised.value)


def test_a_box_that_no_float_holds_beside_others() -> None:
    odd = of_image({"x": 10**400, "y": 1, "width": 20.5, "height": 9})
    said = [region("RectangleLabels", odd, "a", "odd"), region("RectangleLabels", rectangle(50, 50), "b", "good")]
    dataset = read(config(IMAGE, "RectangleLabels"), [task(1, annotation(4, *said), data={"image": "1.png"})])
    assert left_out(dataset) == {BAD_REGION: (4,)}


def test_a_text_that_is_no_base64() -> None:
    xml = config('<Text name="x" value="$text" encoding="base64"/>', "Labels")
    said = region("Labels", {"value": {"start": 0, "end": 1, "text": "a"}}, "a", "r")
    tasks = [task(1, annotation(1, said), data={"text": "é"}), task(2, annotation(2, said), data={"text": "YWJj"})]
    assert read(xml, tasks).items["task_id"].tolist() == [2]


def test_numbers_are_written_as_they_were_said() -> None:
    number = Number()
    config_of = parse(
        '<View><Text name="x" value="$t"/><Number name="c" toName="x" min="1000000" max="1000003"/></View>'
    )
    assert config_of.class_names == ("1000000", "1000001", "1000002", "1000003")
    assert number.labels({"number": 1234567}) == ["1234567"]
    assert number.value({}, config_of.control, "1234567", ()) == {"number": 1234567}
    assert number.value({}, config_of.control, "2.5", ()) == {"number": 2.5}


def test_a_path_that_the_config_does_not_have() -> None:
    control = parse('<View><Text name="x" value="$t"/><Taxonomy name="c" toName="x" value="$tree"/></View>').control
    assert Taxonomy().value({}, control, "X / b", ()) == {"taxonomy": [["X", "b"]]}


def test_more_stars_than_anybody_tells_apart() -> None:
    with pytest.raises(Exception, match="of more than 100 stars"):
        parse('<View><Text name="x" value="$t"/><Rating name="c" toName="x" maxRating="999999999"/></View>')


@pytest.mark.parametrize(
    "result",
    [
        [None],
        [{"from_name": ["x"], "value": {}}],
        [{"from_name": "comment", "value": [1]}],
        [{"from_name": "comment", "value": {"text": [None]}}],
        [
            {"from_name": "decision", "value": {"choices": ["other"]}},
            {"from_name": "other_label", "value": {"choices": {"a": 1}}},
        ],
    ],
)
def test_an_odd_answer_is_unreadable_and_no_more(result: list[Any]) -> None:
    data = {"given_label": "a", "suggested_label": "b"}
    [vote] = votes_of([{"id": 1, "result": result, "completed_by": 1}], data, {})
    assert (vote.decision, vote.label) == ("unreadable", None)


def test_addresses_that_only_look_like_regions() -> None:
    for value in (
        "a.png#xywh=percent:-,1,1,1&rotate=0&size=1x1",
        "a.png#xywh=percent:1,1,1,1&rotate=0&size=1x1&mask=x",
    ):
        assert split_crop(value) == (value, None)
    assert split_segment("a.wav#t=-,1") == ("a.wav#t=-,1", None)


@pytest.mark.parametrize(
    "value",
    ["/data/a.png#xywh=percent:0,0,0,0&rotate=0&size=80x60", "/data/a.png#xywh=percent:1,1,9,9&rotate=0&size=80x0"],
)
def test_what_no_browser_can_cut_out_is_shown_as_it_can(value: str) -> None:
    assert "item_html" in Crops().page(Shown(1, value))


def test_which_regions_are_one_does_not_depend_on_their_order() -> None:
    xml = config(IMAGE, "RectangleLabels")

    def at(x: float, name: str) -> dict[str, Any]:
        return region("RectangleLabels", of_image({"x": x, "y": 5, "width": 20, "height": 20}), "a", name)

    several = [annotation(number, at(x, f"r{number}")) for number, x in ((1, 10), (2, 15), (3, 20))]
    one = [at(x, name) for x, name in ((10, "p"), (10.8, "q"), (11.6, "s"))]
    found = {
        (
            len(read(xml, [task(1, *annotations, data={"image": "1.png"})])),
            len(read(xml, [task(1, annotation(1, *parts), data={"image": "1.png"})])),
        )
        for annotations, parts in zip(itertools.permutations(several), itertools.permutations(one), strict=True)
    }
    assert len(found) == 1


def test_a_thousand_copies_of_one_box_are_a_thousand_faults_at_most() -> None:
    copies = [box(1, f"r{number}", "car", 10, 10, 9, 9) for number in range(1000)]
    found = find_region_faults(table(copies))
    assert len(found) == 999
    same_id = find_region_faults(pd.concat([table(street(3)), table([box(1, "r", "car", 10, 10, 9, 9)] * 2)]))
    assert not ((same_id["rule"] == "duplicate") & (same_id["region_id"] == same_id["other_region_id"])).any()


def test_a_string_is_looked_for_in_time() -> None:
    start = time.process_time()
    assert nearest("a " * 40_000, "a " * 20_000 + "b", 0) is None
    assert nearest("x Lyon y\nLy on", "Ly  on", 9) == (9, 14)
    assert time.process_time() - start < 3.0
