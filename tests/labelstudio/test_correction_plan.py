"""Which corrections may be written: only where the source is still what was audited."""

from __future__ import annotations

import pytest

from ntk_labelqa.dataset import Control, Provenance
from ntk_labelqa.labelstudio.corrections.clean_export import SUPERSEDED, clean_export
from ntk_labelqa.labelstudio.corrections.plan import Plan, plan_corrections
from ntk_labelqa.labelstudio.corrections.results import (
    Change,
    can_be_corrected,
    corrected_result,
    correction_id,
    given_label,
    marks_of,
)
from ntk_labelqa.labelstudio.reading.tasks import SUPERSEDED as REASON
from ntk_labelqa.labelstudio.reading.tasks import build_dataset
from tests.labelstudio.reviews import OURS, PROJECT, SAVED, answer, review_task, said, superseded, table_of
from tests.labelstudio.samples import CONFIG, TOPIC, annotation, choice, task

HERE = Provenance("test")
CONTROL = Control("topic", "text", "Choices", "text")
ACCEPTED = review_task(103, said(1, 4, answer("accept")))
KEY = ACCEPTED.key
AUDITED = annotation(103, choice("sport"), updated_at=SAVED)


def plan(*annotations, config: str = CONFIG, journal=None, tasks=(ACCEPTED,)) -> Plan:
    source = [task(3, *annotations, project=PROJECT)] if annotations else []
    table = table_of(list(tasks))
    return plan_corrections(
        table, source, config, project=PROJECT, control=CONTROL, journal=journal or {}, authors=OURS
    )


def written(**fields):
    """The correction of AUDITED as the server has it."""
    change = Change(KEY, "sport", "space")
    result = corrected_result(AUDITED["result"], CONTROL, [change], key=KEY, config=CONFIG)
    made = {"parent_annotation": 103, "unique_id": correction_id(KEY), "completed_by": 1} | fields
    return annotation(900, *result, **made)


def test_what_is_as_it_was_audited_is_ready() -> None:
    found = plan(AUDITED)
    assert [ready.correction.changes[0].final_label for ready in found.ready] == ["space"]
    assert not found.conflicts
    assert found.ready[0].result[0]["value"] == {"choices": ["space"]}
    assert AUDITED["result"][0]["value"] == {"choices": ["sport"]}


def test_the_same_moment_may_be_written_in_another_way() -> None:
    assert plan({**AUDITED, "updated_at": "2025-05-01T10:00:00.000000+00:00"}).ready


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ((), "its task is gone"),
        ((annotation(104, choice("sport")),), "its annotation was deleted"),
        (({**AUDITED, "result": [choice("cars")]},), "changed to 'cars'"),
        (({**AUDITED, "updated_at": "2025-05-01T10:00:01Z"},), "saved again"),
        (({**AUDITED, "was_cancelled": True},), "skipped"),
        ((AUDITED, written(result=[choice("cars")])), "stands there with the label 'cars'"),
        ((AUDITED, written(unique_id="of another finding")), "another correction of its annotation"),
    ],
)
def test_what_has_changed_is_a_conflict(source, why) -> None:
    found = plan(*source)
    assert not found.ready
    assert why in found.conflicts[0].why


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ('value="space"', 'value="astronautics"', "no longer has the label 'space'"),
        ('value="sport"', 'value="sports"', "no longer has the label 'sport'"),
        ('name="topic"', 'name="subject"', "the labelling config has changed"),
        ("<Choices", '<Choices choice="multiple"', "the labelling config has changed"),
    ],
)
def test_a_changed_config_is_a_conflict(before, after, why) -> None:
    found = plan(AUDITED, config=CONFIG.replace(before, after))
    assert not found.ready
    assert why in found.conflicts[0].why


def test_an_audit_that_does_not_know_when_it_was_saved_changes_nothing() -> None:
    found = plan(AUDITED, tasks=[review_task(103, said(1, 4, answer("accept")), source_updated_at="")])
    assert "does not know" in found.conflicts[0].why


def test_what_is_written_is_not_written_again() -> None:
    found = plan(AUDITED, written())
    assert (len(found.ready), len(found.there), len(found.conflicts)) == (0, 1, 0)


def test_a_correction_that_somebody_deleted_stays_deleted_until_undone() -> None:
    assert "deleted in Label Studio" in plan(AUDITED, journal={KEY: {"event": "written"}}).conflicts[0].why
    assert plan(AUDITED, journal={KEY: {"event": "undone"}}).ready
    assert plan(AUDITED, journal={KEY: {"event": "intended"}}).ready


def test_the_last_round_of_a_review_counts() -> None:
    again = review_task(103, said(2, 5, answer("keep")), round=2, number=50)
    assert not plan(AUDITED, tasks=[ACCEPTED, again]).ready
    kept = review_task(103, said(1, 4, answer("keep")))
    accepted = review_task(103, said(2, 5, answer("accept")), round=2, number=50)
    assert plan(AUDITED, tasks=[accepted, kept]).ready


@pytest.mark.parametrize("decision", ["keep", "unsure"])
def test_nothing_else_is_written(decision) -> None:
    found = plan(AUDITED, tasks=[review_task(103, said(1, 4, answer(decision)))])
    assert (found.ready, found.there, found.conflicts) == ((), (), ())


def test_all_other_answers_of_the_annotation_go_along() -> None:
    other = choice("loud", control="volume")
    result = plan({**AUDITED, "result": [other, choice("sport")]}).ready[0].result
    assert result[0] == other
    [mark] = marks_of({"result": result})
    assert (mark["review_key"], mark["given_label"]) == (KEY, "sport")


MANY = """<View><Text name="text" value="$text"/>
  <Choices name="genre" toName="text" choice="multiple"><Choice value="drama"/><Choice value="war"/></Choices>
  <Taxonomy name="place" toName="text"><Choice value="Asia"><Choice value="Japan"/><Choice value="India"/></Choice>
  </Taxonomy><Rating name="stars" toName="text" maxRating="5"/></View>"""


def other(name: str, kind: str, **value) -> dict:
    return {"from_name": name, "to_name": "text", "type": kind, "value": value}


@pytest.mark.parametrize(
    ("control", "before", "given", "final", "after"),
    [
        (
            Control("genre", "text", "Choices", "text", "war"),
            [other("genre", "choices", choices=["drama"])],
            "not war",
            "war",
            {"choices": ["drama", "war"]},
        ),
        (
            Control("genre", "text", "Choices", "text", "war"),
            [other("genre", "choices", choices=["drama", "war"])],
            "war",
            "not war",
            {"choices": ["drama"]},
        ),
        (Control("genre", "text", "Choices", "text", "war"), [], "not war", "war", {"choices": ["war"]}),
        (
            Control("place", "text", "Taxonomy", "text"),
            [other("place", "taxonomy", taxonomy=[["Asia", "Japan"]])],
            "Asia / Japan",
            "Asia / India",
            {"taxonomy": [["Asia", "India"]]},
        ),
        (
            Control("stars", "text", "Rating", "text"),
            [other("stars", "rating", rating=2)],
            "2",
            "4",
            {"rating": 4},
        ),
    ],
)
def test_other_controls_of_whole_items(control, before, given, final, after) -> None:
    accepted = review_task(103, said(1, 4, answer("accept")), given_label=given, suggested_label=final)
    beside = other("mood", "choices", choices=["glad"])
    source = [task(3, annotation(103, *before, beside, updated_at=SAVED), project=PROJECT)]
    table = table_of([accepted])
    found = plan_corrections(table, source, MANY, project=PROJECT, control=control, journal={}, authors=OURS)
    result = {part["from_name"]: part for part in found.ready[0].result}
    assert result[control.name]["value"] == after
    assert result["mood"] == beside
    child = annotation(900, *found.ready[0].result, parent_annotation=103, unique_id=correction_id(accepted.key))
    assert superseded({**source[0], "annotations": [*source[0]["annotations"], child]}) == {103}
    assert given_label(child, control, {}) == final


def test_single_levels_of_a_taxonomy_are_not_corrected() -> None:
    assert not can_be_corrected(Control("p", "t", "Taxonomy", "", "1"))
    assert can_be_corrected(Control("p", "t", "Taxonomy"))


def test_the_next_audit_leaves_out_what_is_superseded() -> None:
    tasks = [task(3, AUDITED, written(), project=PROJECT), task(4, annotation(104, choice("cars")), project=PROJECT)]
    dataset = build_dataset(tasks, TOPIC, HERE, authors=OURS)
    assert dataset.annotations["annotation_id"].tolist() == [900, 104]
    assert [(gone.reason, gone.ids) for gone in dataset.left_out] == [(REASON, (103,))]


def test_a_label_that_a_person_gave_since_counts_again() -> None:
    relabelled = {**AUDITED, "result": [choice("cars")]}
    dataset = build_dataset([task(3, relabelled, written(), project=PROJECT)], TOPIC, HERE, authors=OURS)
    assert dataset.annotations["annotation_id"].tolist() == [103, 900]


def test_anybody_elses_child_supersedes_nothing() -> None:
    copied = annotation(901, choice("space"), parent_annotation=103, unique_id="somebody's")
    assert len(build_dataset([task(3, AUDITED, copied, project=PROJECT)], TOPIC, HERE, authors=OURS).annotations) == 2


def test_the_export_holds_what_counts_and_keeps_the_rest_under_a_mark() -> None:
    source = [task(3, AUDITED, written(), project=PROJECT)]
    clean = clean_export(source, plan(AUDITED, written()))
    assert [one["id"] for one in clean.tasks[0]["annotations"]] == [900]
    assert clean.tasks[0][SUPERSEDED] == [AUDITED]
    assert (clean.applied, clean.pending) == (1, 0)


def test_the_export_puts_in_place_what_is_accepted_and_not_applied() -> None:
    untouched = task(4, annotation(104, choice("cars")), project=PROJECT)
    clean = clean_export([task(3, AUDITED, project=PROJECT), untouched], plan(AUDITED))
    assert clean.tasks[0]["annotations"][0]["result"][0]["value"] == {"choices": ["space"]}
    assert clean.tasks[0][SUPERSEDED] == [AUDITED]
    assert clean.tasks[1] == untouched
    assert (clean.applied, clean.pending) == (0, 1)
