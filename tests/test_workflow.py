"""What GitHub runs at every change: what the README promises, and a look for known vulnerabilities."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PATH = ROOT / ".github/workflows/ci.yml"
TEXT = PATH.read_text(encoding="utf-8")
WORKFLOW: dict[Any, Any] = yaml.safe_load(TEXT)
EVENTS = WORKFLOW[True]  # YAML 1.1 reads the word `on` so
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
AUDIT = "make audit-dependencies"


def commands(job: str) -> list[str]:
    return [step["run"] for step in WORKFLOW["jobs"][job]["steps"] if "run" in step]


def recipe(target: str) -> str:
    """The lines that make runs for *target*, without those for what it needs."""
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert found, f"the Makefile has no {target}"
    return found[1]


def test_every_change_is_tested_as_the_readme_says() -> None:
    (promised,) = re.findall(r"^(make test)\b", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {"push", "pull_request"} <= EVENTS.keys()
    assert commands("test") == [promised]
    assert WORKFLOW["jobs"]["test"]["if"] == "github.event_name != 'schedule'"
    assert recipe("test")


def test_the_pythons_are_the_ends_of_what_is_supported() -> None:
    said = re.search(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert said
    ends = [f"3.{said[1]}", f"3.{int(said[2]) - 1}"]
    for job in WORKFLOW["jobs"].values():
        assert job["strategy"]["matrix"]["python"] == ends


def test_dependencies_are_looked_up_at_every_push_and_every_week() -> None:
    assert commands("dependencies") == [AUDIT]
    assert "if" not in WORKFLOW["jobs"]["dependencies"]
    (when,) = EVENTS["schedule"]
    minute, hour, day, month, weekday = when["cron"].split()
    assert (day, month) == ("*", "*")
    assert all(one.isdecimal() for one in (minute, hour, weekday)), "once a week"


def test_nothing_passes_that_could_not_be_looked_up() -> None:
    """pip-audit by itself leaves with 0 where it has skipped every package."""
    said = recipe("audit-dependencies")
    assert "--strict" in said
    assert "constraints.txt" in said
    assert "lowest-direct" in said


@pytest.mark.parametrize("target", ["test", "test-fast", "test-all", "lint"])
def test_the_tests_ask_no_service_for_vulnerabilities(target: str) -> None:
    (needs,) = re.findall(rf"^{target}:(.*)", MAKEFILE, re.MULTILINE)
    assert "audit" not in needs + recipe(target)


def test_actions_are_those_that_were_looked_at() -> None:
    used = re.findall(r"uses: (.*)", TEXT)
    assert len(used) == 4
    for one in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}\s+# v\d+\.\d+\.\d+", one), one


def test_a_run_can_change_nothing_and_hangs_nowhere() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    for job in WORKFLOW["jobs"].values():
        assert 0 < job["timeout-minutes"] <= 120
        assert "permissions" not in job
        (checkout,) = (step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@"))
        assert checkout["with"]["persist-credentials"] is False
    assert "secrets." not in TEXT


def test_the_page_for_contributors_names_it() -> None:
    said = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert f"`{AUDIT}`" in said
    assert ".github/workflows/ci.yml" in said
