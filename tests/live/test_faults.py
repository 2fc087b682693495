"""A bounded share of the faults, against a real server; ``python -m tests.faults.real`` tries all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ntk_labelqa.demo.server import LocalServer
from tests.faults.proxy import proxy
from tests.faults.real import trials

pytestmark = [
    pytest.mark.live,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning"),  # what is forked does not live to compute anything
]
CELLS = [
    ("push", "SIGKILL"),
    ("push --predictions", "write sent twice"),
    ("apply", "dropped after the write"),
    ("apply", "server killed, restarted"),
    ("undo", "SIGTERM"),
    ("apply, then undo", "write done late"),
    ("audit --since", "answer cut in half"),
]


def test_nothing_is_lost_doubled_or_written_elsewhere(tmp_path: Path) -> None:
    with LocalServer() as server, proxy() as between:
        for command, fault, seed, outcome in trials(server, between, tmp_path, len(CELLS), CELLS):
            assert not outcome.bad, f"{command}, {fault}, seed {seed}: {outcome}"
