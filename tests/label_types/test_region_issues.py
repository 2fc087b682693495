"""Spurious and missing regions and broken rules: from the export to the audit, the review tasks and the correction."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.auditing import run_audit
from ntk_labelqa.dataset import LabeledDataset, Provenance
from ntk_labelqa.label_types.box import Box
from ntk_labelqa.labelstudio.corrections.plan import plan_corrections
from ntk_labelqa.labelstudio.media.fetch import fetch_media
from ntk_labelqa.labelstudio.reading.label_config import parse
from ntk_labelqa.labelstudio.reading.tasks import build_dataset
from ntk_labelqa.labelstudio.review.places import with_known_places
from ntk_labelqa.labelstudio.review.project import ReviewTask
from ntk_labelqa.labelstudio.review.push import still_standing
from ntk_labelqa.labelstudio.review.tasks import review_tasks
from ntk_labelqa.options import AuditOptions
from ntk_labelqa.report.html import render_report
from tests.labelstudio.reviews import OURS, answer, said, table_of
from tests.labelstudio.samples import annotation, task

BOXES = """<View><Image name="i" value="$image"/><RectangleLabels name="b" toName="i"><Label value="disc"/>
<Label value="square"/></RectangleLabels></View>"""
WIDTH, HEIGHT = 128, 96
TASKS, MISSING, SPURIOUS, TWICE, EMPTY = 40, {3, 5, 8, 9, 12, 14}, {20, 22, 24, 27, 29}, 33, 36
"""Numbers of the tasks, and of those with a region left out, one too many, one drawn twice, and all left out."""


def box(number: str, label: str, x: float, y: float, side: float) -> dict[str, Any]:
    """A square region, in pixels."""
    place = {"x": 100 * x / WIDTH, "y": 100 * y / HEIGHT, "width": 100 * side / WIDTH, "height": 100 * side / HEIGHT}
    value = {**place, "rotation": 0, "rectanglelabels": [label]}
    about = {"from_name": "b", "to_name": "i", "type": "rectanglelabels", "image_rotation": 0}
    return {"id": number, **about, "original_width": WIDTH, "original_height": HEIGHT, "value": value}


def pictures(folder: Path) -> tuple[list[dict[str, Any]], dict[int, dict[str, Any]]]:
    """Tasks with discs and squares on a mottled ground, faults planted; and the regions that are missing."""
    rng, tasks, missing = np.random.default_rng(11), [], {}
    for number in range(1, TASKS + 1):
        ground = rng.integers(100, 140, (12, 16, 3)).astype(np.uint8)
        image = Image.fromarray(ground).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        pen, drawn, cells = ImageDraw.Draw(image), [], rng.permutation(6)
        for place, cell in enumerate(cells[:4]):
            side, kind = rng.uniform(16, 22), int(rng.integers(2))
            x, y = 42 * (cell % 3) + rng.uniform(2, 18), 48 * (cell // 3) + rng.uniform(2, 22)
            (pen.rectangle if kind else pen.ellipse)(
                (x, y, x + side, y + side), fill=(30, 30, 200) if kind else (220, 40, 40)
            )
            drawn.append(box(f"r{number}-{place}", ("disc", "square")[kind], x, y, side))
        image.save(folder / f"{number}.png")
        if number in MISSING:
            missing[number] = drawn.pop()
        if number in SPURIOUS:
            cell = cells[5]
            drawn.append(box(f"r{number}-false", "disc", 42 * (cell % 3) + 10, 48 * (cell // 3) + 12, 19))
        if number == TWICE:
            drawn.append({**drawn[0], "id": f"r{number}-again"})
        if number == EMPTY:
            missing[number], drawn = drawn[0], []
        tasks.append(task(number, annotation(number, *drawn), data={"image": f"{number}.png"}, project=7))
    return tasks, missing


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Audit, list[dict[str, Any]], dict[int, dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("pictures")
    tasks, missing = pictures(folder)
    return run_audit(dataset_of(tasks, folder), AuditOptions(architecture="2-L")), tasks, missing


def dataset_of(tasks: list[dict[str, Any]], folder: Path) -> LabeledDataset:
    dataset = build_dataset(tasks, parse(BOXES), Provenance("test", project_id=7))
    return fetch_media(dataset, root=folder, cache_dir=folder / "cache")


def overlap(one: dict[str, Any], other: dict[str, Any]) -> float:
    boxes = [Box.read(value, (0, 0)) for value in (one, other)]
    assert boxes[0] is not None
    assert boxes[1] is not None
    return boxes[0].overlap(boxes[1])


@pytest.mark.long
def test_planted_regions_are_found_in_their_tasks_even_where_nothing_was_drawn(made) -> None:
    audit, _tasks, missing = made
    issues = audit.region_issues
    found = issues[issues["is_region_issue"] & (issues["issue"] == "missing")]
    hits = {
        row.task_id
        for row in found.itertuples()
        if row.task_id in missing
        and overlap(json.loads(row.suggested_result)["value"], missing[row.task_id]["value"]) >= 0.5
    }
    assert len(hits & MISSING) >= 5
    assert EMPTY in set(found["task_id"])
    assert found["task_id"].isin({*MISSING, EMPTY}).mean() > 0.7
    drawn = issues[issues["issue"] != "missing"].set_index("region_id")["probability"]
    assert {f"r{number}-false" for number in SPURIOUS} >= set(drawn.nlargest(5).index)
    assert audit.summary["region_issues"]["missing"]["recall"] > 0.5
    assert issues.loc[issues["is_region_issue"], "picture"].notna().all()


@pytest.mark.long
def test_the_report_shows_them(made, tmp_path: Path) -> None:
    audit = Audit.load(made[0].save(tmp_path / "audit"))
    page = render_report(audit)
    for words in ("Spurious, shifted and missing regions", "probably wrong as drawn, or not drawn", "missing ("):
        assert words in page


def answered(asked: list[dict[str, Any]], decision: str = "accept") -> list[ReviewTask]:
    return [
        ReviewTask(number, one["data"]["review_key"], True, one["data"], (said(number, 4, answer(decision)),))
        for number, one in enumerate(asked, start=1)
    ]


@pytest.mark.long
def test_each_region_is_asked_about_once_and_what_is_accepted_is_made(made) -> None:
    audit, tasks, missing = made
    asked = review_tasks(audit, project_id=7)
    places = [(one["data"]["source_annotation"], one["data"]["source_region"]) for one in asked]
    assert len(set(places)) == len(places)
    kinds = [one["data"]["kind"] for one in asked]
    assert {"missing", "rule"} <= set(kinds)
    assert kinds.index("rule") > max(place for place, kind in enumerate(kinds) if kind != "rule")
    probabilities = [one["data"]["error_probability"] for one in asked]
    assert probabilities == sorted(probabilities, reverse=True)
    by_kind = {kind: next(one["data"] for one in asked if one["data"]["kind"] == kind) for kind in set(kinds)}
    assert "add the region" in by_kind["missing"]["question"]
    assert "duplicate" in by_kind["rule"]["question"]
    assert list(still_standing(asked, tasks, parse(BOXES).control)) == list(asked)
    table = table_of(answered(asked))
    plan = plan_corrections(table, tasks, BOXES, project=7, control=parse(BOXES).control, journal={}, authors=OURS)
    assert [str(one) for one in plan.conflicts if "does not know when" not in one.why] == []
    ready = {one.correction.annotation: one for one in plan.ready}
    for one in asked:
        data = one["data"]
        before = next(part for part in tasks if part["id"] == data["source_task"])["annotations"][0]["result"]
        after = ready[data["source_annotation"]].result
        if data["kind"] == "missing":
            new = next(part for part in after if part["id"] == data["source_region"])
            assert (new["original_width"], new["type"]) == (WIDTH, "rectanglelabels")
            assert new["value"]["rectanglelabels"] == [data["suggested_label"]]
        if not data["suggested_label"]:
            assert data["source_region"] not in {part["id"] for part in after}
        touched = {other["data"]["source_region"] for other in asked}
        assert [part for part in before if part["id"] not in touched] == [
            part for part in after if part["id"] not in touched
        ]
    assert missing[EMPTY] not in ready[EMPTY].result
    kept = plan_corrections(
        table_of(answered(asked, "keep")),
        tasks,
        BOXES,
        project=7,
        control=parse(BOXES).control,
        journal={},
        authors=OURS,
    )
    assert (kept.ready, kept.conflicts) == ((), ())


@pytest.mark.long
def test_what_changed_since_the_audit_is_not_asked_about(made) -> None:
    audit, tasks, _missing = made
    asked = review_tasks(audit, project_id=7)
    rule = next(one for one in asked if one["data"]["kind"] == "rule")
    new = next(one for one in asked if one["data"]["kind"] == "missing")
    changed = []
    for one in tasks:
        [drawn] = one["annotations"]
        if one["id"] == rule["data"]["source_task"]:
            result = [part for part in drawn["result"] if part["id"] != rule["data"]["source_region"]]
            drawn = {**drawn, "result": result}
        changed.append({**one, "annotations": [] if one["id"] == new["data"]["source_task"] else [drawn]})
    left = still_standing([rule, new], changed, parse(BOXES).control)
    assert list(left) == []


def test_a_missing_region_that_moved_a_little_is_the_same_question(made) -> None:
    asked = [one for one in review_tasks(made[0], project_id=7) if one["data"]["kind"] == "missing"]
    there = answered(asked, "keep")
    moved = []
    for one in asked:
        result = json.loads(one["data"]["suggested_result"])
        result["value"]["x"] += 1.0
        about = {"suggested_result": json.dumps(result), "source_region": "elsewhere", "review_key": "p7-t1-a1-r0-x"}
        moved.append({"data": {**one["data"], **about}})
    again = with_known_places(moved, there)
    assert [one["data"]["review_key"] for one in again] == [task.key for task in there]
    far = [{"data": {**one["data"], "source_annotation": 999}} for one in moved]
    assert list(with_known_places(far, there)) == far


SPANS = """<View><Text name="t" value="$text"/><Labels name="w" toName="t"><Label value="person"/><Label value="town"/>
</Labels></View>"""
NAMES = ("Emma", "Liam", "Noor", "Otto", "Ida", "Jonas", "Mira", "Pavel", "Lena", "Oskar", "Petra", "Hugo")
TOWNS = ("Oslo", "Bergen", "Paris", "Lima", "Turin", "Kyoto", "Delhi", "Quito", "Accra", "Minsk")


@pytest.mark.long
def test_spans_that_nobody_marked_are_found_and_added() -> None:
    rng, tasks = np.random.default_rng(3), []
    for number in range(1, 121):
        name, town = str(rng.choice(NAMES)), str(rng.choice(TOWNS))
        text = f"yesterday {name} {rng.choice(['went to', 'lives near', 'wrote from'])} {town} with a heavy bag"
        marked = [(name, "person"), (town, "town")][: 1 if number <= 6 else 2]
        drawn = [
            {
                "id": f"s{number}{word}",
                "from_name": "w",
                "to_name": "t",
                "type": "labels",
                "value": {"start": (at := text.index(word)), "end": at + len(word), "text": word, "labels": [label]},
            }
            for word, label in marked
        ]
        tasks.append(task(number, annotation(number, *drawn), data={"text": text}, project=7))
    dataset = build_dataset(tasks, parse(SPANS), Provenance("test", project_id=7))
    audit = run_audit(dataset, AuditOptions(architecture="2-L"))
    worst = audit.region_issues[audit.region_issues["issue"] == "missing"].nlargest(6, "probability")
    assert set(worst["task_id"]) == set(range(1, 7))
    assert (worst["label"] == "town").all()
    asked = [one for one in review_tasks(audit, project_id=7) if one["data"]["kind"] == "missing"]
    table = table_of(answered(asked))
    plan = plan_corrections(table, tasks, SPANS, project=7, control=parse(SPANS).control, journal={}, authors=OURS)
    added = next(one for one in plan.ready if one.correction.task <= 6)
    value = added.result[-1]["value"]
    assert added.data["text"][value["start"] : value["end"]] == value["text"]
    assert value["text"] in TOWNS
    assert value["labels"] == ["town"]
