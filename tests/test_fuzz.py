"""Odd inputs at random come to a value or to an error in words, for a minute; ``python -m tests.fuzz`` runs on."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.fuzz.runs import Found, run
from tests.fuzz.targets import TARGETS

SECONDS = float(os.environ.get("FUZZ_SECONDS", "60"))
"""For all targets together."""


def refuse(found: Found) -> None:
    """Fail with what was found."""
    said = [f"{found.target} {seed}: {place}\n{trace}" for place, (seed, trace) in found.findings.items()]
    assert not said, "\n".join(said)


@pytest.mark.long
@pytest.mark.parametrize("name", TARGETS)
def test_odd_inputs_end_in_a_value_or_in_words(name: str, tmp_path: Path) -> None:
    until = time.monotonic() + SECONDS / len(TARGETS)
    found = run(name, TARGETS[name](tmp_path), range(10**6, 2 * 10**6), until=until)
    refuse(found)
    assert len(found.outcomes) > 1 or "read" in found.outcomes, "nothing of it was ever read"


class _Broken:
    """A target that ends as no input may."""

    together = 5

    def __init__(self, wrong: object) -> None:
        self.wrong = wrong

    def make(self, seed: int) -> int:
        return seed

    def read(self, made: list[int]) -> str:
        if 7 in made:
            if isinstance(self.wrong, Exception):
                raise self.wrong
            while True:
                pass
        return "read"


@pytest.mark.parametrize(("wrong", "place"), [(KeyError("x"), "KeyError in"), (None, "TooSlow in")])
def test_a_finding_is_named_by_its_own_number(wrong: object, place: str, monkeypatch) -> None:
    monkeypatch.setattr("tests.fuzz.runs.SECONDS", 0.05)
    found = run("broken", _Broken(wrong), range(20))
    assert found.inputs == 20
    [(where, (seed, trace))] = found.findings.items()
    assert where.startswith(place)
    assert seed == 7
    assert "read" in trace
