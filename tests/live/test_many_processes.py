"""Eight processes at once on one server: no error that a user sees, nothing lost, nothing doubled."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.labelstudio.reading.pull import take_snapshot
from ntk_labelqa.labelstudio.review import project as review_project
from ntk_labelqa.labelstudio.review.push import push_findings
from tests.live.topics import answer, doubting_audit, review, topics_project

pytestmark = [pytest.mark.live, pytest.mark.slow]
TASKS, ACCEPTED = 40, 15


def all_at_once(commands: list[list[str]], environment: Mapping[str, str]) -> list[tuple[int, str]]:
    """Exit codes, and what was said on standard error."""
    line = [sys.executable, "-m", "ntk_labelqa"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environment}
    running = [subprocess.Popen([*line, *command], **pipes) for command in commands]
    said = [process.communicate(timeout=600)[1] for process in running]
    return [(process.returncode, words) for process, words in zip(running, said, strict=True)]


def test_audits_pushes_and_decisions(client, server, tmp_path: Path) -> None:
    one, other = topics_project(client, TASKS), topics_project(client, TASKS)
    reviewed = doubting_audit(client, one)
    push_findings(client, reviewed)
    numbers = reviewed.findings["annotation_id"].tolist()
    review(client, one, {number: answer("accept") for number in numbers[:ACCEPTED]})
    # Newer evidence, so that the pushes have something to do.
    reviewed.findings["error_probability"] = reviewed.findings["error_probability"].to_numpy()[::-1]
    mine, theirs = str(reviewed.save(tmp_path / "one")), str(doubting_audit(client, other).save(tmp_path / "other"))

    out = iter(str(tmp_path / f"audit {number}") for number in range(3))
    asked = ("audit", "--arch", "linear", "--project")
    ended = all_at_once(
        [
            [*asked, str(one), "--out", next(out)],
            [*asked, str(one), "--out", next(out), "--since", "last"],
            [*asked, str(other), "--out", next(out)],
            ["push", mine],
            ["push", mine],
            ["push", theirs, "--predictions"],
            ["decisions", mine, "--apply"],
            ["decisions", mine, "--apply"],
        ],
        {
            **os.environ,
            "LABEL_STUDIO_URL": server.url,
            "LABEL_STUDIO_API_KEY": server.token,
            "NTK_LABELQA_CACHE": str(tmp_path / "cache"),
        },
    )
    assert [code for code, _ in ended] == [0] * 8, ended
    assert not any("Error" in said for _, said in ended), ended

    for source in (one, other):
        (project,) = review_project.marked(client, review_project.mark(source)).ours
        tasks = take_snapshot(client, project)
        assert sorted(task["data"]["source_annotation"] for task in tasks) == sorted(labelled(client, source))
    made = [row for task in take_snapshot(client, one) for row in task["annotations"] if row["parent_annotation"]]
    assert Counter(row["parent_annotation"] for row in made) == Counter(numbers[:ACCEPTED])
    assert all(len(task["predictions"]) == 1 for task in take_snapshot(client, other))
    for number, source in enumerate((one, one, other)):
        audited = Audit.load(tmp_path / f"audit {number}").findings["annotation_id"]
        assert set(labelled(client, source)) <= set(audited)
        assert audited.is_unique


def labelled(client, source: int) -> list[int]:
    """The annotations of people, of a project."""
    tasks = take_snapshot(client, source)
    return [row["id"] for task in tasks for row in task["annotations"] if not row["parent_annotation"]]
