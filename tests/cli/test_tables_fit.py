"""What commands print in tables fits a terminal of eighty columns, and one whose width is unknown."""

from __future__ import annotations

import pandas as pd
import pytest
from rich.cells import cell_len

from ntk_labelqa.cli.decisions import dispute, say, show, show_hit_rates, warning_line
from ntk_labelqa.cli.entry import run
from tests.exports import digits_export
from tests.gate.audits import audit_of, with_findings, write_policy

LONG = "somebody with a very long name who labels at night 猫猫猫"


@pytest.fixture(params=[None, "80"])
def printed(request, monkeypatch, capfd):
    """Give the lines that were printed, in a terminal of eighty columns or none."""
    monkeypatch.delenv("COLUMNS", raising=False)
    if request.param:
        monkeypatch.setenv("COLUMNS", request.param)
    return lambda: capfd.readouterr().out.splitlines()


def fits(lines: list[str]) -> bool:
    return len(lines) > 2 and max(map(cell_len, lines)) <= 80


def test_doctor(printed, monkeypatch) -> None:
    monkeypatch.setenv("NTK_LABELQA_CACHE", "/a/cache/in/[a]/folder/" + "of/many/levels/" * 9)
    monkeypatch.delenv("LABEL_STUDIO_URL", raising=False)
    assert run(["doctor"]) == 0
    lines = printed()
    assert fits(lines)
    assert any("[a]" in line for line in lines)


def test_encoders(printed) -> None:
    assert run(["encoders"]) == 0
    assert fits(printed())


def test_gate(printed, tmp_path) -> None:
    folder = with_findings(audit_of(wrong=4), annotator=LONG).save(tmp_path / "audit")
    policy = 'check = "annotator_error_rate"\nat_most = 0.0\n[[check]]\ncheck = "suspects"\nat_most = 0'
    assert run(["gate", str(folder), "--policy", str(write_policy(tmp_path, policy))]) == 1
    lines = printed()
    assert fits(lines)
    assert LONG in " ".join(" ".join(lines).split())


def test_history(printed, tmp_path) -> None:
    folders = [
        str(audit_of(created=f"2026-03-0{day}T02:00:00+00:00", project_id=day).save(tmp_path / str(day)))
        for day in (1, 2)
    ]
    assert run(["history", *folders]) == 0
    lines = printed()
    assert fits(lines)
    assert "another project: 1 of http://127.0.0.1:1, now 2 of http://127.0.0.1:1" in " ".join(" ".join(lines).split())


@pytest.mark.parametrize("command", [["schemes"], ["architectures", "--arch", "2-L"]])
def test_rankings(printed, tmp_path, command: list[str]) -> None:
    source, features = digits_export(tmp_path, 60)
    assert run([*command, str(source), "--features", str(features), "--quiet"]) == 0
    assert fits(printed())


def test_decisions(printed) -> None:
    say(f"\nReview project: http://127.0.0.1:8080/projects/3, of {LONG}, 12 review tasks")
    disputed = {"task_id": 1, "annotation_id": 2, "given_label": LONG, "votes": "accept 1, keep 1", "comment": LONG}
    warned = {"class_a": LONG, "class_b": LONG, "overlap": 0.5, "decision": "relabel", "votes": "", "comment": LONG}
    show(f"Reviewers of {LONG} disagree on 2 findings:", [dispute(disputed), warning_line(warned)])
    rates = {"low": 0, "high": 1, "decided": 100000, "hit_rate": 1.0, "wrong": 1.0, "wrong_low": 1.0, "wrong_high": 1.0}
    show_hit_rates(pd.DataFrame([rates]))
    assert fits(printed())
