"""Whatever goes wrong during a command, nothing is lost, doubled or written elsewhere, and no failure goes unsaid."""

from __future__ import annotations

import pytest

from tests.faults.memory import FAULTS, trials
from tests.faults.places import COMMANDS

# What is forked here does not live to compute anything.
pytestmark = pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")
FEW, MANY = range(1), range(100, 102)


def check(command: str, faults: list[str], seeds: range) -> None:
    tries = fired = 0
    for fault, seed, outcome in trials(command, faults, seeds):
        tries, fired = tries + 1, fired + outcome.fired
        assert not outcome.bad, f"{fault}, seed {seed}: {outcome}"
    assert fired > tries // 2


@pytest.mark.long
@pytest.mark.parametrize("number", range(2, len(COMMANDS)), ids=COMMANDS[2:])
def test_a_quarter_of_the_faults_by_turns(number: int) -> None:
    check(COMMANDS[number], list(FAULTS)[number % 4 :: 4], FEW)


@pytest.mark.long
@pytest.mark.parametrize(
    ("command", "faults"),
    [
        ("audit", ["answer cut in half", "SIGTERM"]),
        ("audit --since", ["SIGKILL", "server's clock steps"]),
    ],
)
def test_some_faults_of_an_audit(command: str, faults: list[str]) -> None:
    check(command, faults, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_several_faults_of_each_kind(command: str) -> None:
    check(command, list(FAULTS), MANY)
