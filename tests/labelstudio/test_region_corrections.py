"""Corrections of regions: those of one annotation together in one new one, and nothing else of it touched."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from ntk_labelqa.dataset import Provenance
from ntk_labelqa.labelstudio.corrections.clean_export import SUPERSEDED, clean_export
from ntk_labelqa.labelstudio.corrections.plan import Plan, plan_corrections
from ntk_labelqa.labelstudio.corrections.results import correction_id, given_label
from ntk_labelqa.labelstudio.reading.label_config import parse
from ntk_labelqa.labelstudio.reading.tasks import build_dataset
from ntk_labelqa.labelstudio.review.project import ReviewTask
from tests.labelstudio.reviews import OURS, PROJECT, SAVED, answer, review_task, said, superseded, table_of
from tests.labelstudio.samples import annotation, task

BOXES = """<View><Image name="image" value="$image"/><RectangleLabels name="box" toName="image">
<Label value="car"/><Label value="bus"/><Label value="van"/></RectangleLabels>
<Choices name="state" toName="image" perRegion="true"><Choice value="new"/><Choice value="old"/></Choices></View>"""
SPANS = """<View><Text name="text" value="$text"/><Labels name="word" toName="text">
<Label value="car"/><Label value="bus"/><Label value="van"/></Labels></View>"""
PLACE = {"x": 1.0, "y": 2.0, "width": 9.0, "height": 9.0, "rotation": 0}
SIZE = {"original_width": 640, "original_height": 480, "image_rotation": 0}


def box(region: str, *labels: str, left: float = 0.0, **fields: Any) -> dict[str, Any]:
    value = {**PLACE, "x": left, "rectanglelabels": list(labels)}
    shown = {"id": region, "from_name": "box", "to_name": "image", "type": "rectanglelabels", "origin": "manual"}
    return {**shown, **SIZE, "value": value, **fields}


RELATION = {"type": "relation", "from_id": "a", "to_id": "b", "direction": "right", "labels": []}
STATE = {**box("a"), "from_name": "state", "type": "choices", "value": {**PLACE, "choices": ["new"]}}
RESULT = [
    box("a", "car"),
    STATE,
    box("b", "bus", left=30, meta={"text": ["a note"]}),
    RELATION,
    box("c", "van", left=60),
]
AUDITED = annotation(103, *RESULT, updated_at=SAVED)


def asked(
    region: str, given: str, final: str, *, decision: str = "accept", number: int = 0, **fields: Any
) -> ReviewTask:
    about = {"source_region": region, "given_label": given, "suggested_label": final, "source_control": "box"}
    return review_task(103, said(1, 4, answer(decision)), number=number or ord(region[0]), **about | fields)


A, C = asked("a", "car", "bus"), asked("c", "van", "car")


def plan(
    annotations: list[dict[str, Any]],
    reviews: list[ReviewTask],
    xml: str = BOXES,
    control: str = "box",
    journal: Any = None,
    **fields: Any,
) -> Plan:
    source = [task(3, *annotations, project=PROJECT, **fields)] if annotations else []
    table = table_of(reviews)
    return plan_corrections(
        table, source, xml, project=PROJECT, control=parse(xml, control).control, journal=journal or {}, authors=OURS
    )


def written(found: Plan, **fields: Any) -> dict[str, Any]:
    """The correction that *found* has ready, as the server has it afterwards."""
    [ready] = found.ready
    made = {"parent_annotation": 103, "unique_id": correction_id(ready.correction.key), "completed_by": 1}
    return annotation(900, *ready.result, **made | fields)


def test_two_regions_of_one_annotation_become_one_correction_and_the_rest_is_as_it_was() -> None:
    before = copy.deepcopy(AUDITED)
    found = plan([AUDITED], [A, C])
    [ready] = found.ready
    assert [(one.region_id, one.final_label) for one in ready.correction.changes] == [("a", "bus"), ("c", "car")]
    assert before == AUDITED
    assert [part.get("id") for part in ready.result] == [part.get("id") for part in RESULT]
    assert ready.result[1:4] == RESULT[1:4]
    for place, label in ((0, "bus"), (4, "car")):
        now, was = ready.result[place], RESULT[place]
        assert now["value"] == {**was["value"], "rectanglelabels": [label]}
        assert {key: now[key] for key in was if key != "value"} == {key: was[key] for key in was if key != "value"}
    marks = [ready.result[place]["meta"]["ntk_labelqa"] for place in (0, 4)]
    assert [mark["review_key"] for mark in marks] == [A.key, C.key]
    assert len({mark["correction"] for mark in marks}) == 1


def test_the_next_audit_takes_the_correction_in_place_of_the_annotation() -> None:
    child = written(plan([AUDITED], [A, C]))
    tasks = [task(3, AUDITED, child, project=PROJECT, data={"image": "a.png"})]
    assert superseded(tasks[0]) == {103}
    dataset = build_dataset(tasks, parse(BOXES, "box"), Provenance("file"))
    labels = dict(zip(dataset.annotation_regions, dataset.label_codes, strict=True))
    assert {region: dataset.class_names[code] for region, code in labels.items()} == {
        "a": "bus",
        "b": "bus",
        "c": "car",
    }


def test_what_is_there_is_not_written_again_and_what_was_accepted_since_waits_for_another_audit() -> None:
    child = written(plan([AUDITED], [A]))
    again = plan([AUDITED, child], [A])
    assert (len(again.there), again.ready, again.conflicts) == (1, (), ())
    more = plan([AUDITED, child], [A, C])
    assert [one.correction.changes[0].region_id for one in more.conflicts] == ["c"]
    assert "another correction of its annotation is there already" in more.conflicts[0].why
    assert (len(more.there), more.ready) == (1, ())


def test_a_correction_has_one_name_whichever_regions_it_is_of_and_another_once_the_annotation_was_saved() -> None:
    names = {plan([AUDITED], reviews).ready[0].correction.key for reviews in ([A], [C], [A, C])}
    assert len(names) == 1
    later = "2025-07-01T10:00:00Z"
    saved = {**AUDITED, "updated_at": later}
    assert plan([saved], [asked("a", "car", "bus", source_updated_at=later)]).ready[0].correction.key not in names


def test_a_child_stands_in_no_more_once_a_person_changes_a_corrected_region() -> None:
    child = written(plan([AUDITED], [A, C]))
    changed = {**AUDITED, "result": [*RESULT[:4], box("c", "bus", left=60)]}
    assert superseded(task(3, changed, child)) == set()
    assert superseded(task(3, {**AUDITED, "result": RESULT[1:]}, child)) == set()
    assert superseded(task(3, AUDITED, {**child, "unique_id": "somebody's copy"})) == set()


@pytest.mark.parametrize(
    ("result", "fields", "why"),
    [
        (RESULT[1:], {}, "its region was deleted since the audit"),
        ([box("a", "van"), *RESULT[1:]], {}, "its label was changed to 'van' since the audit"),
        ([box("a", "car", "bus"), *RESULT[1:]], {}, "its region was deleted since the audit"),
        (RESULT, {"updated_at": "2025-07-01T10:00:00Z"}, "saved again since the audit"),
        (RESULT, {"was_cancelled": True}, "skipped since the audit"),
    ],
)
def test_what_changed_since_is_left_alone(result: list, fields: dict[str, Any], why: str) -> None:
    found = plan([annotation(103, *result, **{"updated_at": SAVED, **fields})], [A])
    assert found.ready == ()
    assert why in found.conflicts[0].why


def test_a_label_that_the_config_lost_costs_its_own_region_alone() -> None:
    found = plan([AUDITED], [A, C], xml=BOXES.replace('<Label value="van"/>', ""))
    assert [one.region_id for one in found.ready[0].correction.changes] == ["a"]
    assert "no longer has the label 'van'" in found.conflicts[0].why
    assert found.conflicts[0].correction.changes[0].region_id == "c"


def test_a_choice_of_one_region_is_corrected_with_its_place() -> None:
    found = plan([AUDITED], [asked("a", "new", "old", source_control="state")], control="state")
    [ready] = found.ready
    assert ready.result[1]["value"] == {**PLACE, "choices": ["old"]}
    assert [ready.result[0], *ready.result[2:]] == [RESULT[0], *RESULT[2:]]
    assert superseded(task(3, AUDITED, written(found))) == {103}


def test_spans_are_corrected_where_they_stand() -> None:
    value = {"start": 6, "end": 9, "text": "bus", "labels": ["car"]}
    span = {"id": "s", "from_name": "word", "to_name": "text", "type": "labels", "value": value}
    source = annotation(103, span, updated_at=SAVED)
    found = plan(
        [source], [asked("s", "car", "bus", source_control="word")], SPANS, "word", data={"text": "a red bus."}
    )
    assert found.ready[0].result[0]["value"] == {**value, "labels": ["bus"]}
    moved = plan(
        [source], [asked("s", "car", "bus", source_control="word")], SPANS, "word", data={"text": "other text"}
    )
    assert "its region was deleted since the audit" in moved.conflicts[0].why


@pytest.mark.parametrize(
    ("labels", "given", "final", "after"),
    [(["car", "bus"], "bus", "not bus", ["car"]), (["car"], "not bus", "bus", ["car", "bus"])],
)
def test_one_label_of_several_is_taken_off_or_put_on(
    labels: list[str], given: str, final: str, after: list[str]
) -> None:
    source = annotation(103, box("a", *labels), updated_at=SAVED)
    found = plan([source], [asked("a", given, final, source_control="box:bus")], control="box:bus")
    assert found.ready[0].result[0]["value"]["rectanglelabels"] == after
    control = parse(BOXES, "box:bus").control
    child = written(found)
    assert given_label(child, control, {}, "a") == final
    assert superseded(task(3, source, child)) == {103}


def test_the_only_label_of_a_region_is_not_taken_off() -> None:
    source = annotation(103, box("a", "bus"), updated_at=SAVED)
    found = plan([source], [asked("a", "bus", "not bus", source_control="box:bus")], control="box:bus")
    assert "the only label of its region" in found.conflicts[0].why


def test_an_export_has_the_corrections_in_place() -> None:
    source = [task(3, AUDITED, project=PROJECT)]
    [cleaned] = clean_export(source, plan([AUDITED], [A, C])).tasks
    assert cleaned["annotations"][0]["result"][4]["value"]["rectanglelabels"] == ["car"]
    assert cleaned[SUPERSEDED] == [AUDITED]


def test_a_correction_that_was_deleted_in_label_studio_is_not_written_again() -> None:
    key = plan([AUDITED], [A]).ready[0].correction.key
    found = plan([AUDITED], [A, C], journal={key: {"event": "written"}}, authors=OURS)
    assert found.ready == ()
    assert {one.why for one in found.conflicts} == {"its correction was deleted in Label Studio since"}


PLACED = {"x": 40.0, "y": 50.0, "width": 20.0, "height": 20.0, "rotation": 0}
ADDED = json.dumps({"value": PLACED, "original_width": 640, "original_height": 480, "image_rotation": 0})
MOVED = json.dumps({"value": {"x": 5.0, "width": 4.0}})


def removal(region: str, given: str, kind: str = "spurious", **fields: Any) -> ReviewTask:
    return asked(region, given, "", kind=kind, **fields)


def test_a_region_that_is_taken_away_goes_with_all_that_was_said_of_it_and_nothing_else() -> None:
    found = plan([AUDITED], [removal("a", "car")])
    [ready] = found.ready
    assert ready.result == [RESULT[2], RESULT[4]]  # its state and its relation go with it
    assert str(ready.correction.changes[0]) == "region a, 'car' to be taken away"
    child = written(found)
    assert superseded(task(3, AUDITED, child, project=PROJECT)) == {103}
    there = plan([AUDITED, child], [removal("a", "car")])
    assert (len(there.there), there.ready, there.conflicts) == (1, (), ())


def test_a_correction_without_a_mark_stands_in_as_long_as_nobody_saves_its_parent() -> None:
    child = written(plan([AUDITED], [removal("a", "car")]))
    again = {**AUDITED, "updated_at": "2025-07-01T10:00:00Z"}
    assert superseded(task(3, again, child, project=PROJECT)) == set()
    assert superseded(task(3, AUDITED, {**child, "unique_id": "copied"}, project=PROJECT)) == set()
    other = plan([AUDITED, child], [removal("c", "van")])
    assert "another correction of its annotation" in other.conflicts[0].why


def test_the_only_region_can_be_taken_away() -> None:
    source = annotation(103, box("a", "car"), updated_at=SAVED)
    found = plan([source], [removal("a", "car")])
    assert found.ready[0].result == []
    assert superseded(task(3, source, written(found), project=PROJECT)) == {103}


def test_a_missing_region_is_added_at_the_end_with_a_mark() -> None:
    new = asked("new", "", "bus", kind="missing", suggested_result=ADDED)
    found = plan([AUDITED], [new, C])
    [ready] = found.ready
    assert ready.result[:4] == RESULT[:4]
    made = ready.result[5]
    assert made["value"] == {**PLACED, "rectanglelabels": ["bus"]}
    assert {name: made[name] for name in box("new")} == {**box("new"), "value": made["value"]}
    assert made["meta"]["ntk_labelqa"]["given_label"] == ""
    child = written(found)
    assert superseded(task(3, AUDITED, child, project=PROJECT)) == {103}
    drawn_since = {**AUDITED, "result": [*RESULT, box("new", "bus")]}
    assert superseded(task(3, drawn_since, child, project=PROJECT)) == set()
    assert "its region is there already" in plan([drawn_since], [new]).conflicts[0].why
    assert len(plan([AUDITED, child], [new, C]).there) == 1


def test_a_missing_region_may_get_another_label_than_was_suggested() -> None:
    told = said(1, 4, answer("other", "van"))
    new = asked("new", "", "bus", kind="missing", suggested_result=ADDED)
    new = review_task(103, told, number=9, **{**new.data, "suggested_label": "bus"})
    [ready] = plan([AUDITED], [new]).ready
    assert ready.result[5]["value"] == {**PLACED, "rectanglelabels": ["van"]}


def test_a_region_that_moves_keeps_its_label_and_all_else() -> None:
    found = plan([AUDITED], [asked("b", "bus", "bus", kind="rule", suggested_result=MOVED)])
    [ready] = found.ready
    assert [ready.result[0], *ready.result[3:]] == [RESULT[0], *RESULT[3:]]
    now = ready.result[2]
    assert now["value"] == {**RESULT[2]["value"], "x": 5.0, "width": 4.0}
    assert now["meta"]["text"] == ["a note"]
    child = written(found)
    assert superseded(task(3, AUDITED, child, project=PROJECT)) == {103}
    moved = {**AUDITED, "result": [*RESULT[:2], {**RESULT[2], "value": {**RESULT[2]["value"], "x": 31}}, *RESULT[3:]]}
    assert superseded(task(3, moved, child, project=PROJECT)) == set()


def test_keeping_a_place_and_moving_it_are_no_agreement() -> None:
    about = {"source_region": "b", "given_label": "bus", "suggested_label": "bus", "source_control": "box"}
    votes = (said(1, 4, answer("accept")), said(2, 5, answer("keep")))
    both = review_task(103, *votes, number=9, kind="rule", suggested_result=MOVED, **about)
    assert table_of([both])["decision"].tolist() == ["conflict"]
    kept = review_task(103, votes[1], number=9, kind="rule", suggested_result=MOVED, **about)
    assert plan([AUDITED], [kept]).ready == ()


def test_a_region_with_other_labels_is_not_taken_away() -> None:
    source = annotation(103, box("a", "car", "bus"), box("b", "bus"), updated_at=SAVED)
    found = plan([source], [removal("a", "bus", kind="rule")])
    assert found.ready == ()
    assert "other labels" in found.conflicts[0].why


def test_a_region_whose_id_stands_there_twice_is_not_taken_away() -> None:
    source = annotation(103, box("a", "bus"), box("a", "bus"), updated_at=SAVED)
    assert "its id twice" in plan([source], [removal("a", "bus", kind="rule")]).conflicts[0].why


def test_two_corrections_of_one_region_are_a_conflict_in_any_order() -> None:
    relabel, remove = asked("a", "car", "bus"), removal("a", "car", number=77)
    for reviews in ([relabel, remove, C], [remove, relabel, C]):
        found = plan([AUDITED], reviews)
        assert [change.region_id for change in found.ready[0].correction.changes] == ["c"]
        assert ["two corrections of one region" in one.why for one in found.conflicts] == [True, True]


def test_another_label_without_a_label_is_no_answer() -> None:
    told = said(1, 4, answer("other"))
    new = review_task(103, told, number=9, **removal("a", "car").data)
    assert table_of([new])["decision"].tolist() == ["unreadable"]


@pytest.mark.parametrize(
    "odd",
    [None, {"id": "a", "from_name": "box"}, {**box("z", "car"), "meta": "note"}, {"from_name": "box", "value": [1]}],
)
def test_odd_parts_of_a_result_stay_where_they_are(odd: Any) -> None:
    source = annotation(103, odd, *RESULT, updated_at=SAVED)
    found = plan([source], [A, C])
    assert found.ready[0].result[0] == odd
    assert found.ready[0].result[1]["value"]["rectanglelabels"] == ["bus"]


@pytest.mark.parametrize(
    "fields",
    [
        {"parent_annotation": {"id": 3}},
        {"parent_annotation": 103, "result": [{**box("a", "bus"), "meta": {"ntk_labelqa": {"a": 1}}}]},
        {"parent_annotation": 103, "result": [{**box("a", "bus"), "meta": "note"}]},
        {"parent_annotation": 103, "updated_at": 7},
    ],
)
def test_what_only_looks_like_a_correction_replaces_nothing(fields: dict[str, Any]) -> None:
    child = {**annotation(900, box("a", "bus")), **fields}
    tasks = [task(3, {**AUDITED, "updated_at": 5}, child, project=PROJECT, data={"image": "a.png"})]
    assert superseded(tasks[0]) == set()
    assert len(build_dataset(tasks, parse(BOXES, "box"), Provenance("test"))) >= 3
