"""What a review task holds: the question, the item, its evidence, and what is needed to read the decision back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import pandas as pd

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.labelstudio.label_values import control_of
from ntk_labelqa.labelstudio.review_html import bold, image_address, link, quoted, text_block, tiles

REVIEW_KEY = "review_key"


def review_key(project_id: int, task_id: int, annotation_id: int, given_label: str) -> str:
    """The name of a finding: the annotation, and the label that is doubted.

    The suggestion is not part of it. A later audit that suggests something else of the same label raises the same
    finding; once the annotation's label has changed, it is another one.
    """
    digest = hashlib.sha256(given_label.encode()).hexdigest()[:8]
    return f"p{project_id}-t{task_id}-a{annotation_id}-{digest}"


def finding_key(key: str) -> str:
    """The review key without the round: a finding that is raised again has ``~2`` appended, then ``~3``."""
    return key.partition("~")[0]


def round_of(key: str) -> int:
    """How often the finding has been raised, from 1."""
    number = key.partition("~")[2]
    return int(number) if number.isdigit() else 1


def review_tasks(audit: Audit, *, project_id: int | None = None, base_path: str = "") -> list[dict[str, Any]]:
    """The review tasks of the flagged annotations, the most probable errors first; nothing in them is preselected.

    Args:
        audit: findings, influences and items.
        project_id: the source project; None takes the one that the audit names.
        base_path: path below which the server is reached, for addresses of items; usually empty.

    Returns:
        tasks as Label Studio imports them: under ``data`` the review key, the finding's columns, and what the page of
        :func:`~ntk_labelqa.labelstudio.review_config.review_config` shows. Text and class names are escaped.

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
        self.kind = audit.manifest["data"]["kind"]
        self.flagged = worst_first(audit.findings)
        self.audited_at = audit.manifest["created_at"]
        shown = {*self.flagged["task_id"], *audit.influences["other_task_id"]}
        items = audit.items[audit.items["task_id"].isin(shown)]
        self.values = {int(task): value for task, value in zip(items["task_id"], items["value"], strict=True)}
        self.thumbnails = {int(task): png for task, png in zip(items["task_id"], items["thumbnail"], strict=True)}
        self.control = control_of(audit.manifest).full_name if audit.manifest["data"].get("control") else ""
        mine = audit.annotations[audit.annotations["annotation_id"].isin(self.flagged["annotation_id"])]
        self.saved = dict(zip(mine["annotation_id"], mine["updated_at"], strict=True))
        labels = audit.findings[audit.findings["task_id"].isin(shown)]
        self.labels = labels.groupby("task_id")["given_label"].agg(lambda given: ", ".join(dict.fromkeys(given)))
        self.pulls = dict(list(audit.influences.sort_values("weight", ascending=False).groupby("annotation_id")))

    def tasks(self) -> list[dict[str, Any]]:
        return [{"data": self._data(finding)} for finding in self.flagged.to_dict("records")]

    def _data(self, finding: dict[str, Any]) -> dict[str, Any]:
        task, annotation, given = int(finding["task_id"]), int(finding["annotation_id"]), finding["given_label"]
        return {
            REVIEW_KEY: review_key(self.project_id, task, annotation, given),
            "question": question(finding),
            **self._item(task),
            "evidence": self._evidence(finding),
            "source_project": self.project_id,
            "source_task": task,
            "source_annotation": annotation,
            "source_control": self.control,
            "source_updated_at": str(self.saved.get(annotation, "")),
            "audited_at": self.audited_at,
            "annotator": finding["annotator"],
            "given_label": given,
            "suggested_label": finding["suggested_label"],
            "error_probability": round(float(finding["error_probability"]), 6),
            "label_score": round(float(finding["label_score"]), 6),
            "margin": round(float(finding["margin"]), 6),
            "bde_gain": round(float(finding["bde_gain"]), 6),
        }

    def _item(self, task: int) -> dict[str, str]:
        if self.kind == "image":
            return {"image": self._address(task)}
        if self.kind == "text":
            return {"item_html": text_block(str(self.values.get(task, "")), size=18)}
        return {"item_html": text_block(f"Task {task}. Its page in the source project shows it.", size=18)}

    def _address(self, task: int) -> str:
        return image_address(str(self.values.get(task, "")), task, self.thumbnails.get(task), self.base_path)

    def _evidence(self, finding: dict[str, Any]) -> str:
        task, parts = int(finding["task_id"]), []
        pulls = self.pulls.get(finding["annotation_id"])
        for label in (finding["suggested_label"], finding["given_label"]):
            others = [] if pulls is None else pulls.loc[pulls["toward"] == label, "other_task_id"].tolist()
            if others:
                parts.append(bold(f"Most alike, for {quoted(label)}:") + self._shown(others))
        page = f"{self.base_path}/projects/{self.project_id}/data?task={task}"
        return "".join([*parts, link(page, f"Open task {task} in its project")])

    def _shown(self, others: Iterable[int]) -> str:
        """Items with the labels they were given."""
        captions = [(other, f"labelled {quoted(self.labels.get(other, ''))}") for other in others]
        if self.kind == "image":
            return tiles([(self._address(other), words) for other, words in captions])
        words_of = {"text": lambda other: str(self.values.get(other, "")), "features": lambda other: f"Task {other}"}
        return "".join(
            text_block(words_of[self.kind](other), size=14, most=240, caption=words) for other, words in captions
        )


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
