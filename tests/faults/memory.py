"""Commands against a Label Studio in memory while something goes wrong in each run, and what is left of it.

``python -m tests.faults.memory --seeds 10`` prints the table of docs/explanation/reliability.md.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import httpx

from tests.faults import kinds
from tests.faults.kinds import STEPS, Fault
from tests.faults.outcomes import Outcome, about, disturbed, requests_in, table
from tests.faults.places import COMMANDS, at_once, copied, prepared
from tests.faults.proxy import proxy
from tests.faults.worlds import Memory


class ServersClock(Fault):
    """The server's clock steps by an hour or a day, and stays there."""

    def wrong(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(self.server, Memory)
        self.server.studio.now += self.chance.choice(STEPS)
        return self.server(request)


FAULTS: Mapping[str, type[Fault]] = kinds.FAULTS | {"server's clock steps": ServersClock}


def trials(
    command: str, faults: Sequence[str], seeds: Sequence[int], *, every: bool = False
) -> Iterator[tuple[str, int, Outcome]]:
    """Every outcome of *command*, each from the same beginning.

    With *every*, the command is killed before and after each request that it makes, whatever *seeds* are.
    """
    with tempfile.TemporaryDirectory() as name, at_once(), proxy() as between:
        folder = Path(name)
        world = Memory()
        before = prepared(command, world, between, folder / "before")
        requests = requests_in(command, copied(before, world.copied(), folder / "undisturbed"))
        for fault in faults:
            kind = FAULTS[fault]
            each = range(2 * about(kind, requests)) if every and kind.at_every_request else seeds
            for seed in each:
                place = copied(before, world.copied(), folder / "disturbed")
                yield fault, seed, disturbed(command, kind, seed, place, requests)
                shutil.rmtree(place.root)


def main() -> None:
    """Print the table, in Markdown: a row a fault, a column a command, and what came of it."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--command", choices=COMMANDS, action="append")
    parser.add_argument("--fault", choices=FAULTS, action="append")
    given = parser.parse_args()
    commands, faults = given.command or COMMANDS, given.fault or list(FAULTS)
    found: dict[str, dict[str, list[Outcome]]] = {command: defaultdict(list) for command in commands}
    for command in commands:
        print(f"{datetime.now():%H:%M:%S} {command}", file=sys.stderr, flush=True)
        for fault, seed, outcome in trials(command, faults, range(given.seeds), every=True):
            found[command][fault].append(outcome)
            if outcome.bad:
                print(f"{command}, {fault}, seed {seed}: {outcome}", file=sys.stderr, flush=True)
    print("\n".join(table(found, faults)))


if __name__ == "__main__":
    main()
