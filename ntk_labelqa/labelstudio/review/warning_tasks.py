"""What the review task of a class warning holds: the pair, how far it overlaps and why, and the items that show it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from html import escape
from typing import Any

import pandas as pd

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.findings import item_keys, keys
from ntk_labelqa.labelstudio.reading.label_values import control_of
from ntk_labelqa.labelstudio.review.html import bold, links, quoted
from ntk_labelqa.labelstudio.review.items import ItemPages
from ntk_labelqa.labelstudio.review.tasks import REVIEW_KEY

TYPICAL = 4
"""Items shown of each class that lean least to the other: what the doubtful ones are to be compared with."""


def warning_key(project_id: int, control: str, class_a: str, class_b: str) -> str:
    """The name of a class warning, whichever of the two classes comes first."""
    named = "\n".join([control, *sorted((class_a, class_b))])
    return f"p{project_id}-w-{hashlib.sha256(named.encode()).hexdigest()[:12]}"


def warning_tasks(
    audit: Audit, current: Mapping[tuple[int, str], str], *, project_id: int, base_path: str = ""
) -> list[dict[str, Any]]:
    """A review task for each warned pair of classes, the largest overlap first; nothing in them is preselected.

    Args:
        audit: its ``entanglement``, and the findings and items of the two classes.
        current: the label that each annotation has now, by annotation id and region id; items that have another one
            than was audited are not shown.
        project_id: the source project.
        base_path: path below which the server is reached, for addresses of items; usually empty.

    Returns:
        tasks as Label Studio imports them, for the page of
        :func:`~ntk_labelqa.labelstudio.review.warning_config.warning_config`. Text and class names are escaped.
    """
    pairs = audit.entanglement
    warned = pairs[pairs["is_warned"]].sort_values("overlap", ascending=False, kind="stable")
    if warned.empty:
        return []
    writer = _Writer(audit, current, project_id, base_path)
    return [{"data": writer.data(pair)} for pair in warned.to_dict("records")]


class _Writer:
    """Looks up the items of the two classes."""

    def __init__(self, audit: Audit, current: Mapping[tuple[int, str], str], project_id: int, base_path: str) -> None:
        self.project_id, self.base_path = project_id, base_path
        self.audited_at = audit.manifest["created_at"]
        self.control = control_of(audit.manifest).full_name
        found = audit.findings
        now = [current.get(key) for key in keys(found, "annotation_id")]
        standing = found[found["given_label"] == pd.Series(now, index=found.index, dtype=object)]
        self.standing = standing.assign(item=item_keys(standing, audit.annotations))
        items = audit.items
        self.pages = ItemPages(
            audit.manifest["data"],
            dict(zip(keys(items), zip(items["value"], items["thumbnail"], strict=True), strict=True)),
            base_path,
        )

    def data(self, pair: dict[str, Any]) -> dict[str, Any]:
        a, b = pair["class_a"], pair["class_b"]
        return {
            REVIEW_KEY: warning_key(self.project_id, self.control, a, b),
            "question": f"Can {quoted(a)} and {quoted(b)} be distinguished?",
            "figure_html": figure(pair),
            "class_a_html": self._column(a, b, pair["items_a"]),
            "class_b_html": self._column(b, a, pair["items_b"]),
            "source_project": self.project_id,
            "source_control": self.control,
            "audited_at": self.audited_at,
            "class_a": a,
            "class_b": b,
            "overlap": round(float(pair["overlap"]), 6),
            "overlap_refurbished": round(float(pair["overlap_refurbished"]), 6),
            "cause": pair["cause"],
        }

    def _column(self, own: str, other: str, carriers: str) -> str:
        """Items labelled *own*: those that lean to *other*, which the decision is about, then some that do not."""
        labelled = self.standing[self.standing["given_label"] == own]
        rank = {int(task): place for place, task in enumerate(carriers.split())}
        # Of several regions of a named task the most doubtful stands for it.
        doubtful = labelled[labelled["task_id"].isin(rank)].sort_values("margin", ascending=False, kind="stable")
        doubtful = doubtful.drop_duplicates("task_id")
        doubtful = doubtful.sort_values("task_id", key=lambda tasks: tasks.map(rank), kind="stable")
        typical = labelled[~labelled["task_id"].isin(rank)].sort_values("margin", kind="stable")
        typical = typical.drop_duplicates("task_id").head(TYPICAL)
        parts = [f'<div style="font-size:17px; font-weight:600">Labelled {escape(quoted(own))}</div>']
        if len(doubtful):
            parts += [bold(f"Most like {quoted(other)}:"), self._items(doubtful)]
            addresses = {str(task): self._address(task) for task in doubtful["task_id"]}
            parts.append(links("Open in the project:", addresses))
        if len(typical):
            parts += [bold(f"Least like {quoted(other)}:"), self._items(typical)]
        if not len(labelled):
            parts.append(bold("No item of the audit has this label any more."))
        return "".join(parts)

    def _items(self, rows: pd.DataFrame) -> str:
        return self.pages.small([(row["item"], _caption(row)) for row in rows.to_dict("records")])

    def _address(self, task: int) -> str:
        return f"{self.base_path}/projects/{self.project_id}/data?task={task}"


def figure(pair: Mapping[str, Any]) -> str:
    """How far the pair overlaps, and why, in words; HTML."""
    low, high = (_percent(pair[key]) for key in ("overlap_low", "overlap_high"))
    what = (
        f"They overlap by <b>{_percent(pair['overlap'])}</b> (95 %: {low} to {high}). "
        "0 % are classes that are never confused; at 100 % nothing distinguishes them."
    )
    rest = _percent(pair["overlap_refurbished"])
    why = (
        f"<b>Wrong labels explain it</b>: with the probable ones corrected, {rest} would be left. "
        "Relabelling should help more than another guideline."
        if pair["cause"] == "labels"
        else f"<b>Wrong labels do not explain it</b>: with the probable ones corrected, {rest} would be left. "
        "Look at what the guideline says of the two, or whether they are two classes at all."
    )
    return f'<div style="font-size:15px; line-height:1.5">{what}<br>{why}</div>'


def _percent(share: float) -> str:
    return f"{min(max(share, 0.0), 1.0):.0%}".replace("%", " %")


def _caption(finding: Mapping[Any, Any]) -> str:
    said = f"task {finding['task_id']}: {quoted(finding['given_label'])}"
    return f"{said}, probably {quoted(finding['suggested_label'])}" if finding["is_label_issue"] else said
