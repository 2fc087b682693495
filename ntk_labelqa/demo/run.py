"""The whole loop on a real server with errors that we planted: seed, pull, audit, push, and compare with the truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ntk_labelqa.audit_folder import REPORT
from ntk_labelqa.auditing import run_audit
from ntk_labelqa.demo.seed import SeededProject, known_truth, seed_digits
from ntk_labelqa.demo.server import LocalServer
from ntk_labelqa.labelstudio.connect import connect
from ntk_labelqa.labelstudio.media.fetch import fetch_media
from ntk_labelqa.labelstudio.reading.pull import pull_project
from ntk_labelqa.labelstudio.review.push import push_findings
from ntk_labelqa.progress import Stages
from ntk_labelqa.report.html import render_report

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class DemoResult:
    """What the demonstration shows.

    Attributes:
        planted: wrong labels planted.
        recall: share of them that were flagged; high = good.
        precision: share of the flagged labels that are wrong; high = good.
        review_url: address of the review project.
        report: path of the report.
    """

    planted: int
    flagged: int
    recall: float
    precision: float
    review_url: str
    report: Path


def run_demo(server: LocalServer, out: Path, *, items: int | None = None, stages: Stages) -> DemoResult:
    """Run the loop against *server*; the audit folder becomes *out*.

    Args:
        server: a running server.
        out: the audit folder to write; one that is there is replaced.
        items: how many digit images; None takes all 1,797.
        stages: shows progress.
    """
    client = connect(server.url, server.token)
    with stages.stage("Seeding the project"):
        project = seed_digits(client, server, items=items)
    with stages.stage("Pulling the annotations") as tick:
        dataset = pull_project(client, project, progress=tick)
    seeded = known_truth(dataset)
    with stages.stage("Fetching the images") as tick:
        dataset = fetch_media(dataset, client=client, cache_dir=server.home / "media", progress=tick)
    audit = run_audit(dataset, stages=stages)
    folder = audit.save(out, overwrite=True, report=render_report(audit))
    with stages.stage("Pushing the review tasks") as tick:
        pushed = push_findings(client, audit, progress=tick)
    recall, precision = against_truth(audit.findings, seeded)
    return DemoResult(
        len(seeded.wrong), int(audit.findings["is_label_issue"].sum()), recall, precision, pushed.url, folder / REPORT
    )


def against_truth(findings: pd.DataFrame, seeded: SeededProject) -> tuple[float, float]:
    """(recall, precision) of the flagged annotations on the planted errors."""
    flagged = set(findings.loc[findings["is_label_issue"], "annotation_id"])
    hits = len(flagged & seeded.wrong)
    return hits / max(len(seeded.wrong), 1), hits / max(len(flagged), 1)
