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
_TAB: Any = {
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


def push_predictions(client: LabelStudio, audit: Audit, project_id: int) -> int:
    """Write one prediction for each task with a flagged annotation; return how many were added.

    Predictions of ours that an earlier audit left are replaced; nobody else's are touched. A tab in the Data Manager
    shows the tasks with predictions, the most suspect first.

    What was written is looked at once more: a proxy may have sent it twice, and the server drops what it does not like
    without a word. Raises PartialDeliveryError if a prediction is not there then.

    Cost: one call for all of them, two snapshots of the project, and a fifth of a second for each old one that is
    replaced.
    """
    wanted = predictions_of(audit)
    missing = _without_stale(client, project_id, wanted)
    if missing:
        request: Any = missing  # dicts are accepted
        with translating_errors("Writing predictions"):
            client.projects.import_predictions(id=project_id, request=request, request_options=ONCE)
        lost = len(_without_stale(client, project_id, wanted))
        if lost:
            raise PartialDeliveryError(
                f"The server took {len(missing) - lost} of {len(missing)} predictions.",
                why="A label may be gone from the labelling config.",
                remedy="Audit the project again, then push.",
            )
    with translating_errors("Making the tab of the predictions"):
        _ensure_tab(client, project_id)
    return len(missing)


def _without_stale(client: LabelStudio, project_id: int, wanted: Mapping[int, dict[str, Any]]) -> list[dict[str, Any]]:
    """Delete ours that are not *wanted* any more, or there more than once; those of *wanted* that are not there."""
    missing, spare = [], []
    for task in take_snapshot(client, project_id):
        asked = wanted.get(task["id"])
        same = [old["id"] for old in _ours(task) if _same(old, asked)]
        spare += [old["id"] for old in _ours(task) if old["id"] not in same[:1]]
        if asked is not None and not same:
            missing.append(asked)
    with translating_errors("Deleting predictions of earlier audits"):
        for prediction in spare:
            client.predictions.delete(prediction, request_options=ONCE)
    return missing


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


def _same(old: Mapping[str, Any], wanted: dict[str, Any] | None) -> bool:
    return wanted is not None and (old.get("score"), old.get("result")) == (wanted["score"], wanted["result"])


def _ensure_tab(client: LabelStudio, project_id: int) -> None:
    if not _tabs(client, project_id):
        client.views.create(project=project_id, data=_TAB, request_options=ONCE)
    tabs = _tabs(client, project_id)
    for view in tabs[1:]:
        if view.data == tabs[0].data:  # made twice; one that somebody has changed since is theirs
            client.views.delete(str(view.id), request_options=ONCE)


def _tabs(client: LabelStudio, project_id: int) -> list[Any]:
    """The views with our title, the oldest first."""
    views = client.views.list(project=project_id)
    return sorted((view for view in views if (view.data or {}).get("title") == TAB), key=lambda view: view.id)
