"""Suggestions as predictions on the source tasks, only where the user asked for it: annotators are led by them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.errors import InvalidInputError, PartialDeliveryError
from ntk_labelqa.labelstudio.connect import ONCE, translating_errors
from ntk_labelqa.labelstudio.reading.label_values import control_of, is_single_choice
from ntk_labelqa.labelstudio.reading.pull import take_snapshot
from ntk_labelqa.labelstudio.reading.tasks import OUR_MODEL

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio

TAB = "Label quality: most suspect first"


def push_predictions(client: LabelStudio, audit: Audit, project_id: int) -> int:
    """Write one prediction for each task with a flagged annotation; return how many were added.

    Predictions of ours that an earlier audit left are replaced; nobody else's are touched. A tab in the Data Manager
    shows the tasks with predictions, the most suspect first.

    Raises PartialDeliveryError if the server takes fewer than it was sent: it drops what it does not like silently.

    Cost: one call for all of them, and a fifth of a second for each old one that is replaced.
    """
    wanted = predictions_of(audit)
    tasks = {task["id"]: task for task in take_snapshot(client, project_id)}
    missing = [wanted[task] for task in wanted if task in tasks and not _has(tasks[task], wanted[task])]
    stale = [old["id"] for task in tasks.values() for old in _ours(task) if not _same(old, wanted.get(task["id"]))]
    with translating_errors("Writing predictions"):
        for prediction in stale:
            client.predictions.delete(prediction, request_options=ONCE)
        created = 0
        if missing:
            request: Any = missing  # dicts are accepted
            answer = client.projects.import_predictions(id=project_id, request=request, request_options=ONCE)
            created = answer.created or 0
        _ensure_tab(client, project_id)
    if created != len(missing):
        raise PartialDeliveryError(
            f"The server took {created} of {len(missing)} predictions.",
            why="A label may be gone from the labelling config.",
            remedy="Audit the project again, then push.",
        )
    return created


def predictions_of(audit: Audit) -> dict[int, dict[str, Any]]:
    """The prediction of each flagged task, by task id; of several findings the most probable."""
    if not is_single_choice(control_of(audit.manifest)):
        raise InvalidInputError(
            "Predictions can be written for single choices alone.", remedy="Push without --predictions."
        )
    control = audit.manifest["data"]["control"]
    flagged = audit.findings[audit.findings["is_label_issue"]].sort_values("error_probability")
    return {
        int(row["task_id"]): {
            "task": int(row["task_id"]),
            "model_version": OUR_MODEL,
            "score": round(float(row["error_probability"]), 6),
            "result": [
                {
                    "from_name": control["name"],
                    "to_name": control["to_name"],
                    "type": "choices",
                    "value": {"choices": [row["suggested_label"]]},
                }
            ],
        }
        for row in flagged.to_dict("records")
    }


def _ours(task: dict[str, Any]) -> list[Mapping[str, Any]]:
    # Suggestions of the ML backend for open tasks have more after our name: they are not what was pushed.
    every = task.get("predictions") or ()
    return [old for old in every if isinstance(old, Mapping) and old.get("model_version") == OUR_MODEL and "id" in old]


def _has(task: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return any(_same(old, wanted) for old in _ours(task))


def _same(old: Mapping[str, Any], wanted: dict[str, Any] | None) -> bool:
    return wanted is not None and (old.get("score"), old.get("result")) == (wanted["score"], wanted["result"])


def _ensure_tab(client: LabelStudio, project_id: int) -> None:
    if any((view.data or {}).get("title") == TAB for view in client.views.list(project=project_id)):
        return
    data: Any = {
        "title": TAB,
        "type": "list",
        "target": "tasks",
        "ordering": ["-tasks:predictions_score"],
        "filters": {
            "conjunction": "and",
            "items": [
                {"filter": f"filter:tasks:total_{what}", "operator": "greater", "type": "Number", "value": 0}
                for what in ("predictions", "annotations")  # open tasks may have a model's predictions
            ],
        },
    }
    client.views.create(project=project_id, data=data, request_options=ONCE)
