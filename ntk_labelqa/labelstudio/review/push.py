"""Findings to review tasks, and class warnings beside them.

A push lists the tasks that are there, removes unanswered ones that no longer hold
(:mod:`ntk_labelqa.labelstudio.review.queue`), and imports what is missing
(:mod:`ntk_labelqa.labelstudio.review.delivery`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.dataset import Control
from ntk_labelqa.label_types.control_type import Said
from ntk_labelqa.labelstudio.connect import server_url
from ntk_labelqa.labelstudio.corrections.results import Change, stands
from ntk_labelqa.labelstudio.reading.label_values import control_of, labels_given
from ntk_labelqa.labelstudio.reading.pull import take_snapshot
from ntk_labelqa.labelstudio.review import project as review_project
from ntk_labelqa.labelstudio.review.delivery import (
    Say,
    Tick,
    deliver,
    only_push,
    settle,
    withdraw,
    without_duplicates,
)
from ntk_labelqa.labelstudio.review.places import with_known_places
from ntk_labelqa.labelstudio.review.push_warnings import WarningsPushed, push_warnings
from ntk_labelqa.labelstudio.review.queue import plan_queue
from ntk_labelqa.labelstudio.review.tasks import LABEL, review_tasks
from ntk_labelqa.labelstudio.review.trust import is_ours
from ntk_labelqa.labelstudio.review.wanted import Wanted

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio


@dataclass(frozen=True)
class PushResult:
    """What a push did.

    Attributes:
        project_id: the review project.
        url: its address, opened where labelling begins.
        created: review tasks added.
        already_there: findings that had their task before.
        outdated: findings left out because their annotation is gone or has another label by now.
        withdrawn: review tasks removed, unanswered, because their finding no longer holds.
        renewed: unanswered review tasks made again, because their evidence or their place in the queue has changed.
        raised_again: findings raised another time, because their evidence changed after reviewers had kept the label.
        behind: unanswered review tasks that now stand before more probable ones, too many to be made again.
        warnings: what was done about class warnings; None where there are none.
        notes: what is to be said of other projects that bear the mark of ours.
    """

    project_id: int
    url: str
    created: int
    already_there: int
    outdated: int
    withdrawn: int = 0
    renewed: int = 0
    raised_again: int = 0
    behind: int = 0
    warnings: WarningsPushed | None = None
    notes: tuple[str, ...] = ()


def push_findings(
    client: LabelStudio,
    audit: Audit,
    *,
    project_id: int | None = None,
    predictions: bool = False,
    known: Collection[int] = (),
    progress: Tick | None = None,
    say: Say = lambda _: None,
) -> PushResult:
    """Make or bring up to date the review project of an audit. Run again, it changes nothing.

    What people have answered stays as it is; see :mod:`ntk_labelqa.labelstudio.review.queue` for the rest.

    Args:
        client: see :func:`ntk_labelqa.labelstudio.connect.connect`.
        audit: whose flagged annotations become tasks, worst first, and whose class warnings become tasks of a project
            of their own.
        project_id: the source project, where the audit is of an export file.
        predictions: also write predictions onto the source tasks.
        known: projects that a journal of ours names as review projects, whoever made them; see
            :func:`ntk_labelqa.labelstudio.review.known.known_projects`.
        progress: called with (tasks there, tasks wanted).
        say: told that another push is waited for.

    Raises:
        InvalidInputError: the audit names no source project.
        LabelStudioError: the server refuses, or another push does not end.
        PartialDeliveryError: some findings could not be delivered.
    """
    source = project_id if project_id is not None else audit.manifest["data"]["project_id"]
    wanted = review_tasks(audit, project_id=source)
    control, ours = control_of(audit.manifest), partial(is_ours, source_project=source)
    with only_push(client, source, say) as interrupted:
        tasks = take_snapshot(client, source, predictions=False)
        current = labels_in(tasks, control)
        standing = still_standing(wanted, tasks, control)
        review, notes = review_project.find_or_create(client, audit, source, known)
        if interrupted:
            settle(client, review)
        there = without_duplicates(client, review, ours)
        queue = plan_queue(
            there,
            with_known_places(standing, there),
            audited_at=audit.manifest["created_at"],
            control=control.full_name,
        )
        withdraw(client, review, queue.removed)
        left = {task.key for task in there if task.id not in set(queue.removed)}
        created = deliver(client, review, queue.wanted, left, progress, ours=ours) - queue.renewed
        warnings = push_warnings(client, audit, source, current, interrupted=interrupted, known=known)
        if predictions:
            from ntk_labelqa.labelstudio.review.predictions import push_predictions

            push_predictions(client, audit, source)
    return PushResult(
        review,
        f"{server_url(client)}/projects/{review}/data?labeling=1",
        created,
        len(standing) - created,
        len(wanted) - len(standing),
        queue.withdrawn,
        queue.renewed,
        queue.raised_again,
        queue.behind,
        warnings,
        (*notes, *(warnings.notes if warnings else ())),
    )


def labels_in(tasks: Iterable[Mapping[str, Any]], control: Control) -> dict[tuple[int, str], str]:
    """What each annotation says with *control*, by annotation id and region id (empty for whole items)."""
    return {
        (int(annotation["id"]), said.region_id): said.label
        for task in tasks
        for annotation in task["annotations"]
        for said in labels_given(annotation, control, task["data"])
        if isinstance(said, Said)
    }


def still_standing(wanted: Sequence[dict[str, Any]], tasks: Iterable[Mapping[str, Any]], control: Control) -> Wanted:
    """Those of the findings *wanted* whose annotation still says what was audited."""
    labels, wanted = labels_in(tasks, control), Wanted.of(wanted)
    of_regions = {data["source_annotation"] for data in wanted.outlines() if data["kind"] != LABEL}
    annotations = {
        int(one["id"]): (one, task["data"])
        for task in (tasks if of_regions else ())
        for one in task["annotations"]
        if int(one["id"]) in of_regions
    }

    def stands_still(data: dict[str, Any]) -> bool:
        annotation, region, given = data["source_annotation"], data["source_region"], data["given_label"]
        if data["kind"] == LABEL:
            return labels.get((annotation, region)) == given
        if annotation not in annotations:
            return False
        change = Change("", given, data["suggested_label"], region, result=data["suggested_result"])
        return stands(annotations[annotation][0], control, annotations[annotation][1], change) == given

    return wanted.chosen([row for row, data in enumerate(wanted.outlines()) if stands_still(data)])
