"""`ntk-labelqa history`: audits in the order of time, like compared with like, and the page of charts."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.cli.entry import run
from tests.gate.audits import audit_of


def night(day: int, **options) -> Audit:
    return audit_of(created=f"2026-03-{day:02}T02:00:00+00:00", **options)


@pytest.fixture
def saved(tmp_path):
    """Save audits and return their folders."""

    def save(*audits: Audit) -> list[str]:
        return [str(audit.save(tmp_path / f"audit-{number}")) for number, audit in enumerate(audits)]

    return save


def printed(capfd, *arguments: str) -> list[str]:
    assert run(["history", *arguments]) == 0
    return capfd.readouterr().out.splitlines()


def test_audits_are_printed_in_the_order_of_time_each_once(saved, capfd) -> None:
    first, second, third = saved(night(2, wrong=6), night(1, wrong=3), night(3, wrong=6))
    lines = printed(capfd, first, second, third, first)
    assert [line[:10] for line in lines] == ["audit     ", "2026-03-01", "2026-03-02", "2026-03-03"]
    fingerprints = [line.split()[2] for line in lines[1:]]
    assert fingerprints[1] == fingerprints[2] != fingerprints[0]
    assert "2.9%" in lines[2]  # 6 of 300 with 95 %, the others with 1 %
    assert "0.9% to 4.9%" in lines[2]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"architecture": "linear"}, "another architecture: 2-L, now linear"),
        ({"project_id": 8}, "another project: 7 of http://127.0.0.1:1, now 8 of http://127.0.0.1:1"),
        ({"project_id": None}, "now an export"),
    ],
)
def test_what_cannot_be_compared_is_said(saved, capfd, other, said: str) -> None:
    lines = printed(capfd, *saved(night(1), night(2, **other), night(3, **other)))
    assert lines[2].startswith("-- not comparable")
    assert said in lines[2]
    assert len(lines) == 1 + 3 + 1


def test_other_classes_cannot_be_compared(saved, capfd) -> None:
    audit = night(2)
    data = {**audit.manifest["data"], "class_names": ["cat", "dog", "bat"]}
    lines = printed(capfd, *saved(night(1), replace(audit, manifest={**audit.manifest, "data": data})))
    assert "other classes: bat, owl" in lines[2]


def test_the_page_needs_no_network_and_breaks_its_lines(saved, tmp_path, capfd) -> None:
    folders = saved(night(1), night(2, wrong=20), night(3, wrong=3, architecture="linear"), night(4))
    page = tmp_path / "history.html"
    assert printed(capfd, *folders, "--out", str(page))[-1] == f"Charts: {page}"
    text = page.read_text()
    assert text.count("<svg") == 2
    assert "<script" not in text
    assert not re.search(r'(?:src|href)="(?!#)', text.replace("xlink:href", "href"))
    assert text.count("another architecture") == 2


@pytest.mark.parametrize("name", ["_hidden", r"$\frac{", "猫", "<b>&", "$a$"])
def test_class_names_of_any_kind(saved, tmp_path, name: str, recwarn) -> None:
    audit = night(1, wrong=9)
    renamed = replace(audit, classes=audit.classes.replace({"class_name": {"dog": name}}))
    page = tmp_path / "history.html"
    assert run(["history", *saved(renamed), "--out", str(page)]) == 0
    escaped = name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert f" {escaped}" in re.sub(r"<!--.*?-->", "", page.read_text())
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]


def test_what_is_no_audit_is_refused(saved, tmp_path: Path, capfd) -> None:
    (folder,) = saved(night(1))
    assert run(["history"]) == 2
    assert run(["history", folder, str(tmp_path)]) == 3
    assert "is not an audit folder" in capfd.readouterr().err
    (Path(folder) / "classes.parquet").write_bytes(b"PAR1")
    assert run(["history", folder]) == 3
    assert "cannot be read" in capfd.readouterr().err
    assert run(["history", *saved(), folder, "--out", str(tmp_path / "no" / "page.html")]) == 3
