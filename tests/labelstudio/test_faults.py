"""Whatever goes wrong in one request, nothing is lost, doubled or written elsewhere, and no failure goes unsaid."""

from __future__ import annotations

import pytest

from tests.labelstudio.faults import COMMANDS, FAULTS, trials

FEW, MANY = range(1), range(100, 112)


def check(command: str, faults: list[str], seeds: range) -> None:
    fired = 0
    for fault, seed, outcome in trials(command, faults, seeds):
        fired += outcome.fired
        bad = (outcome.lost, outcome.doubled, outcome.wrong, outcome.silent, outcome.stuck)
        assert bad == (0, 0, 0, False, False), f"{fault}, seed {seed}: {outcome}"
    assert fired > len(seeds) * len(faults) // 2


@pytest.mark.parametrize("number", range(len(COMMANDS)), ids=COMMANDS)
def test_half_of_the_faults_by_turns(number: int) -> None:
    check(COMMANDS[number], list(FAULTS)[number % 2 :: 2], FEW)


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_many_faults_of_each_kind(command: str) -> None:
    check(command, list(FAULTS), MANY)
