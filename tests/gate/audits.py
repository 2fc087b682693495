"""Audits with figures chosen by the test, and policies of one check."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ntk_labelqa import findings
from ntk_labelqa.audit_folder import Audit

CLASSES = ("cat", "dog", "owl")
PEOPLE = ("ada@example.org", "grace@example.org")


def audit_of(
    count: int = 300,
    *,
    wrong: int = 0,
    probability: float = 0.95,
    kind: str = "text",
    informative: bool = True,
    created: str = "2026-03-02T00:00:00+00:00",
    project_id: int | None = 7,
    architecture: str = "2-L",
    left_out: int = 0,
    overlap: float = 0.1,
    q_value: float = 0.001,
    rate: float | None = None,
) -> Audit:
    """An audit of *count* labels whose first *wrong* are wrong with *probability*, the others with 1 %.

    Classes and annotators take turns; wrong labels say ``cat`` and the prediction says otherwise.
    """
    rows = np.arange(count)
    right = np.asarray(CLASSES, object)[rows % 3]
    bad = rows < wrong
    given = right.copy()
    given[bad] = np.asarray(CLASSES, object)[(rows[bad] + 1) % 3]
    errors = np.where(bad, probability, 0.01)
    found = pd.DataFrame(
        {
            "task_id": rows + 1,
            "annotation_id": rows + 1001,
            "annotator": np.asarray(PEOPLE, object)[rows % 2],
            "given_label": given,
            "predicted_label": right,
            "suggested_label": np.where(bad, right, None),
            "label_score": 1 - errors,
            "error_probability": errors,
            "is_label_issue": bad,
            "margin": np.where(bad, 0.5, -0.5),
            "bde_gain": 0.0,
        }
    )
    estimate = float(errors.mean()) if rate is None else rate
    manifest = _manifest(count, estimate, kind, informative, created, project_id, architecture, left_out, wrong)
    pairs = findings.conform(
        "entanglement",
        pd.DataFrame(
            {
                "class_a": ["cat", "cat"],
                "class_b": ["dog", "owl"],
                "coupling": [0.7, 0.05],
                "overlap": [overlap, 0.01],
                "q_value": [q_value, 1.0],
            }
        ),
    )
    items = pd.DataFrame({"task_id": rows + 1, "value": [f"text {row}" for row in rows], "thumbnail": None})
    tables = {name: findings.empty(name) for name in ("influences", "schemes")}
    return Audit(
        manifest,
        findings.conform("findings", found),
        tables["influences"],
        _classes(found),
        pairs,
        tables["schemes"],
        items,
    )


def _classes(found: pd.DataFrame) -> pd.DataFrame:
    groups = found.groupby("given_label")["is_label_issue"].agg(["size", "sum", "mean"]).reindex(CLASSES).fillna(0)
    table = pd.DataFrame(
        {
            "class_name": list(CLASSES),
            "items": groups["size"].to_numpy(),
            "issues": groups["sum"].to_numpy(),
            "issue_rate": groups["mean"].to_numpy(),
            "diffuseness": 0.01,
            "leave_one_out_accuracy": 0.9,
        }
    )
    return findings.conform("classes", table)


def _manifest(
    count: int,
    rate: float,
    kind: str,
    informative: bool,
    created: str,
    project_id: int | None,
    architecture: str,
    left_out: int,
    wrong: int,
) -> dict[str, Any]:
    gone = [{"reason": "no annotation", "of": "task", "count": left_out, "ids": []}] if left_out else []
    return {
        "format": 1,
        "created_at": created,
        "versions": {},
        "options": {"encoder": "text", "architecture": architecture},
        "seed": 0,
        "device": "cpu",
        "timings": {},
        "data": {
            "fingerprint": f"{wrong:02x}" * 32,
            "kind": kind,
            "server_url": "http://127.0.0.1:1",
            "project_id": project_id,
            "project_title": "Animals",
            "source": "http://127.0.0.1:1",
            "control": {"name": "animal", "to_name": "text", "tag": "Choices", "value_key": "text"},
            "items": count,
            "annotations": count,
            "class_names": list(CLASSES),
            "left_out": gone,
            "notes": [],
        },
        "summary": {
            "items": count,
            "annotations": count,
            "issues": wrong,
            "classes": 3,
            "error_rate": rate,
            "error_rate_low": max(0.0, rate - 0.02),
            "error_rate_high": min(1.0, rate + 0.02),
            "architecture": architecture,
            "ridge": 0.01,
            "bde": 0.01,
            "self_measurement": {
                "planted": 20,
                "recall": {"value": 0.9, "low": 0.8, "high": 0.95},
                "precision": {"value": None, "low": 0.0, "high": 1.0},
                "is_informative": informative,
            },
        },
    }


def with_findings(audit: Audit, **columns: Any) -> Audit:
    """*audit* with other columns in its findings."""
    return replace(audit, findings=audit.findings.assign(**columns))


def with_items(audit: Audit, **columns: Any) -> Audit:
    """*audit* with other columns in its items."""
    return replace(audit, items=audit.items.assign(**columns))


def write_policy(folder: Path, check: str, *, head: str = "") -> Path:
    """A policy in *folder* of the one check given as the lines of its table."""
    path = folder / "labelqa.toml"
    path.write_text(f"version = 1\n{head}\n[[check]]\n{check}\n", encoding="utf-8")
    return path
