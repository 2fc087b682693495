"""Audit folders of which a file is odd: read by the report, the gate, the history, and what a push would send."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ntk_labelqa import findings
from ntk_labelqa.audit_folder import (
    DECISIONS,
    MANIFEST,
    STALE,
    WARNING_DECISIONS,
    Audit,
    export_csv,
)
from ntk_labelqa.cli.audit import as_before, decisions_in
from ntk_labelqa.cli.history import table as history_table
from ntk_labelqa.cli.notify import audit_summary
from ntk_labelqa.diagnostics.recalibration import Recalibration
from ntk_labelqa.gate.policy import Policy
from ntk_labelqa.gate.verdict import judge
from ntk_labelqa.history import read_history
from ntk_labelqa.labelstudio.review import decisions, warning_decisions
from ntk_labelqa.labelstudio.review.predictions import predictions_of
from ntk_labelqa.labelstudio.review.tasks import review_tasks
from ntk_labelqa.labelstudio.review.warning_tasks import warning_tasks
from ntk_labelqa.options import AuditOptions
from ntk_labelqa.progress import Stages
from ntk_labelqa.report.html import write_report
from ntk_labelqa.report.trend import render_trend
from tests.fixtures import digits_audit
from tests.fuzz.odd import NUMBERS, TEXTS, as_json, damaged, mutated
from tests.fuzz.policies import CHECKS, FORMATS
from tests.fuzz.runs import seeded

SLOW = {"report": 0.02, "trend": 0.02}
"""How often what takes long is done."""


class Folder(NamedTuple):
    """What is odd in the folder: a file's name and its bytes; and what reads it."""

    files: dict[str, bytes]
    readers: tuple[str, ...]


class Audits:
    """Folders, as :meth:`ntk_labelqa.audit_folder.Audit.load` reads them."""

    together = 1

    def __init__(self, folder: Path) -> None:
        self.folder, self.good = folder / "odd", folder / "good"
        audit, decided = _real()
        audit.save(self.good)
        for name, table in decided.items():
            table.to_parquet(self.good / name, index=False)
        shutil.copytree(self.good, self.folder)
        self.content = {path.name: path.read_bytes() for path in sorted(self.good.iterdir())}
        self.content[STALE] = b'{"since": "2026-05-01T10:00:00+00:00", "last": "2026-05-02T10:00:00+00:00"}'
        self.manifest = json.loads(self.content[MANIFEST])
        self.tables = {
            name: pd.read_parquet(io.BytesIO(content))
            for name, content in self.content.items()
            if name.endswith(".parquet")
        }
        beside = {"accepted": "good", "against": ["good"], "waiver": None}
        checks = [{**check, **{key: beside[key] for key in check if key in beside}} for check in CHECKS]
        unscoped = [{key: value for key, value in check.items() if key != "scope"} for check in checks]
        limits = {"version": 1, "minimum_items": 20, "minimum_labels": 2}
        self.policy = Policy.model_validate({**limits, "check": [*checks, *unscoped]})
        self.readers: dict[str, Callable[[Audit], object]] = {
            "gate": self._gate,
            "history": lambda audit: history_table(read_history([self.folder, self.good])),
            "trend": lambda audit: render_trend(read_history([self.folder, self.good])),
            "report": lambda audit: write_report(audit, self.folder / "report.html"),
            "csv": lambda audit: export_csv(audit, self.folder / "csv"),
            "push": self._push,
            "again": self._again,
        }

    def make(self, seed: int) -> Folder:
        rng = seeded("audits", seed)
        files = {}
        for _ in range(rng.choice([1, 1, 1, 2])):
            name = MANIFEST if rng.random() < 0.5 else rng.choice(list(self.content))
            files[name] = self._odd(name, rng)
        readers = [name for name in self.readers if rng.random() < SLOW.get(name, 0.5)]
        return Folder(files, tuple(readers))

    def read(self, some: list[Folder]) -> str:
        [made] = some
        shutil.rmtree(self.folder / "csv", ignore_errors=True)
        for name, content in made.files.items():
            (self.folder / name).write_bytes(content)
        try:
            audit = Audit.load(self.folder)
            for name in made.readers:
                self.readers[name](audit)
        finally:
            for name in made.files:
                if name == STALE:
                    os.unlink(self.folder / name)
                else:
                    (self.folder / name).write_bytes(self.content[name])
        return "read"

    def _odd(self, name: str, rng: random.Random) -> bytes:
        if name == MANIFEST and rng.random() < 0.85:
            manifest = mutated(self.manifest, rng)
            return as_json(manifest, rng) if rng.random() < 0.1 else json.dumps(manifest).encode("utf-8", "replace")
        if name.endswith(".parquet") and rng.random() < 0.8:
            return _as_parquet(_odd_table(self.tables[name], rng), self.content[name])
        return damaged(self.content[name], rng)

    def _gate(self, audit: Audit) -> None:
        verdict = judge(audit, self.policy, base=self.good.parent)
        for write in FORMATS:
            write(verdict)

    def _push(self, audit: Audit) -> None:
        review_tasks(audit, project_id=7)
        raised = {
            (int(one), ""): label
            for one, label in zip(audit.findings["annotation_id"], audit.findings["given_label"], strict=True)
        }
        warning_tasks(audit, raised, project_id=7)
        predictions_of(audit)

    def _again(self, audit: Audit) -> None:
        audit_summary(audit)
        Recalibration.of_decisions(decisions_in([self.folder], required=False))
        as_before(AuditOptions(), self.folder, Stages(quiet=True))


def _real() -> tuple[Audit, dict[str, pd.DataFrame]]:
    """A small real audit, with warned classes, faults of regions, and what reviewers decided."""
    audit = digits_audit(60)
    found = audit.findings.assign(is_label_issue=np.arange(60) < 30)
    found["suggested_label"] = found["predicted_label"].where(found["is_label_issue"], None)
    pairs = audit.entanglement.assign(is_warned=np.arange(len(audit.entanglement)) < 2, cause="classes")
    pairs["items_a"], pairs["items_b"] = "1000 1001", "1002"
    flagged = found[found["is_label_issue"]]
    verdicts = np.resize(["accept", "keep", "other", "open", "unsure"], len(flagged))
    decided = pd.DataFrame(
        [
            {**_row(decisions.COLUMNS), **finding, "decision": verdict, "kind": "label", "review_key": f"k{at}"}
            for at, (finding, verdict) in enumerate(zip(flagged.to_dict("records"), verdicts, strict=True))
        ]
    )[list(decisions.COLUMNS)]
    asked = {
        **_row(warning_decisions.COLUMNS),
        "class_a": pairs["class_a"].iloc[0],
        "class_b": pairs["class_b"].iloc[0],
    }
    broken = [{"rule": "duplicate", "suggestion": "remove"}, {"rule": "sliver", "suggestion": "move"}]
    issues = [{"issue": name, "is_region_issue": True} for name in ("spurious", "missing", "shifted")]
    return replace(
        audit,
        findings=found,
        entanglement=pairs,
        region_faults=pd.DataFrame([{**_row(findings.SCHEMAS["region_faults"]), **one} for one in broken]),
        region_issues=pd.DataFrame([{**_row(findings.SCHEMAS["region_issues"]), **one} for one in issues]),
    ), {DECISIONS: decided, WARNING_DECISIONS: pd.DataFrame([asked])}


def _row(schema: dict[str, str]) -> dict[str, Any]:
    usual: dict[str, Any] = {"str": "2", "int64": 1, "Int64": 1, "float64": 0.5, "bool": True, "object": None}
    return {name: usual[kind] for name, kind in schema.items()}


def _odd_table(table: pd.DataFrame, rng: random.Random) -> pd.DataFrame:
    """*table* with a column or a row that is odd."""
    table = table.copy()
    column = rng.choice(list(table.columns))
    kind, rows = rng.randrange(9), len(table)
    if kind == 0:
        return table.drop(columns=column)
    if kind == 1:
        return table.iloc[: rng.choice([0, 1, 2])]
    if kind == 2:
        return pd.concat([table, table.iloc[: rng.choice([1, rows])]], ignore_index=True)
    if kind == 3:
        return table.rename(columns={column: rng.choice(["x", "", "task_id"])})
    if kind == 4:
        table[column] = table[column].astype(str)
    elif kind == 5:
        table[column] = [rng.choice([*TEXTS, None]) for _ in range(rows)]
    elif kind == 6:
        table[column] = rng.choice([None, True, 0, -1, 2**62, 0.5, float("nan"), float("inf"), "", "x", b"x"])
    else:
        values = table[column].astype(object).tolist()
        for _ in range(rng.randint(1, 3) if rows else 0):
            values[rng.randrange(rows)] = rng.choice(NUMBERS if isinstance(values[0], int | float) else [*TEXTS, None])
        table[column] = pd.Series(values, dtype=object).infer_objects()
    return table


def _as_parquet(table: pd.DataFrame, otherwise: bytes) -> bytes:
    written = io.BytesIO()
    try:
        table.to_parquet(written, index=False)
    except Exception:  # noqa: BLE001 what nobody can write, nobody reads
        return otherwise
    return written.getvalue()
