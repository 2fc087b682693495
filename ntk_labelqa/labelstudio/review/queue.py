"""The living review queue: what a new audit changes in a review project that people are at work in.

What people have answered stays. Of the rest, findings that no longer hold are withdrawn, those whose evidence changed
are shown anew, and the worst stand first again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ntk_labelqa.labelstudio.corrections.results import same_moment
from ntk_labelqa.labelstudio.review.decisions import CORRECTING, agree, votes_of
from ntk_labelqa.labelstudio.review.project import ReviewTask
from ntk_labelqa.labelstudio.review.tasks import REVIEW_KEY, finding_key, next_round, round_of
from ntk_labelqa.labelstudio.review.wanted import Wanted

MOVED = 0.1
"""An unanswered task is shown anew if its error probability, as the page tells it, is off by so much."""
RISEN = 0.2
"""A label that reviewers kept is doubted again only if its error probability is higher by so much than it was then."""
MOST_REORDERED = 3000
"""Tasks have to be made again to change places, 200 a second; beyond so many, new findings are put at the end."""

RAISED_AGAIN = ("keep", "unsure", "skipped")


@dataclass(frozen=True)
class QueuePlan:
    """How the review project gets from what it holds to what it should hold.

    Attributes:
        wanted: tasks that have to be there, worst first; those of findings that people have answered are not among
            them.
        removed: ids of unanswered tasks of ours that have to go first; some come back as part of *wanted*.
        withdrawn: how many findings no longer hold.
        renewed: how many unanswered tasks are made again, for their evidence or their place in the queue.
        raised_again: how many findings are raised another time.
        answered: findings that people have answered, and whose answer stands.
        behind: unanswered tasks that stand before a more probable finding, for too many would have had to move.
    """

    wanted: Wanted
    removed: list[int]
    withdrawn: int
    renewed: int
    raised_again: int
    answered: int
    behind: int


def plan_queue(
    there: Sequence[ReviewTask], wanted: Sequence[dict[str, Any]], *, audited_at: str, control: str
) -> QueuePlan:
    """What a push of the findings *wanted* has to do.

    Args:
        there: the review project's tasks, without duplicates.
        wanted: see :func:`ntk_labelqa.labelstudio.review.tasks.review_tasks`.
        audited_at: when the audit was made, ISO 8601. What a later audit put there is left alone.
        control: the audited control; tasks about others are left alone.
    """
    newest: dict[str, ReviewTask] = {}
    for task in there:
        key = finding_key(task.key)
        if key not in newest or round_of(task.key) >= round_of(newest[key].key):
            newest[key] = task
    wanted = Wanted.of(wanted)
    standing: list[ReviewTask] = []
    stale: list[ReviewTask] = []
    queue: list[int] = []
    renamed: dict[int, dict[str, Any]] = {}
    still_raised: set[str] = set()
    worst, again, answered = 0.0, 0, 0
    for row, data in enumerate(wanted.outlines()):
        key, stands = data[REVIEW_KEY], False
        last = newest.get(key)
        if last is not None:
            still_raised.add(key)
            if not last.touched:
                key, stands = last.key, not _is_stale(last, data)
                (standing if stands else stale).append(last)
            elif evidence_changed(last, data):
                key, again = next_round(last.key), again + 1
            else:
                answered += 1
                continue
        queue.append(row)
        if key != data[REVIEW_KEY]:
            renamed[row] = {REVIEW_KEY: key}
        if not stands:
            worst = max(worst, float(data["error_probability"]))
    withdrawn = _withdrawn(there, still_raised, audited_at, control)
    moved = _out_of_place(standing, worst)
    moved, behind = (moved, 0) if len(moved) <= MOST_REORDERED else ([], len(moved))
    return QueuePlan(
        wanted.chosen(queue, renamed),
        [task.id for task in (*withdrawn, *stale, *moved)],
        len(withdrawn),
        len(stale) + len(moved),
        again,
        answered,
        behind,
    )


def evidence_changed(task: ReviewTask, data: Mapping[str, Any]) -> bool:
    """Whether an answered finding has to be raised again.

    A label that was kept, or that nobody was sure of: only if another label is suggested now, or the error probability
    has risen by :data:`RISEN`. One that reviewers want changed: only if its annotation was saved again since, or the
    suggestion that they accepted is no longer what the audit says, for then the correction is not applied.
    """
    decision, _ = agree(votes_of(task.annotations, task.data, {}))
    if decision in RAISED_AGAIN:
        risen = float(data["error_probability"]) - float(task.data["error_probability"])
        return bool(data["suggested_label"] != task.data["suggested_label"] or risen >= RISEN)
    other = decision == "accept" and data["suggested_label"] != task.data["suggested_label"]
    return decision in CORRECTING and (other or _saved_again(task.data, data))


def _is_stale(task: ReviewTask, data: Mapping[str, Any]) -> bool:
    """Whether an unanswered task shows something that is no longer so."""
    moved = abs(float(data["error_probability"]) - float(task.data["error_probability"]))
    other = data["suggested_label"] != task.data["suggested_label"]
    return other or moved >= MOVED or _saved_again(task.data, data)


def _saved_again(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    then, since = before.get("source_updated_at"), now.get("source_updated_at")
    return bool(since) and (not then or not same_moment(then, since))


def _withdrawn(
    there: Sequence[ReviewTask], still_raised: Collection[str], audited_at: str, control: str
) -> list[ReviewTask]:
    """Unanswered tasks of earlier audits of the same control whose finding is not among those *still_raised*."""
    return [
        task
        for task in there
        if not task.touched
        and finding_key(task.key) not in still_raised
        and task.data.get("source_control", control) == control
        and task.data.get("audited_at", "") <= audited_at
    ]


def _out_of_place(standing: Sequence[ReviewTask], worst: float) -> list[ReviewTask]:
    """Standing tasks that have to be made again so that the queue, which goes by task id, is worst first again.

    What is imported comes last, so everything less probable than the *worst* of it has to move; by the probabilities
    that the pages tell, lest every small change move hundreds.
    """
    return [task for task in standing if float(task.data["error_probability"]) < worst]
