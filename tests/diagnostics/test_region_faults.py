"""Rules for boxes and spans: every planted fault is found, by its rule, and a clean set breaks none."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.auditing import run_audit
from ntk_labelqa.dataset import Provenance
from ntk_labelqa.diagnostics.region_faults import COLUMNS, find_region_faults
from ntk_labelqa.labelstudio.reading.label_config import parse
from ntk_labelqa.labelstudio.reading.tasks import build_dataset
from ntk_labelqa.options import AuditOptions, RegionLimits
from ntk_labelqa.report.html import render_report
from tests.labelstudio.samples import annotation, task

SIZES = {"car": (14.0, 10.0), "bus": (22.0, 16.0), "person": (5.0, 13.0)}


def table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    made = pd.DataFrame(rows, columns=list(COLUMNS))
    for name in ("text", "points", "value"):
        made[name] = made[name].fillna("")
    made["shape"] = made["shape"].astype(object).fillna("span" if made["start"].notna().any() else "box")
    return made.astype({name: kind for name, kind in COLUMNS.items() if kind != "str"})


def box(of: int, region: str, label: str, x: float, y: float, width: float, height: float, **more: Any) -> dict:
    place = {"x": x, "y": y, "width": width, "height": height, "rotation": 0.0, "aspect": 4 / 3}
    return {
        "task_id": of,
        "annotation_id": of,
        "annotator": "ann",
        "region_id": region,
        "label": label,
        **place,
        **more,
    }


def street(tasks: int, seed: int = 0) -> list[dict[str, Any]]:
    """Boxes in a grid of places, of sizes as their classes have them: none of them breaks a rule."""
    random = np.random.default_rng(seed)
    rows = []
    for of in range(tasks):
        for place in range(6):
            label = str(random.choice(list(SIZES)))
            width, height = np.array(SIZES[label]) * np.exp(random.normal(0, 0.2, 2))
            left, top = 33.0 * (place % 3) + random.uniform(0, 4), 50.0 * (place // 3) + random.uniform(0, 8)
            rows.append(box(of, f"{of}-{place}", label, left, top, min(width, 28), min(height, 40)))
    return rows


def spoiled(rule: str, given: dict[str, Any]) -> list[dict[str, Any]]:
    """*given* so that it breaks *rule*, or beside it a box that does; the one that does comes last."""
    other = {**given, "region_id": given["region_id"] + "-x"}
    alone = {"task_id": 10_000 + given["task_id"], "annotation_id": 10_000 + given["task_id"]}
    across = "bus" if given["label"] != "bus" else "car"
    middle = {"x": given["x"] + given["width"] / 4, "y": given["y"] + given["height"] / 4}
    half = {"width": given["width"] / 2, "height": given["height"] / 2}
    return {
        "outside the image": [{**given, "x": 97.0, "width": 8.0}],
        "sliver": [{**given, "width": 30.0, "height": 0.9}],
        "tiny": [{**given, "width": 0.4, "height": 0.5}],
        "odd size": [given, {**other, **alone, "x": 1.0, "y": 1.0, "width": 95.0, "height": 90.0}],
        "duplicate": [given, {**other, "x": given["x"] + 0.01}],
        "nested": [given, {**other, **middle, **half}],
        "inside another class": [given, {**other, **middle, **half, "label": across}],
    }[rule]


RULES = ("outside the image", "sliver", "tiny", "odd size", "duplicate", "nested", "inside another class")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_clean_street_breaks_no_rule(seed: int) -> None:
    assert find_region_faults(table(street(400, seed))).empty


def test_every_planted_fault_is_found_by_its_rule_in_time() -> None:
    """2,379 tasks, one fault in each of three hundred of them."""
    rows, planted = street(2379), {}
    random = np.random.default_rng(5)
    for number, at in enumerate(random.permutation(len(rows))[:300]):
        rule = RULES[number % len(RULES)]
        made = spoiled(rule, rows[at])
        planted[made[-1]["region_id"]] = rule
        rows += made[1:]
        rows[at] = made[0]
    start = time.process_time()
    found = find_region_faults(table(rows))
    assert time.process_time() - start < 5
    by_region = found.groupby("region_id")["rule"].agg(set)
    missed = {region: rule for region, rule in planted.items() if rule not in by_region.get(region, set())}
    assert missed == {}
    assert set(by_region.index) == set(planted)


def test_the_order_of_regions_changes_nothing() -> None:
    rows = [*street(60), *spoiled("nested", street(60)[7])[1:], *spoiled("duplicate", street(60)[20])[1:]]
    forth, back = (find_region_faults(table(some)) for some in (rows, rows[::-1]))
    key = ["region_id", "rule", "detail"]
    assert set(map(tuple, forth[forth["rule"] != "duplicate"][key].to_numpy())) == set(
        map(tuple, back[back["rule"] != "duplicate"][key].to_numpy())
    )
    assert (forth["rule"] == "duplicate").sum() == (back["rule"] == "duplicate").sum() == 1


def test_what_a_class_does_all_the_time_is_its_habit() -> None:
    rows = street(100)
    for row in [row for row in rows if row["label"] == "person"]:
        hat = {"y": row["y"], "height": row["height"] / 5, "label": "hat", "region_id": row["region_id"] + "-hat"}
        rows.append({**row, **hat})
    assert find_region_faults(table(rows)).empty


def test_a_turned_box_is_outside_by_its_corners() -> None:
    rows = street(30)
    inside = box(1, "turned-in", "car", 50, 20, 14, 10, rotation=45.0)
    outside = box(2, "turned-out", "car", 3, 20, 14, 10, rotation=90.0)  # turned to the left, about its corner
    found = find_region_faults(table([*rows, inside, outside]))
    assert found[found["rule"] == "outside the image"]["region_id"].tolist() == ["turned-out"]


@pytest.mark.parametrize(
    ("points", "crosses"),
    [
        ("10,10;30,10;30,30;10,30", False),
        ("10,10;30,30;30,10;10,30", True),
        ("10,10;30,10;30,10;30,30;10,30", False),  # a corner twice
        ("10,10;40,10;40,40;25,15;10,40", False),  # not convex
    ],
)
def test_a_polygon_that_crosses_itself(points: str, crosses: bool) -> None:
    polygon = box(1, "p", "car", 10, 10, 20, 20, shape="polygon", points=points)
    found = find_region_faults(table([*street(30), polygon]))
    assert ("crossing" in found["rule"].tolist()) == crosses


def test_a_place_that_cannot_be_read_breaks_a_rule() -> None:
    lost = {**box(1, "lost", "car", 0, 0, 0, 0), "x": None, "y": None, "width": None, "height": None, "shape": ""}
    found = find_region_faults(table([*street(30), lost]))
    assert found[["rule", "region_id", "suggestion"]].to_numpy().tolist() == [["unreadable", "lost", "remove"]]


def test_an_empty_mask_covers_nothing_and_lies_in_nothing() -> None:
    empty = box(1, "empty", "car", 0, 0, 0, 0, shape="mask")
    found = find_region_faults(table([*street(30), empty]))
    assert found[["rule", "region_id"]].to_numpy().tolist() == [["tiny", "empty"]]


def test_what_would_put_a_fault_right() -> None:
    outside = box(1, "out", "car", 95, 20, 12, 10)
    [fault] = find_region_faults(table([*street(30), outside])).to_dict("records")
    assert (fault["suggestion"], json.loads(fault["suggested_result"])["value"]["width"]) == ("move", 5.0)
    [fault] = find_region_faults(table([*clean_spans(), span(900, "bad", "place", 4, " Paris")])).to_dict("records")
    assert json.loads(fault["suggested_result"])["value"] == {"start": 5, "end": 10, "text": "Paris"}
    [fault] = find_region_faults(table([*clean_spans(), span(900, "bad", "person", 5, "paris")])).to_dict("records")
    assert (fault["suggestion"], fault["suggested_label"]) == ("label", "place")


def test_limits_can_be_set() -> None:
    rows = [*street(30), box(1, "thin", "car", 20, 20, 40, 3)]
    assert "sliver" not in set(find_region_faults(table(rows))["rule"])
    found = find_region_faults(table(rows), RegionLimits(longest=15))
    assert found[found["rule"] == "sliver"]["region_id"].tolist() == ["thin"]


def span(of: int, region: str, label: str, start: int, text: str) -> dict[str, Any]:
    about = {"task_id": of, "annotation_id": of, "annotator": "ann", "region_id": region, "label": label}
    return {**about, "start": start, "end": start + len(text), "text": text}


def clean_spans() -> list[dict[str, Any]]:
    names = ["Ada", "U.S.", "Bergen (Norway)", '"Emma"', "Paris", "St. Louis"]
    labels = ["person", "place", "place", "title", "place", "place"]
    return [span(of, f"s{of}", labels[of % 6], 5, names[of % 6]) for of in range(120)]


@pytest.mark.parametrize(
    ("rule", "spoilt"),
    [
        ("edge", [span(900, "bad", "place", 4, " Paris")]),
        ("edge", [span(900, "bad", "place", 5, "Paris,")]),
        ("edge", [span(900, "bad", "place", 5, "Norway)")]),
        ("overlap", [span(900, "one", "place", 5, "St. Louis"), span(900, "bad", "place", 9, "Louis county")]),
        ("odd label", [span(900, "bad", "person", 5, "paris")]),
    ],
)
def test_spans(rule: str, spoilt: list[dict[str, Any]]) -> None:
    assert find_region_faults(table(clean_spans())).empty
    found = find_region_faults(table([*clean_spans(), *spoilt]))
    assert found[["rule", "region_id"]].to_numpy().tolist() == [[rule, "bad"]]


CONFIG = """<View><Text name="t" value="$text"/><Labels name="w" toName="t"><Label value="a"/><Label value="b"/>
</Labels></View>"""


@pytest.mark.long
def test_an_audit_keeps_and_shows_them(tmp_path) -> None:
    tasks = []
    for number in range(1, 61):
        word, label = (("harbour", "a"), ("summit", "b"))[number % 2]
        text = f"by the {word} again"
        start = 6 if number == 9 else 7  # with the space before it
        value = {"start": start, "end": 7 + len(word), "text": text[start : 7 + len(word)], "labels": [label]}
        part = {"id": f"r{number}", "from_name": "w", "to_name": "t", "type": "labels", "value": value}
        tasks.append(task(number, annotation(number, part), data={"text": text}))
    audit = run_audit(build_dataset(tasks, parse(CONFIG), Provenance("file")), AuditOptions(architecture="2-L"))
    again = Audit.load(audit.save(tmp_path / "audit"))
    assert again.region_faults[["task_id", "region_id", "rule"]].to_numpy().tolist() == [[9, "r9", "edge"]]
    assert again.summary["region_faults"] == 1
    page = render_report(again)
    for said in ("1 region breaks a rule: 1 edge.", "Regions that break a rule", "edges that are none of it"):
        assert said in page
