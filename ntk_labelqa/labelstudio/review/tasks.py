"""What a review task holds: the question, the item, its evidence, and what is needed to read the decision back."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pandas as pd

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.findings import item_keys, keys
from ntk_labelqa.labelstudio.reading.label_values import control_of
from ntk_labelqa.labelstudio.review.html import bold, link, quoted
from ntk_labelqa.labelstudio.review.items import ItemPages
from ntk_labelqa.labelstudio.review.wanted import Wanted

REVIEW_KEY = "review_key"
LABEL = "label"
"""Kind of the findings that doubt a label; others are of regions."""
REMOVE = "take the region away"


def review_key(
    project_id: int, task_id: int, annotation_id: int, given_label: str, region_id: str = "", kind: str = LABEL
) -> str:
    """The name of a finding: the annotation, its region if the label is of one, and the label that is doubted.

    The suggestion is not part of it. A later audit that suggests something else of the same label raises the same
    finding; once the annotation's label has changed, it is another one. That a region breaks a rule, or is spurious, is
    another finding than that its label is doubted: *kind* tells.
    """
    doubted = given_label if kind == LABEL else f"{kind}:{given_label}"
    digest = hashlib.sha256(doubted.encode()).hexdigest()[:8]
    region = f"-r{hashlib.sha256(region_id.encode()).hexdigest()[:8]}" if region_id else ""
    return f"p{project_id}-t{task_id}-a{annotation_id}{region}-{digest}"


def finding_key(key: str) -> str:
    """The review key without the round: a finding that is raised again has ``~2`` appended, then ``~3``."""
    return key.partition("~")[0]


def round_of(key: str) -> int:
    """How often the finding has been raised, from 1."""
    number = key.partition("~")[2]
    return int(number) if number.isdigit() else 1


def next_round(key: str) -> str:
    """The review key of the finding that is raised another time after the one with review key *key*."""
    return f"{finding_key(key)}~{round_of(key) + 1}"


def with_key(task: dict[str, Any], key: str) -> dict[str, Any]:
    """*task* under another review key."""
    return {**task, "data": {**task["data"], REVIEW_KEY: key}}


def review_tasks(audit: Audit, *, project_id: int | None = None, base_path: str = "") -> Wanted:
    """The review tasks of the findings, the most probable ones first, rules last; nothing in them is preselected.

    They are of flagged labels, of spurious and missing regions, and of regions that break a rule. A region is asked
    about once: for what is most probable of it, for a rule only where nothing else is.

    Args:
        audit: findings, influences and items.
        project_id: the source project; None takes the one that the audit names.
        base_path: path below which the server is reached, for addresses of items; usually empty.

    Returns:
        tasks as Label Studio imports them, each made when it is asked for: under ``data`` the review key, the finding's
        columns, and what the page of :func:`~ntk_labelqa.labelstudio.review.config.review_config` shows. Text and class
        names are escaped.

    Raises:
        InvalidInputError: the audit names no project, and none is given.
    """
    source = audit.manifest["data"].get("project_id") if project_id is None else project_id
    if source is None:
        raise InvalidInputError(
            "The audit does not say which Label Studio project its labels are from.", remedy="Name it with --project."
        )
    writer = _Writer(audit, int(source), base_path)
    return Wanted(writer.data, writer.order[writer.asked_first()])


def raised_by(audit: Audit, project_id: int) -> list[dict[str, Any]]:
    """Every finding of the audit as :func:`review_tasks` would write it, also those of a region asked about already;
    without the words and pages that are there to be looked at.
    """
    writer = _Writer(audit, project_id, "")
    return [{"data": data} for data in Wanted(writer.data, writer.order).outlines()]


class _Writer:
    """Looks up what the tasks show of other items."""

    def __init__(self, audit: Audit, project_id: int, base_path: str) -> None:
        self.project_id, self.base_path, self.audit = project_id, base_path, audit
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
        self.saved = dict(zip(audit.annotations["annotation_id"], audit.annotations["updated_at"], strict=True))
        labels = audit.findings[audit.findings["task_id"].isin(shown)]
        self.labels: dict[tuple[int, str], tuple[str, ...]] = {}
        for item, label in zip(item_keys(labels, audit.annotations), labels["given_label"], strict=True):
            known = self.labels.get(item, ())
            self.labels[item] = known if label in known else (*known, label)
        pulls = audit.influences.sort_values("weight", ascending=False)
        # Rows by number and not as tables of their own: there are as many as findings.
        self.pulls = pulls.groupby(["annotation_id", "region_id"]).indices
        self.toward = pulls["toward"].to_numpy(object)
        self.pulling = pulls["other_task_id"].to_numpy(), pulls["other_region_id"].to_numpy(object)

        issues, faults = audit.region_issues, audit.region_faults
        self.issues, self.faults = issues[issues["is_region_issue"]], faults[faults["suggestion"] != ""]
        # Rows of what rules each region breaks, regions in the order of the table.
        broken = self.faults.groupby(["annotation_id", "region_id"], sort=False).indices
        self.broken = sorted(broken.values(), key=lambda rows: rows[0])
        self.order = self._order()

    def _order(self) -> np.ndarray:
        """All findings, int64, the most probable first, rules last: labels are counted before regions, then rules."""
        sure = [*self.flagged["error_probability"], *self.issues["probability"]]
        by_probability = np.argsort([-_rounded(one) for one in sure], kind="stable")
        return np.concatenate([by_probability, len(sure) + np.arange(len(self.broken))]).astype(np.int64)

    def asked_first(self) -> np.ndarray:
        """bool, of :attr:`order`: one a label, and one a region, the most probable."""
        first = self.faults.iloc[[rows[0] for rows in self.broken]]
        tables = [table for table in (self.flagged, self.issues, first) if len(table)]
        places = [place for table in tables for place in keys(table, "annotation_id")]
        return ~pd.Series(places, dtype=object).iloc[self.order].duplicated().to_numpy()

    def data(self, places: np.ndarray, *, with_pages: bool) -> list[dict[str, Any]]:
        """What the review tasks of the findings at *places* hold; see :meth:`_order`."""
        found: dict[int, dict[str, Any]] = {}
        labels, regions = len(self.flagged), len(self.flagged) + len(self.issues)
        for table, write, start, stop in (
            (self.flagged, self._of_label, 0, labels),
            (self.issues, self._of_region, labels, regions),
        ):
            some = places[(places >= start) & (places < stop)]
            rows = table.iloc[some - start].to_dict("records")
            found |= {place: write(row, with_pages) for place, row in zip(some.tolist(), rows, strict=True)}
        for place in places[places >= regions].tolist():
            rows = self.faults.iloc[self.broken[place - regions]].to_dict("records")
            found[place] = self._of_rule([_named(row) for row in rows], with_pages)
        return [found[place] for place in places.tolist()]

    def _of_label(self, finding: dict[Any, Any], with_pages: bool) -> dict[str, Any]:
        annotation, region = int(finding["annotation_id"]), finding.get("region_id", "")
        pages: dict[str, Any] = {}
        if with_pages:
            pages = {
                "question": question(finding),
                **self.pages.whole(self.item_of[annotation, region]),
                "evidence": self._evidence(finding),
            }
        return {
            **self._about(finding, LABEL, finding["given_label"], region),
            **pages,
            "given_label": finding["given_label"],
            "suggested_label": finding["suggested_label"],
            "error_probability": _rounded(finding["error_probability"]),
            "model_probability": _rounded(_model_probability(finding)),
            "label_score": _rounded(finding["label_score"]),
            "margin": _rounded(finding["margin"]),
            "bde_gain": _rounded(finding["bde_gain"]),
        }

    def _of_region(self, issue: dict[Any, Any], with_pages: bool) -> dict[str, Any]:
        probability, label = _rounded(issue["probability"]), issue["label"]
        given, suggested = {"spurious": (label, ""), "missing": ("", label), "shifted": (label, label)}[issue["issue"]]
        pages: dict[str, Any] = {}
        if with_pages:
            pages = {
                "question": region_question(issue),
                **self.pages.of_value(int(issue["task_id"]), issue["value"], issue["picture"]),
                "evidence": self._link(int(issue["task_id"])),
            }
        return {
            **self._about(issue, issue["issue"], given, issue["region_id"]),
            **pages,
            "given_label": given,
            "suggested_label": suggested,
            "suggested_result": issue["suggested_result"],
            "error_probability": probability,
            "model_probability": probability,
        }

    def _of_rule(self, faults: list[dict[str, Any]], with_pages: bool) -> dict[str, Any]:
        """One task of all rules that a region breaks; the suggestion is that of the first which knows a better place or
        label, else that the region should go.
        """
        fault = next((one for one in faults if one["suggestion"] != "remove"), faults[0])
        suggested = {"remove": "", "move": fault["label"], "label": fault["suggested_label"]}[fault["suggestion"]]
        pages: dict[str, Any] = {}
        if with_pages:
            pages = {
                "question": rule_question(faults, fault),
                **self.pages.of_value(int(fault["task_id"]), fault["value"]),
                "evidence": self._link(int(fault["task_id"])),
            }
        return {
            **self._about(fault, "rule", fault["label"], fault["region_id"]),
            **pages,
            "given_label": fault["label"],
            "suggested_label": suggested,
            "suggested_result": fault["suggested_result"],
            "rules": sorted({one["rule"] for one in faults}),
            "error_probability": 0.0,
            "model_probability": 0.0,
        }

    def _about(self, row: dict[Any, Any], kind: str, given: str, region: str) -> dict[str, Any]:
        """What every review task says of where its finding comes from."""
        task, annotation = int(row["task_id"]), int(row["annotation_id"])
        return {
            REVIEW_KEY: review_key(self.project_id, task, annotation, given, region, kind),
            "kind": kind,
            "source_project": self.project_id,
            "source_task": task,
            "source_annotation": annotation,
            "source_region": region,
            "source_control": self.control,
            "source_updated_at": str(self.saved.get(annotation, "")),
            "audited_at": self.audited_at,
            "annotator": row["annotator"],
        }

    def _evidence(self, finding: dict[str, Any]) -> str:
        task, parts = int(finding["task_id"]), []
        rows = self.pulls.get((finding["annotation_id"], finding.get("region_id", "")), ())
        for label in (finding["suggested_label"], finding["given_label"]):
            others = [(int(self.pulling[0][row]), self.pulling[1][row]) for row in rows if self.toward[row] == label]
            if others:
                labels = [(other, f"labelled {quoted(', '.join(self.labels.get(other, ())))}") for other in others]
                parts.append(bold(f"Most alike, for {quoted(label)}:") + self.pages.small(labels))
        return "".join([*parts, self._link(task)])

    def _link(self, task: int) -> str:
        page = f"{self.base_path}/projects/{self.project_id}/data?task={task}"
        return link(page, f"Open task {task} in its project")


def _model_probability(finding: dict[str, Any]) -> float:
    """What the kernel alone says: later verdicts are held against that, whatever earlier ones made of it."""
    stated = finding.get("model_probability")
    return float(finding["error_probability"] if stated is None or pd.isna(stated) else stated)


def _rounded(probability: Any) -> float:
    return round(float(probability), 6)


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


def region_question(issue: dict[str, Any]) -> str:
    """That a region is spurious or missing, in words, with how sure the audit is."""
    by = f" by {issue['annotator']}" if issue["annotator"] else ""
    sure = min(99, int(100 * issue["probability"]))
    if issue["issue"] == "spurious":
        return f"Labelled {quoted(issue['label'])}{by}. Probably nothing is there: {REMOVE} ({sure} % sure)."
    if issue["issue"] == "shifted":
        return f"Labelled {quoted(issue['label'])}{by}. Probably beside the object: move its edges ({sure} % sure)."
    return f"Not labelled{by}. Probably {quoted(issue['label'])} is there: add the region ({sure} % sure)."


def rule_question(faults: list[dict[str, Any]], chosen: dict[str, Any]) -> str:
    """Which rules a region breaks, and what is suggested, in words."""
    by = f" by {chosen['annotator']}" if chosen["annotator"] else ""
    broken = "; ".join(f"{one['rule']}: {one['detail']}" for one in faults)
    wish = {"remove": REMOVE, "move": "move its edges", "label": f"label it {quoted(chosen['suggested_label'])}"}
    return f"Labelled {quoted(chosen['label'])}{by}. Breaks a rule, {broken}. Suggested: {wish[chosen['suggestion']]}."


def _named(row: dict[Any, Any]) -> dict[str, Any]:
    return {str(name): value for name, value in row.items()}
