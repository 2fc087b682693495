"""Class warnings to review tasks: a project beside the review project, one task a warned pair of classes.

It is a second project because its question is another one, for other people: whoever writes the guideline.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.dataset import Control
from ntk_labelqa.labelstudio.connect import server_url
from ntk_labelqa.labelstudio.reading.label_values import control_of, is_single_choice
from ntk_labelqa.labelstudio.review import project as review_project
from ntk_labelqa.labelstudio.review.delivery import deliver, settle, withdraw, without_duplicates
from ntk_labelqa.labelstudio.review.project import ReviewTask
from ntk_labelqa.labelstudio.review.tasks import REVIEW_KEY, finding_key, next_round, round_of, with_key
from ntk_labelqa.labelstudio.review.trust import is_our_warning
from ntk_labelqa.labelstudio.review.warning_config import warning_config
from ntk_labelqa.labelstudio.review.warning_tasks import warning_tasks

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio

INSTRUCTION = (
    "Each task asks about two classes. Press G if the guideline needs work, M if they should be one class, R if they "
    "differ and the listed items are labelled wrong, F if all is fine, then Ctrl+Enter."
)
MOVED = 0.05
"""An unanswered task is shown anew if the overlap is another one by so much."""
RISEN = 0.2
"""An answered warning is raised again only if the overlap is larger by so much than it was then."""


@dataclass(frozen=True)
class WarningsPushed:
    """What a push did about class warnings.

    Attributes:
        project_id: their project.
        url: its address, opened where labelling begins.
        created: tasks added.
        already_there: warnings that had their task before.
        withdrawn: unanswered tasks removed, because their warning no longer holds.
        notes: what is to be said of other projects that bear the mark of ours.
    """

    project_id: int
    url: str
    created: int
    already_there: int
    withdrawn: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class WarningPlan:
    """How the project gets from what it holds to what it should hold: tasks that have to be there, tasks that go."""

    wanted: list[dict[str, Any]]
    removed: list[int]
    withdrawn: int
    answered: int


def mark(source_project: int, control: Control) -> str:
    """What the description of the project of class warnings holds, and no other's; one for each labelling."""
    labelling = "" if is_single_choice(control) else f":{control.full_name}"
    return f"[ntk-labelqa:class-warnings-of-project-{source_project}{labelling}]"


def push_warnings(
    client: LabelStudio,
    audit: Audit,
    source_project: int,
    current: Mapping[tuple[int, str], str],
    *,
    interrupted: bool = False,
    known: Collection[int] = (),
) -> WarningsPushed | None:
    """Make or bring up to date the project of class warnings; None where there are none and never were.

    Args:
        client: see :func:`ntk_labelqa.labelstudio.connect.connect`.
        audit: whose warned pairs become tasks, the largest overlap first.
        source_project: the project that was audited.
        current: the label that each annotation has now, by annotation id and region id.
        interrupted: whether an earlier push may still be at work in the server.
        known: projects that a journal of ours names, whoever made them.
    """
    control = control_of(audit.manifest)
    wanted = warning_tasks(audit, current, project_id=source_project)
    if not wanted and not review_project.marked(client, mark(source_project, control), known).ours:
        return None
    project, notes = review_project.ensure(
        client,
        mark(source_project, control),
        known,
        "project of class warnings",
        title=f"Class warnings: {review_project.title_of(audit, source_project)}",
        description=f"Classes of project {source_project} hard to distinguish. {mark(source_project, control)}",
        label_config=warning_config(),
        instruction=INSTRUCTION,
    )
    if interrupted:
        settle(client, project)
    ours = partial(is_our_warning, source_project=source_project)
    there = without_duplicates(client, project, ours)
    plan = plan_warnings(there, wanted, audited_at=audit.manifest["created_at"], control=control.full_name)
    withdraw(client, project, plan.removed)
    left = {task.key for task in there if task.id not in set(plan.removed)}
    deliver(client, project, plan.wanted, left, None, ours=ours)
    before = {task.key for task in there}
    created = sum(task["data"][REVIEW_KEY] not in before for task in plan.wanted)
    url = f"{server_url(client)}/projects/{project}/data?labeling=1"
    return WarningsPushed(project, url, created, len(wanted) - created, plan.withdrawn, notes)


def plan_warnings(
    there: Sequence[ReviewTask], wanted: Sequence[dict[str, Any]], *, audited_at: str, control: str
) -> WarningPlan:
    """What a push of the warnings *wanted* has to do; what people have answered stays.

    Args:
        there: the project's tasks, without duplicates.
        wanted: see :func:`ntk_labelqa.labelstudio.review.warning_tasks.warning_tasks`.
        audited_at: when the audit was made, ISO 8601. What a later audit put there is left alone.
        control: the audited control; tasks about others are left alone.
    """
    newest = {finding_key(task.key): task for task in sorted(there, key=lambda task: round_of(task.key))}
    queue: list[dict[str, Any]] = []
    removed: list[int] = []
    answered = 0
    for warning in wanted:
        last = newest.get(warning["data"][REVIEW_KEY])
        if last is None:
            queue.append(warning)
        elif not last.touched:
            queue.append(with_key(warning, last.key))
            removed += [last.id] if _is_stale(last.data, warning["data"]) else []
        elif _raised_again(last.data, warning["data"]):
            queue.append(with_key(warning, next_round(last.key)))
        else:
            answered += 1
    keys = {warning["data"][REVIEW_KEY] for warning in wanted}
    withdrawn = [
        task.id
        for task in there
        if not task.touched
        and finding_key(task.key) not in keys
        and task.data.get("source_control", control) == control
        and task.data.get("audited_at", "") <= audited_at
    ]
    return WarningPlan(queue, [*withdrawn, *removed], len(withdrawn), answered)


def _is_stale(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    return before["cause"] != now["cause"] or abs(before["overlap"] - now["overlap"]) >= MOVED


def _raised_again(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    return bool(now["overlap"] - before["overlap"] >= RISEN)
