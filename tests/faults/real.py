"""Commands against a real Label Studio behind a proxy while something goes wrong in each run, and what is left of it.

``python -m tests.faults.real --runs 135`` prints the table of docs/explanation/reliability.md; a run takes ten to
thirty seconds.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from ntk_labelqa.demo.server import PEOPLE, LocalServer
from ntk_labelqa.labelstudio.connect import connect
from tests.faults import kinds
from tests.faults.kinds import Fault
from tests.faults.outcomes import Outcome, disturbed, requests_in, table
from tests.faults.places import COMMANDS, prepared
from tests.faults.proxy import OF_ONE_HOP, Proxy, proxy
from tests.faults.worlds import ANOTHERS, LABELS, Row, World
from tests.live.topics import topic, topics_project

PATIENCE = 120.0
"""Seconds that the server may take for an answer."""


class Real(World):
    """A project of its own on *server*, with :data:`LABELS` labelled texts."""

    def __init__(self, server: LocalServer) -> None:
        self.server, self.token = server, server.token
        self.http = httpx.Client(base_url=server.url, timeout=PATIENCE, trust_env=False)
        client = connect(server.url, server.token)
        self.source = topics_project(client, LABELS)
        self.people = {user.email: user.id for user in client.users.list()}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        headers = [(name, value) for name, value in request.headers.items() if name not in OF_ONE_HOP]
        path = request.url.raw_path.decode()
        given = self.http.request(request.method, path, headers=headers, content=request.content)
        kept = [(name, value) for name, value in given.headers.multi_items() if name not in OF_ONE_HOP]
        return httpx.Response(given.status_code, headers=kept, content=given.content)

    def label(self, annotation: int, label: str) -> None:
        self._send("PATCH", f"/api/annotations/{annotation}/", {"result": [topic(label)]})

    def review(self, task: int, result: list[Row]) -> None:
        said = {"result": result, "completed_by": self.people[PEOPLE[3]]}
        self._send("POST", f"/api/tasks/{task}/annotations/", said)

    def predict(self, task: int) -> None:
        said = {"task": task, "model_version": ANOTHERS, "score": 0.5, "result": [topic("sport")]}
        self._send("POST", "/api/predictions/", said)

    def _send(self, method: str, path: str, body: Any) -> None:
        headers = {"Authorization": f"Token {self.token}"}
        self.http.request(method, path, json=body, headers=headers).raise_for_status()


class Restarted(Fault):
    """The server's processes are killed, before or after what is asked is done, and it is started again afterwards."""

    def wrong(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(self.server, Real)
        if self.chance.random() < 0.5:
            self.server(request)
        kill(self.server.server)
        raise httpx.ReadError("killed")

    def over(self) -> None:
        if self.fired:
            assert isinstance(self.server, Real)
            start_again(self.server.server)


def kill(server: LocalServer) -> None:
    """End the server as a power cut would."""
    assert server._process is not None
    os.killpg(server._process.pid, signal.SIGKILL)
    server._process.wait()
    assert server._process.stdin is not None
    server._process.stdin.close()


def start_again(server: LocalServer) -> None:
    """Start it at the same address, with the data that it left."""
    server._start(int(server.url.rpartition(":")[2]), {})


FAULTS: Mapping[str, type[Fault]] = kinds.FAULTS | {"server killed, restarted": Restarted}


def trials(
    server: LocalServer, between: Proxy, folder: Path, runs: int, cells: Sequence[tuple[str, str]]
) -> Iterator[tuple[str, str, int, Outcome]]:
    """The outcomes of *runs* disturbed runs, (command, fault) by turns from *cells*."""

    @cache
    def undisturbed(command: str) -> list[httpx.Request]:
        return requests_in(command, prepared(command, Real(server), between, folder / f"undisturbed {command}"))

    for number in range(runs):
        command, fault = cells[number % len(cells)]
        seed = number // len(cells)
        requests = undisturbed(command)
        place = prepared(command, Real(server), between, folder / str(number))
        kind = FAULTS[fault]
        if kind.at_every_request:  # not the first one alone, where there are fewer turns than requests
            seed = random.Random(f"{command} {fault} {number}").randrange(2 * len(requests))
        yield command, fault, seed, disturbed(command, kind, seed, place, requests)


def main() -> None:
    """Print the table, in Markdown: a row a fault, a column a command, and what came of it."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--runs", type=int, default=len(COMMANDS) * len(FAULTS))
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no run after that")
    parser.add_argument("--command", choices=COMMANDS, action="append")
    parser.add_argument("--fault", choices=FAULTS, action="append")
    given = parser.parse_args()
    commands, faults = given.command or COMMANDS, given.fault or list(FAULTS)
    cells = [(command, fault) for command in commands for fault in faults]
    random.Random(0).shuffle(cells)  # a run that is cut short has met all kinds
    found: dict[str, dict[str, list[Outcome]]] = {command: defaultdict(list) for command in commands}
    end = time.monotonic() + 60 * given.minutes
    with LocalServer() as server, proxy() as between, tempfile.TemporaryDirectory() as folder:
        for command, fault, seed, outcome in trials(server, between, Path(folder), given.runs, cells):
            found[command][fault].append(outcome)
            said = f"{command}, {fault}, seed {seed}: {outcome.codes} {outcome.bad}"
            print(f"{datetime.now():%H:%M:%S} {said}", file=sys.stderr, flush=True)
            if time.monotonic() > end:
                break
    print("\n".join(table(found, faults)))


if __name__ == "__main__":
    main()
