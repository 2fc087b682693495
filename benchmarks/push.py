"""How fast findings become review tasks on a real server, are brought up to date, and their decisions read back.

Needs a server: LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY. Makes a project of text tasks and its review project, and
deletes both at the end::

    python benchmarks/push.py --findings 10000

Four steps: a first push; one that finds nothing new; one of a later audit in which 5 % of the findings are gone and for
5 % another label is suggested; and `decisions`.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np
from pull import seconds, seed

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.auditing import run_audit
from ntk_labelqa.labelstudio.connect import connect_from_environment
from ntk_labelqa.labelstudio.reading.pull import pull_project
from ntk_labelqa.labelstudio.review.decisions import read_decisions
from ntk_labelqa.labelstudio.review.push import push_findings
from ntk_labelqa.options import AuditOptions


def main() -> None:
    """Print the seconds of each step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--findings", type=int, default=5000)
    asked = parser.parse_args()
    client = connect_from_environment()
    project = seed(client, asked.findings)
    review = None
    try:
        audit = run_audit(pull_project(client, project), AuditOptions(architecture="linear"))
        classes = audit.findings["given_label"].unique()
        other = dict(zip(classes, [*classes[1:], classes[0]], strict=True))
        flagged = audit.findings.assign(
            is_label_issue=True, suggested_label=audit.findings["given_label"].map(other), error_probability=0.9
        )
        audit = replace(audit, findings=flagged)
        for name, pushed in (("first push", audit), ("the same again", audit), ("10 % changed", later_audit(audit))):
            start = time.perf_counter()
            result = push_findings(client, pushed)
            took = time.perf_counter() - start
            review = result.project_id
            print(
                f"{name}: {asked.findings} findings in {took:.1f} s, {asked.findings / took:.0f} a second "
                f"({result.created} created, {result.already_there} already there, {result.withdrawn} withdrawn, "
                f"{result.renewed} made anew)",
                flush=True,
            )
        print(f"decisions: {seconds(lambda: read_decisions(client, audit, project)):.1f} s")
    finally:
        for made in (project, review):
            if made is not None:
                client.projects.delete(id=made)


def later_audit(audit: Audit) -> Audit:
    """*audit* a day later: one finding in twenty is gone, and for another one in twenty another label is suggested."""
    found = audit.findings.copy()
    rows = np.random.default_rng(0).permutation(len(found))
    gone, other = rows[: len(rows) // 20], rows[len(rows) // 20 : len(rows) // 10]
    found.loc[gone, "is_label_issue"] = False
    found.loc[gone, "suggested_label"] = None
    found.loc[other, "suggested_label"] = found.loc[other, "suggested_label"] + " "
    return replace(audit, findings=found, manifest={**audit.manifest, "created_at": "2999-01-01T00:00:00+00:00"})


if __name__ == "__main__":
    main()
