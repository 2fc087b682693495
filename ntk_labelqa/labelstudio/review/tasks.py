"""What a review task holds: the question, the item, its evidence, and what is needed to read the decision back."""

from __future__ import annotations

import hashlib
from typing import Any

import pandas as pd

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.findings import item_keys, keys
from ntk_labelqa.labelstudio.reading.label_values import control_of
from ntk_labelqa.labelstudio.review.html import bold, link, quoted
from ntk_labelqa.labelstudio.review.items import ItemPages

REVIEW_KEY = "review_key"


def review_key(project_id: int, task_id: int, annotation_id: int, given_label: str, region_id: str = "") -> str:
    """The name of a finding: the annotation, its region if the label is of one, and the label that is doubted.

    The suggestion is not part of it. A later audit that suggests something else of the same label raises the same
    finding; once the annotation's label has changed, it is another one.
    """
    digest = hashlib.sha256(given_label.encode()).hexdigest()[:8]
    region = f"-r{hashlib.sha256(region_id.encode()).hexdigest()[:8]}" if region_id else ""
    return f"p{project_id}-t{task_id}-a{annotation_id}{region}-{digest}"


def finding_key(key: str) -> str:
    """The review key without the round: a finding that is raised again has ``~2`` appended, then ``~3``."""
    return key.partition("~")[0]


def round_of(key: str) -> int:
    """How often the finding has been raised, from 1."""
    number = key.partition("~")[2]
    return int(number) if number.isdigit() else 1


def next_round(task: dict[str, Any], key: str) -> dict[str, Any]:
    """*task* as it is raised another time after the one with review key *key*."""
    return with_key(task, f"{finding_key(key)}~{round_of(key) + 1}")


def with_key(task: dict[str, Any], key: str) -> dict[str, Any]:
    """*task* under another review key."""
    return {**task, "data": {**task["data"], REVIEW_KEY: key}}


def review_tasks(audit: Audit, *, project_id: int | None = None, base_path: str = "") -> list[dict[str, Any]]:
    """The review tasks of the flagged annotations, the most probable errors first; nothing in them is preselected.

    Args:
        audit: findings, influences and items.
        project_id: the source project; None takes the one that the audit names.
        base_path: path below which the server is reached, for addresses of items; usually empty.

    Returns:
        tasks as Label Studio imports them: under ``data`` the review key, the finding's columns, and what the page of
        :func:`~ntk_labelqa.labelstudio.review.config.review_config` shows. Text and class names are escaped.

    Raises:
        InvalidInputError: the audit names no project, and none is given.
    """
    source = audit.manifest["data"].get("project_id") if project_id is None else project_id
    if source is None:
        raise InvalidInputError(
            "The audit does not say which Label Studio project its labels are from.", remedy="Name it with --project."
        )
    return _Writer(audit, int(source), base_path).tasks()


class _Writer:
    """Looks up what the tasks show of other items."""

    def __init__(self, audit: Audit, project_id: int, base_path: str) -> None:
        self.project_id, self.base_path = project_id, base_path
        self.flagged = worst_first(audit.findings)
        self.audited_at = audit.manifest["created_at"]
        shown = {*self.flagged["task_id"], *audit.influences["other_task_id"]}
        items = audit.items[audit.items["task_id"].isin(shown)]
        self.pages = ItemPages(
            audit.manifest["data"],
            dict(zip(keys(items), zip(items["value"], items["thumbnail"], strict=True), strict=True)),
            base_path,
        )
        self.control = control_of(audit.manifest).full_name if audit.manifest["data"].get("control") else ""
        self.item_of = dict(
            zip(keys(self.flagged, "annotation_id"), item_keys(self.flagged, audit.annotations), strict=True)
        )
        mine = audit.annotations[audit.annotations["annotation_id"].isin(self.flagged["annotation_id"])]
        self.saved = dict(zip(mine["annotation_id"], mine["updated_at"], strict=True))
        labels = audit.findings[audit.findings["task_id"].isin(shown)]
        self.labels: dict[tuple[int, str], dict[str, None]] = {}
        for item, label in zip(item_keys(labels, audit.annotations), labels["given_label"], strict=True):
            self.labels.setdefault(item, {})[label] = None
        pulls = audit.influences.sort_values("weight", ascending=False)
        self.pulls = dict(list(pulls.groupby(["annotation_id", "region_id"])))

    def tasks(self) -> list[dict[str, Any]]:
        return [{"data": self._data(finding)} for finding in self.flagged.to_dict("records")]

    def _data(self, finding: dict[str, Any]) -> dict[str, Any]:
        task, annotation, given = int(finding["task_id"]), int(finding["annotation_id"]), finding["given_label"]
        region = finding.get("region_id", "")
        return {
            REVIEW_KEY: review_key(self.project_id, task, annotation, given, region),
            "question": question(finding),
            **self.pages.whole(self.item_of[annotation, region]),
            "evidence": self._evidence(finding),
            "source_project": self.project_id,
            "source_task": task,
            "source_annotation": annotation,
            "source_region": region,
            "source_control": self.control,
            "source_updated_at": str(self.saved.get(annotation, "")),
            "audited_at": self.audited_at,
            "annotator": finding["annotator"],
            "given_label": given,
            "suggested_label": finding["suggested_label"],
            "error_probability": round(float(finding["error_probability"]), 6),
            "model_probability": round(_model_probability(finding), 6),
            "label_score": round(float(finding["label_score"]), 6),
            "margin": round(float(finding["margin"]), 6),
            "bde_gain": round(float(finding["bde_gain"]), 6),
        }

    def _evidence(self, finding: dict[str, Any]) -> str:
        task, parts = int(finding["task_id"]), []
        pulls = self.pulls.get((finding["annotation_id"], finding.get("region_id", "")))
        for label in (finding["suggested_label"], finding["given_label"]):
            others = [] if pulls is None else keys(pulls[pulls["toward"] == label], "other_task_id", "other_region_id")
            if others:
                labels = [(other, f"labelled {quoted(', '.join(self.labels.get(other, ())))}") for other in others]
                parts.append(bold(f"Most alike, for {quoted(label)}:") + self.pages.small(labels))
        page = f"{self.base_path}/projects/{self.project_id}/data?task={task}"
        return "".join([*parts, link(page, f"Open task {task} in its project")])


def _model_probability(finding: dict[str, Any]) -> float:
    """What the kernel alone says: later verdicts are held against that, whatever earlier ones made of it."""
    stated = finding.get("model_probability")
    return float(finding["error_probability"] if stated is None or pd.isna(stated) else stated)


def worst_first(findings: pd.DataFrame) -> pd.DataFrame:
    """The flagged rows of *findings*, the most probable errors first; ties in the table's order."""
    flagged = findings[findings["is_label_issue"]]
    return flagged.sort_values(["error_probability", "margin"], ascending=False, kind="stable")


def question(finding: dict[str, Any]) -> str:
    """Given and suggested label in words, with how sure the audit is."""
    by = f" by {finding['annotator']}" if finding["annotator"] else ""
    sure = min(99, int(100 * finding["error_probability"]))  # nobody is ever 100 % sure
    return (
        f"Labelled {quoted(finding['given_label'])}{by}. Probably {quoted(finding['suggested_label'])} ({sure} % sure)."
    )
