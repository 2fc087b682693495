"""`--notify`: what arrives, what never does, and which exit code a summary that is lost leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ntk_labelqa.cli.entry import run
from ntk_labelqa.cli.notify import VARIABLE
from tests.exports import digits_export
from tests.gate.audits import audit_of, write_policy
from tests.labelstudio.web import Reply, as_json, serving

LENIENT = 'check = "error_rate"\nat_most = 0.5'
STRICT = 'check = "suspects"\nat_most = 0'


def gate(tmp_path: Path, policy: str, target: str) -> int:
    """The exit code of a gate on a saved audit of 300 labels, 5 of them wrong."""
    folder = tmp_path / "audit"
    if not folder.exists():
        audit_of(wrong=5).save(folder)
    return run(["gate", str(folder), "--policy", str(write_policy(tmp_path, policy)), "--notify", target])


@pytest.mark.parametrize(("policy", "code"), [(LENIENT, 0), (STRICT, 1)])
def test_a_gate_reaches_a_webhook_and_a_file(tmp_path, policy: str, code: int) -> None:
    with serving(lambda _request: as_json({})) as web:
        assert gate(tmp_path, policy, f"{web.url}/hook") == code
    (request,) = web.requests
    assert (request.method, request.path) == ("POST", "/hook")
    assert gate(tmp_path, policy, str(tmp_path / "gate.json")) == code
    written = json.loads((tmp_path / "gate.json").read_text())
    assert json.loads(request.body) == written
    assert (written["event"], written["exit_code"], len(written["checks"])) == ("gate", code, 2)
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


@pytest.mark.parametrize(("policy", "code"), [(LENIENT, 4), (STRICT, 1)])
def test_a_lost_summary_never_hides_a_failed_gate(tmp_path, capfd, policy: str, code: int) -> None:
    with serving(lambda _request: Reply(status=500)) as web:
        assert gate(tmp_path, policy, f"{web.url}/hook/s3cret?key=s3cret") == code
    said = capfd.readouterr()
    assert "127.0.0.1 answered 500" in said.err
    assert "s3cret" not in said.err + said.out
    assert gate(tmp_path, policy, str(tmp_path / "nowhere" / "gate.json")) == code


def test_nobody_there(tmp_path, capfd) -> None:
    with serving(lambda _request: as_json({})) as web:
        address = f"{web.url}/s3cret"
    assert gate(tmp_path, LENIENT, address) == 4
    said = capfd.readouterr()
    assert "ConnectError" in said.err
    assert "s3cret" not in said.err
    assert "Gate passed" in said.out


@pytest.mark.parametrize("target", ["ftp://example.org/x", "https://", "."])
def test_what_cannot_be_a_target_is_refused_before_any_work(tmp_path, target: str) -> None:
    assert gate(tmp_path, LENIENT, target) == 2


def test_an_audit_sends_its_figures_and_no_label(tmp_path, monkeypatch) -> None:
    source, features = digits_export(tmp_path, 120)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "summary.json"))
    common = [str(source), "--features", str(features), "--arch", "2-L", "--quiet"]
    assert run(["audit", *common, "--out", str(tmp_path / "audit")]) == 0
    sent = json.loads((tmp_path / "summary.json").read_text())
    manifest = json.loads((tmp_path / "audit" / "audit.json").read_text())
    assert sent["event"] == "audit"
    assert sent["error_rate"] == manifest["summary"]["error_rate"]
    assert str(tmp_path) not in json.dumps(sent)
    assert (tmp_path / "audit" / "report.html").exists()
