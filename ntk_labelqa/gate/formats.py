"""A verdict as text for a terminal, JSON, JUnit XML for a build server, and Markdown for a pull request."""

from __future__ import annotations

import json
from dataclasses import asdict
from xml.etree import ElementTree

from ntk_labelqa.gate.verdict import Line, Status, Verdict
from ntk_labelqa.terminal import aligned, wrapped

WORDS: dict[Status, str] = {"passed": "passed", "failed": "FAILED", "waived": "waived", "not judged": "NOT JUDGED"}
ORDER: tuple[Status, ...] = ("failed", "not judged", "waived", "passed")


def as_text(verdict: Verdict) -> str:
    """One line a check as a test runner prints them, what to do below it, and the verdict at the end."""
    rows = []
    for line in verdict.lines:
        rows.append((WORDS[line.status], printable(_name(line)), printable(_said(line))))
        if line.remedy:
            rows.append(("", "", f"→ {printable(line.remedy)}"))
    return "\n".join([*aligned(rows), "", wrapped(headline(verdict))])


def as_json(verdict: Verdict) -> str:
    """``outcome``, ``exit_code``, ``counts``, the audit's time and fingerprint, and every line with its figures."""
    content = {
        "outcome": verdict.outcome,
        "exit_code": verdict.exit_code,
        "counts": {status: verdict.count(status) for status in ORDER},
        "audit": {
            "created_at": verdict.audit["created_at"],
            "fingerprint": verdict.audit["data"]["fingerprint"],
            "project_id": verdict.audit["data"]["project_id"],
        },
        "checks": [asdict(line) for line in verdict.lines],
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)


def as_junit(verdict: Verdict) -> str:
    """A test suite: a failed check is a failure, one that could not be judged an error, a waived one skipped.

    A warning is a passed test that says so on its output, as it stops nothing.
    """
    errors = [line for line in verdict.lines if line.severity == "error"]
    suite = ElementTree.Element(
        "testsuite",
        name="ntk-labelqa gate",
        tests=str(len(verdict.lines)),
        failures=str(sum(line.status == "failed" for line in errors)),
        errors=str(sum(line.status == "not judged" for line in errors)),
        skipped=str(verdict.count("waived")),
        timestamp=verdict.audit["created_at"],
    )
    elements: dict[Status, str] = {"failed": "failure", "not judged": "error"}
    for line in verdict.lines:
        case = ElementTree.SubElement(suite, "testcase", classname="labelqa", name=printable(_name(line)))
        if line.status == "waived":
            ElementTree.SubElement(case, "skipped", message=printable(line.text))
        elif line.status in elements and line.severity == "error":
            problem = ElementTree.SubElement(case, elements[line.status], message=printable(line.text))
            problem.text = printable(line.remedy)
        else:
            ElementTree.SubElement(case, "system-out").text = printable(f"{WORDS[line.status]}: {_said(line)}")
    ElementTree.indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suite, encoding="unicode")


def as_markdown(verdict: Verdict) -> str:
    """A heading and a table, as a comment of a pull request."""
    rows = [
        f"| {WORDS[line.status]} | {_cell(_name(line))} | {_cell(_said(line))} | {_cell(line.remedy)} |"
        for line in verdict.lines
    ]
    return "\n".join([f"### {headline(verdict)}", "", "| | check | figure | what to do |", "|---|---|---|---|", *rows])


def headline(verdict: Verdict) -> str:
    """The verdict in one line: ``Gate failed: 1 failed, 6 passed.``"""
    counts = [f"{verdict.count(status)} {status}" for status in ORDER if verdict.count(status)]
    said = {"passed": "passed", "failed": "failed", "not judged": "could not be judged"}[verdict.outcome]
    return f"Gate {said}: {', '.join(counts)}."


def _name(line: Line) -> str:
    return f"{line.check} ({line.scope})" if line.scope else line.check


def _said(line: Line) -> str:
    warning = line.severity == "warning" and line.status != "passed"
    return f"{line.text} [warning]" if warning else line.text


def printable(text: str) -> str:
    """*text* without control characters: XML cannot hold them, terminals obey them, and names come from people."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _cell(text: str) -> str:
    """*text* on one line of a Markdown table, with what people wrote kept from acting as markup."""
    flat = " ".join(text.split())
    for letter in "\\|<>[]`*_":
        flat = flat.replace(letter, f"\\{letter}")
    return flat
