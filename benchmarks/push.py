"""How fast findings become review tasks on a real server, and how fast a second push finds that nothing is new.

Needs a server: LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY. Makes a project of text tasks and its review project, and
deletes both at the end::

    python benchmarks/push.py --findings 5000
"""

from __future__ import annotations

import argparse
from dataclasses import replace

from pull import seconds, seed

from ntk_labelqa.auditing import run_audit
from ntk_labelqa.labelstudio.connect import connect_from_environment
from ntk_labelqa.labelstudio.pull import pull_project
from ntk_labelqa.labelstudio.push import push_findings
from ntk_labelqa.options import AuditOptions


def main() -> None:
    """Print findings a second of a first and of a second push."""
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
        results = []
        for name in ("first push", "second push"):
            took = seconds(lambda: results.append(push_findings(client, audit)))
            result = results[-1]
            review = result.project_id
            print(
                f"{name}: {asked.findings} findings in {took:.1f} s, {asked.findings / took:.0f} a second "
                f"({result.created} created, {result.already_there} already there)",
                flush=True,
            )
    finally:
        for made in (project, review):
            if made is not None:
                client.projects.delete(id=made)


if __name__ == "__main__":
    main()
