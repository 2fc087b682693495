"""The spine of the product on a real server: seed, pull, audit, push, and nothing else changed."""

from __future__ import annotations

import os
import subprocess
import sys

import pandas as pd
import pytest

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.demo.run import run_demo
from ntk_labelqa.labelstudio.reading.pull import take_snapshot
from ntk_labelqa.labelstudio.review.push import push_findings
from ntk_labelqa.progress import Stages

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def demo(server, tmp_path_factory):
    """The demonstration, on a sixth of its images."""
    return run_demo(server, tmp_path_factory.mktemp("demo") / "audit", items=300, stages=Stages())


def test_planted_errors_are_found(demo) -> None:
    assert demo.planted > 20
    assert demo.recall >= 0.9
    assert demo.precision >= 0.9


def test_every_finding_is_one_review_task(demo, client) -> None:
    audit = Audit.load(demo.report.parent)
    review = int(demo.review_url.split("/projects/")[1].split("/")[0])
    tasks = take_snapshot(client, review)
    findings = audit.findings[audit.findings["is_label_issue"]]
    assert sorted(task["data"]["source_annotation"] for task in tasks) == sorted(findings["annotation_id"])
    assert not any(task["predictions"] or task["annotations"] for task in tasks)


def test_a_second_push_adds_nothing(demo, client) -> None:
    audit = Audit.load(demo.report.parent)
    again = push_findings(client, audit)
    assert again.created == 0
    assert again.url == demo.review_url


@pytest.mark.slow  # the tutorial of the nightly gate does so as well
def test_the_command_line_audits_a_project(demo, server, tmp_path) -> None:
    source = Audit.load(demo.report.parent).manifest["data"]["project_id"]
    ours_alone = {"LABEL_STUDIO_URL": server.url, "LABEL_STUDIO_API_KEY": server.token, "HOME": str(tmp_path)}
    environment = {**os.environ, **ours_alone}
    done = subprocess.run(
        [sys.executable, "-m", "ntk_labelqa", "audit", "--project", str(source), "--out", str(tmp_path / "audit")],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert "labels are probably wrong" in done.stdout
    ours, theirs = Audit.load(tmp_path / "audit"), Audit.load(demo.report.parent)
    # To rounding: linear algebra may part its sums otherwise in another process.
    pd.testing.assert_frame_equal(ours.findings, theirs.findings, rtol=1e-6, atol=1e-8)
    assert server.token not in (tmp_path / "audit" / "audit.json").read_text() + done.stderr


@pytest.mark.parametrize(
    ("arguments", "key", "said"),
    [
        (["--project", "987654"], None, "does not know it (404)"),
        (["--project", "1"], "0" * 40, "does not take the key"),
    ],
)
def test_what_the_server_refuses(server, tmp_path, arguments, key, said) -> None:
    environment = {"LABEL_STUDIO_URL": server.url, "LABEL_STUDIO_API_KEY": key or server.token, "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "ntk_labelqa", "audit", *arguments, "--out", str(tmp_path / "audit")],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 3
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert environment["LABEL_STUDIO_API_KEY"] not in done.stderr
    assert not (tmp_path / "audit").exists()


@pytest.mark.slow
def test_the_demonstration_command(tmp_path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ntk_labelqa", "demo", "--once", "--out", str(tmp_path / "audit")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures = {line[:15].strip(): line[15:].strip() for line in done.stdout.splitlines()}
    assert float(figures["Recall"].split()[0]) >= 0.95
    assert float(figures["Precision"].split()[0]) >= 0.95
    assert (tmp_path / "audit" / "report.html").exists()
