"""What a new audit does to a review queue that people are at work in."""

from __future__ import annotations

import pytest

from ntk_labelqa.labelstudio.review import queue as review_queue
from ntk_labelqa.labelstudio.review.queue import QueuePlan, plan_queue
from tests.labelstudio.reviews import answer, review_task, said

LATER = "2025-06-03T00:00:00+00:00"


def finding(source: int, **data):
    return {"data": dict(review_task(source, **({"audited_at": LATER} | data)).data)}


def queue(there, wanted) -> QueuePlan:
    return plan_queue(there, wanted, audited_at=LATER, control="topic")


def keys(plan: QueuePlan) -> list[str]:
    return [task["data"]["review_key"] for task in plan.wanted]


def test_the_same_findings_change_nothing() -> None:
    there = [review_task(103), review_task(104)]
    plan = queue(there, [finding(103), finding(104)])
    assert (plan.removed, plan.withdrawn, plan.renewed, plan.raised_again) == ([], 0, 0, 0)
    assert keys(plan) == [task.key for task in there]


def test_unanswered_findings_that_no_longer_hold_are_withdrawn() -> None:
    answered = review_task(104, said(1, 4, answer("keep")))
    plan = queue([review_task(103), answered, review_task(105)], [finding(105)])
    assert plan.removed == [103]
    assert plan.withdrawn == 1


@pytest.mark.parametrize("mark", [{"source_control": "volume"}, {"audited_at": "2025-07-01T00:00:00+00:00"}])
def test_findings_of_another_control_or_a_later_audit_stay(mark) -> None:
    assert queue([review_task(103, **mark)], [finding(105)]).removed == []


@pytest.mark.parametrize(
    "change",
    [{"suggested_label": "cars"}, {"error_probability": 0.75}, {"source_updated_at": "2025-05-09T00:00:00Z"}],
)
def test_an_unanswered_task_is_made_anew_when_it_shows_what_is_no_longer_so(change) -> None:
    plan = queue([review_task(103)], [finding(103, **change)])
    assert (plan.removed, plan.renewed, plan.withdrawn) == ([103], 1, 0)
    assert plan.wanted[0]["data"] | change == plan.wanted[0]["data"]


def test_a_little_more_or_less_sure_is_no_change() -> None:
    assert queue([review_task(103)], [finding(103, error_probability=0.93)]).removed == []


@pytest.mark.parametrize("decision", ["keep", "unsure"])
@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({}, False),
        ({"error_probability": 0.75}, False),
        ({"error_probability": 0.8}, True),
        ({"suggested_label": "cars"}, True),
    ],
)
def test_a_kept_label_is_doubted_again_only_on_new_evidence(decision, change, again) -> None:
    kept = review_task(103, said(1, 4, answer(decision)), error_probability=0.6)
    plan = queue([kept], [finding(103, **({"error_probability": 0.6} | change))])
    assert keys(plan) == ([f"{kept.key}~2"] if again else [])
    assert (plan.raised_again, plan.answered, plan.removed) == (int(again), int(not again), [])


def test_the_second_round_is_measured_against_itself() -> None:
    first = review_task(103, said(1, 4, answer("keep")), error_probability=0.6)
    second = review_task(103, said(2, 4, answer("keep")), error_probability=0.85, round=2, number=50)
    assert queue([first, second], [finding(103, error_probability=0.9)]).wanted[:] == []
    asked = review_task(103, error_probability=0.85, round=2, number=50)
    assert keys(queue([first, asked], [finding(103, error_probability=0.85)])) == [asked.key]


@pytest.mark.parametrize(("decision", "again"), [("accept", True), ("keep", False)])
def test_an_accepted_correction_of_a_label_saved_again_is_asked_anew(decision, again) -> None:
    task = review_task(103, said(1, 4, answer(decision)))
    plan = queue([task], [finding(103, source_updated_at="2025-05-09T00:00:00Z")])
    assert plan.raised_again == int(again)


def test_reviewers_who_disagree_are_left_to_settle_it() -> None:
    disputed = review_task(103, said(1, 4, answer("keep")), said(2, 5, answer("accept")))
    assert queue([disputed], [finding(103, suggested_label="cars")]).raised_again == 0


def order_after(there, plan: QueuePlan) -> list[str]:
    """Keys by task id, once the server has removed and imported."""
    left = {task.key: task.id for task in there if task.id not in plan.removed}
    imported = [key for key in keys(plan) if key not in left]
    return [*sorted(left, key=left.__getitem__), *imported]


def test_the_worst_stand_first_again() -> None:
    sure = {103: 0.99, 104: 0.95, 105: 0.93}
    there = [review_task(source, number=source - 102, error_probability=sure[source]) for source in sure]
    wanted = [finding(source, error_probability=(sure | {109: 0.97})[source]) for source in (103, 109, 104, 105)]
    plan = queue(there, wanted)
    assert order_after(there, plan) == keys(plan)
    assert plan.removed == [2, 3]
    assert plan.renewed == 2


def test_small_changes_move_nothing_by_themselves() -> None:
    there = [review_task(103, number=1, error_probability=0.92), review_task(104, number=2, error_probability=0.91)]
    wanted = [finding(104, error_probability=0.93), finding(103), finding(109, error_probability=0.7)]
    plan = queue(there, wanted)
    assert plan.removed == []
    assert order_after(there, plan)[-1] == keys(plan)[-1]


def test_a_very_long_queue_gets_new_findings_at_its_end(monkeypatch) -> None:
    monkeypatch.setattr(review_queue, "MOST_REORDERED", 1)
    there = [review_task(103, number=1), review_task(104, number=2)]
    plan = queue(there, [finding(109, error_probability=0.99), finding(103), finding(104)])
    assert (plan.removed, plan.behind) == ([], 2)
    monkeypatch.setattr(review_queue, "MOST_REORDERED", 2)
    assert queue(there, [finding(109, error_probability=0.99), finding(103), finding(104)]).removed == [1, 2]
