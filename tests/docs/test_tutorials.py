"""The tutorials are what happens: every block is run by a reader who has nothing but the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs import transcript

TUTORIALS = transcript.ROOT / "docs" / "tutorials"
LIVE = {"nightly-gate"}
"""Run against a real Label Studio, by tests/live/test_nightly_tutorial.py."""


@pytest.mark.long
@pytest.mark.parametrize("name", ["first-audit", "python"])
def test_a_reader_gets_what_the_page_shows(name: str, tmp_path: Path) -> None:
    steps = transcript.run(TUTORIALS / f"{name}.md", tmp_path)
    assert sum(step.wanted is not None for step in steps) >= 4


def test_every_tutorial_is_run() -> None:
    run_here = {"first-audit", "python"}
    assert {page.stem for page in TUTORIALS.glob("*.md")} - {"README"} == run_here | LIVE


def test_a_page_that_shows_something_else_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```sh\necho one\n```\n\n```text\ntwo\n```\n")
    folder = tmp_path / "reader"
    folder.mkdir()
    with pytest.raises(AssertionError, match=r"page.md:1"):
        transcript.run(page, folder)


def test_a_command_that_fails_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```sh\nfalse\n```\n")
    folder = tmp_path / "reader"
    folder.mkdir()
    with pytest.raises(AssertionError, match="failed"):
        transcript.run(page, folder)


@pytest.mark.parametrize(
    ("wanted", "got", "same"),
    [
        ("88 of 1797 labels", "86 of 1797 labels", True),
        ("88 of 1797 labels", "60 of 1797 labels", False),
        ("Architecture 2-L", "Architecture 10-L", False),
        ("ridge ...", "ridge 0.01.", True),
        ("one\ntwo", "one two", True),
        ("one", "one two", False),
    ],
)
def test_figures_may_differ_by_a_tenth(wanted: str, got: str, same: bool) -> None:
    assert transcript.alike(wanted, got) is same
