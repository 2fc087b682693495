"""An audit held against a policy: one line a check, and what they say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.gate.case import Case, Check, Measured, NotJudged
from ntk_labelqa.gate.policy import AnyCheck, Policy

Status = Literal["passed", "failed", "waived", "not judged"]
PASSED, FAILED, NOT_JUDGED = 0, 1, 3
"""Exit codes of the gate."""
ENOUGH, CURRENT = "enough_items", "up_to_date"
"""The lines that stand before the policy's own; the second where it is known that labels have changed since."""


@dataclass(frozen=True)
class Line:
    """What one check said.

    Attributes:
        check: its name in the policy.
        scope: what it was narrowed to, in words; empty if to nothing.
        status: failed unless the limit was kept or the failure waived; not judged where the audit lacks what it needs.
        severity: only errors decide.
        text: figure and limit, or why it could not be judged.
        remedy: what to do; empty where nothing is to be done.
        value, limit: the figures; None where it could not be judged.
    """

    check: str
    scope: str
    status: Status
    severity: Literal["error", "warning"]
    text: str
    remedy: str = ""
    value: float | None = None
    limit: float | None = None


@dataclass(frozen=True)
class Verdict:
    """What the policy says of an audit.

    Attributes:
        lines: one a check, in the policy's order, after one on whether there was enough data and, if the labels are
            known to have changed since the audit, one on that.
        audit: the audit's manifest.
    """

    lines: Sequence[Line]
    audit: dict[str, Any]

    @property
    def outcome(self) -> Status:
        """Failed if any check failed, else not judged if any could not be; warnings do not count."""
        statuses = {line.status for line in self.lines if line.severity == "error"}
        if "failed" in statuses:
            return "failed"
        return "not judged" if "not judged" in statuses else "passed"

    @property
    def exit_code(self) -> int:
        """0 passed, 1 failed, 3 could not be judged."""
        return {"passed": PASSED, "failed": FAILED, "not judged": NOT_JUDGED}[self.outcome]

    def count(self, status: Status) -> int:
        """How many checks have *status*."""
        return sum(line.status == status for line in self.lines)


def judge(audit: Audit, policy: Policy, *, base: Path | None = None, today: date | None = None) -> Verdict:
    """Hold *audit* against *policy*.

    Args:
        audit: made now or loaded.
        policy: the limits.
        base: folder that the policy's relative paths start from; None is the working folder.
        today: the day by which waivers are judged; None is today, UTC.

    Example:
        >>> import numpy as np
        >>> from ntk_labelqa import LabelAudit
        >>> from ntk_labelqa.gate.policy import Policy
        >>> codes = np.repeat([0, 1], 100)
        >>> rows = 4 * np.eye(2)[codes] + np.random.default_rng(0).normal(size=(200, 2))
        >>> audit = LabelAudit(architecture="2-L").fit(rows, codes).audit()
        >>> limit = {"check": "error_rate", "at_most": 0.05}
        >>> judge(audit, Policy.model_validate({"version": 1, "check": [limit]})).outcome
        'passed'
    """
    case = Case(audit, policy.minimum_items, policy.minimum_labels, base or Path())
    day = today or datetime.now(UTC).date()
    return Verdict(
        [_enough(case), *_current(audit), *(_line(check, case, day) for check in policy.checks)], audit.manifest
    )


def _enough(case: Case) -> Line:
    """Whether the audit's estimates can be relied on at all: a gate on a few items is no pass."""
    try:
        case.need_informative_labels()
    except NotJudged as gap:
        return Line(ENOUGH, "", "not judged", "error", gap.why, gap.remedy)
    items, needed = case.audit.summary["items"], case.minimum_items
    return Line(ENOUGH, "", "passed", "error", f"{items} items (at least {needed})", value=items, limit=needed)


def _current(audit: Audit) -> list[Line]:
    """That the audit is of labels that were different then, if that is known: what it says is of the past."""
    if not audit.stale:
        return []
    text = f"annotations have changed since {audit.stale}, after the audit"
    return [Line(CURRENT, "", "not judged", "error", text, "Audit again (ntk-labelqa audit --update).")]


def _line(check: AnyCheck, case: Case, today: date) -> Line:
    scope = _scope(check)
    try:
        found = check.judge(case)
    except NotJudged as gap:
        return Line(check.check, scope, "not judged", check.severity, gap.why, gap.remedy)
    status, text, remedy = _with_waiver(check, found, today)
    return Line(check.check, scope, status, check.severity, text, remedy, found.value, found.limit)


def _with_waiver(check: Check, found: Measured, today: date) -> tuple[Status, str, str]:
    """Status, text and remedy once the check's waiver is taken into account."""
    waiver = check.waiver
    if found.passed:
        return "passed", found.text, "The waiver is not needed any more." if waiver else ""
    if waiver is None:
        return "failed", found.text, found.remedy
    if today > waiver.expires:
        return "failed", f"{found.text}; the waiver expired on {waiver.expires}", found.remedy
    return "waived", f"{found.text}; waived until {waiver.expires}: {waiver.reason}", ""


def _scope(check: AnyCheck) -> str:
    scope = getattr(check, "scope", None)
    given = scope.model_dump(by_alias=True, exclude_none=True) if scope else {}
    return ", ".join(f"{key} {value}" for key, value in given.items())
