"""A verdict in each format, with names that people wrote to break it."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ntk_labelqa.gate.formats import as_json, as_junit, as_markdown, as_text
from ntk_labelqa.gate.policy import read_policy
from ntk_labelqa.gate.verdict import Verdict, judge
from tests.gate.audits import audit_of, with_findings, write_policy

NASTY = "ada\x1b[2J|<b>`]]>&\x00"

POLICY = """check = "suspects"
at_most = 0
[[check]]
check = "coverage"
at_least = 0.5
[[check]]
check = "error_rate"
at_most = 0.0
waiver = {reason = "first release", expires = 2026-05-01}
[[check]]
check = "unreviewed"
at_most = 0
[[check]]
check = "annotator_error_rate"
at_most = 0.0
severity = "warning"
"""


@pytest.fixture
def verdict(tmp_path: Path) -> Verdict:
    policy = read_policy(write_policy(tmp_path, POLICY))
    return judge(with_findings(audit_of(wrong=4), annotator=NASTY), policy, today=date(2026, 5, 1))


def test_the_verdict_counts(verdict) -> None:
    statuses = [line.status for line in verdict.lines]
    assert statuses == ["passed", "failed", "passed", "waived", "not judged", "failed"]
    assert (verdict.outcome, verdict.exit_code) == ("failed", 1)


def test_text_has_a_line_a_check_and_nothing_that_a_terminal_obeys(verdict) -> None:
    text = as_text(verdict)
    assert "\x1b" not in text
    assert "\x00" not in text
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("→")]
    assert [line.split("  ")[0] for line in lines[:6]] == [
        "passed",
        "FAILED",
        "passed",
        "waived",
        "NOT JUDGED",
        "FAILED",
    ]
    assert "[warning]" in lines[5]
    assert lines[-1] == "Gate failed: 2 failed, 1 not judged, 1 waived, 2 passed."


def test_json_has_the_figures(verdict) -> None:
    content = json.loads(as_json(verdict))
    assert content["exit_code"] == 1
    assert content["counts"] == {"failed": 2, "not judged": 1, "waived": 1, "passed": 2}
    suspects = content["checks"][1]
    assert (suspects["check"], suspects["value"], suspects["limit"]) == ("suspects", 4, 0)
    assert content["checks"][4]["value"] is None


def test_junit_tells_failures_errors_and_waivers_apart(verdict) -> None:
    suite = ElementTree.fromstring(as_junit(verdict))
    assert {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "6",
        "failures": "1",
        "errors": "1",
        "skipped": "1",
    }
    assert [case.get("name") for case in suite if case.find("failure") is not None] == ["suspects"]
    assert [case.get("name") for case in suite if case.find("error") is not None] == ["unreviewed"]
    assert "ada" in suite[5].find("system-out").text


def test_markdown_is_one_table(verdict) -> None:
    rows = as_markdown(verdict).splitlines()[2:]
    assert len(rows) == 2 + 6
    assert {row.replace("\\|", "").count("|") for row in rows} == {5}
    assert "<b>" not in as_markdown(verdict)
