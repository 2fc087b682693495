"""Audits whose tables do not go together are judged as far as they go."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from ntk_labelqa import findings
from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.cli.history import table
from ntk_labelqa.gate.checks import not_kept
from ntk_labelqa.gate.policy import Policy
from ntk_labelqa.gate.verdict import judge
from ntk_labelqa.history import read_history
from tests.gate.audits import audit_of


def outcome(audit: Audit, **check: object) -> str:
    """What a policy of one check says."""
    return judge(audit, Policy.model_validate({"version": 1, "check": [check]})).lines[-1].status


def test_items_that_stand_twice_are_one() -> None:
    audit = audit_of()
    twice = replace(audit, items=pd.concat([audit.items, audit.items], ignore_index=True))
    assert outcome(twice, check="duplicate_conflicts", at_most=0) == "passed"
    assert outcome(replace(audit, items=audit.items[:0]), check="duplicate_conflicts", at_most=0) == "passed"


def test_an_audit_without_classes_or_items() -> None:
    audit = audit_of()
    assert outcome(replace(audit, classes=audit.classes[:0]), check="smallest_class", at_least=1) == "not judged"
    nothing = replace(
        audit, findings=audit.findings[:0], manifest={**audit.manifest, "summary": {**audit.summary, "items": 0}}
    )
    assert outcome(nothing, check="coverage", at_least=0.9) == "failed"


def test_a_history_of_an_audit_without_classes(tmp_path: Path) -> None:
    audit = audit_of(wrong=9)
    audit.save(tmp_path / "a")
    replace(audit, classes=audit.classes[:0]).save(tmp_path / "b")
    first, second = table(read_history([tmp_path / "a", tmp_path / "b"])).splitlines()[1:]
    assert "cat" in first
    assert second.rstrip().endswith("none")


def test_no_fault_stays_none_whatever_reviewers_kept() -> None:
    faults = findings.empty("region_faults")
    kept = pd.DataFrame({"annotation_id": [1], "region_id": ["r"], "kind": ["rule"], "decision": ["keep"]})
    assert list(not_kept(faults, kept, {"rule"})) == list(faults)
