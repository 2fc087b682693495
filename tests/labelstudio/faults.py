"""Commands against a Label Studio in memory while one request of each run goes wrong, and what is left of it.

``python -m tests.labelstudio.faults --seeds 20`` prints the table of docs/explanation/reliability.md.
"""

from __future__ import annotations

import argparse
import copy
import io
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from unittest.mock import patch

import httpx
import pandas as pd

from ntk_labelqa.cli.entry import run
from ntk_labelqa.labelstudio.corrections import journal
from tests.labelstudio.reviews import answer
from tests.labelstudio.stateful_studio import REVIEWER, Row, Studio, connected
from tests.live.topics import doubting_audit

LABELS, ACCEPTED = 6, 4
COMMANDS = ("push", "push again", "decisions", "apply", "undo", "apply, then undo")
READS, WRITES = ("GET",), ("POST", "DELETE")
AGAIN = 2
"""How often the same command is run again, without a fault, before it is looked at what is left."""


class Fault:
    """Goes wrong at the request *at* of those that it is about, counted from 0.

    Attributes:
        fired: whether it did.
    """

    def __init__(self, studio: Studio, at: int, chance: random.Random) -> None:
        self.studio, self.at, self.chance = studio, at, chance
        self.seen, self.fired = 0, False
        self.held: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if not self.is_about(request):
            return self.studio(request)
        self.seen += 1
        if self.seen <= self.at:
            return self.studio(request)
        return self.later(request) if self.fired else self.now(request)

    def is_about(self, request: httpx.Request) -> bool:
        """Whether it may go wrong at *request*."""
        return True

    def now(self, request: httpx.Request) -> httpx.Response:
        """The answer where it goes wrong."""
        self.fired = True
        return self.wrong(request)

    def wrong(self, request: httpx.Request) -> httpx.Response:
        """The wrong answer."""
        raise NotImplementedError

    def later(self, request: httpx.Request) -> httpx.Response:
        """The answers after that."""
        return self.studio(request)

    def end(self) -> None:
        """What the server still does once the command has ended."""
        for request in self.held:
            self.studio(request)


class OfWrites(Fault):
    """One that only writes meet."""

    def is_about(self, request: httpx.Request) -> bool:
        return request.method in WRITES


class DropBefore(OfWrites):
    """The connection breaks before the write is done."""

    def wrong(self, request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("dropped")


class DropAfter(OfWrites):
    """The connection breaks after the write is done."""

    def wrong(self, request: httpx.Request) -> httpx.Response:
        self.studio(request)
        raise httpx.RemoteProtocolError("dropped")


class Truncated(Fault):
    """Half of the answer arrives."""

    def wrong(self, request: httpx.Request) -> httpx.Response:
        given = self.studio(request)
        return httpx.Response(given.status_code, content=given.content[: len(given.content) // 2])


class Page(Fault):
    """A login page answers instead of the server."""

    def wrong(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text="<!doctype html><html>Log in</html>")


class Revoked(Fault):
    """The key is not taken any more from here on."""

    def wrong(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(401, json={"detail": "Invalid token."})

    later = wrong


class Busy(Fault):
    """The server asks to come back in a second, once or twice."""

    def wrong(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(429, headers={"Retry-After": "1"}, json={"detail": "Request was throttled."})

    def later(self, request: httpx.Request) -> httpx.Response:
        return self.wrong(request) if self.seen == self.at + 2 and self.chance.random() < 0.5 else self.studio(request)


class Burst(Fault):
    """A proxy says 502 one to five times; of the requests behind it, half are done all the same."""

    def __init__(self, studio: Studio, at: int, chance: random.Random) -> None:
        super().__init__(studio, at, chance)
        self.length = chance.randint(1, 5)

    def wrong(self, request: httpx.Request) -> httpx.Response:
        if self.chance.random() < 0.5:
            self.studio(request)
        return httpx.Response(502, text="<html>Bad gateway</html>")

    def later(self, request: httpx.Request) -> httpx.Response:
        return self.wrong(request) if self.seen <= self.at + self.length else self.studio(request)


class Doubled(OfWrites):
    """A proxy sends the write twice; its second answer arrives."""

    def wrong(self, request: httpx.Request) -> httpx.Response:
        self.studio(request)
        return self.studio(request)


class Late(OfWrites):
    """The write is given up by time, and done once the command has ended."""

    def wrong(self, request: httpx.Request) -> httpx.Response:
        self.held.append(request)
        raise httpx.ReadTimeout("late")


class Short(Fault):
    """A snapshot lacks some of its tasks, or all."""

    def is_about(self, request: httpx.Request) -> bool:
        return request.url.path.endswith("/download")

    def wrong(self, request: httpx.Request) -> httpx.Response:
        tasks = self.studio(request).json()
        return httpx.Response(200, json=tasks[: self.chance.randrange(len(tasks))] if tasks else tasks)


FAULTS: dict[str, type[Fault]] = {
    "dropped before the write": DropBefore,
    "dropped after the write": DropAfter,
    "answer cut in half": Truncated,
    "login page, 200": Page,
    "401 from here on": Revoked,
    "429, Retry-After": Busy,
    "502 in a burst": Burst,
    "write sent twice": Doubled,
    "write done late": Late,
    "short snapshot": Short,
}


@dataclass
class Place:
    """A server, an audit folder, and what everything should be like in the end."""

    studio: Studio
    root: Path
    original: dict[int, Row] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The audit's."""
        return self.root / "audit"

    def copied(self, root: Path) -> Place:
        """The same, to be disturbed."""
        shutil.copytree(self.root, root)
        return Place(copy.deepcopy(self.studio), root, self.original)

    def call(self, server: Callable[[httpx.Request], httpx.Response], *words: str) -> int:
        """The exit code of a command whose requests *server* answers."""
        with ExitStack() as stack:
            client = stack.enter_context(connected(server))
            for stream in (redirect_stdout, redirect_stderr):
                stack.enter_context(stream(io.StringIO()))
            connecting = "ntk_labelqa.labelstudio.connect.connect_from_environment"
            stack.enter_context(patch(connecting, lambda: client))
            name, *flags = words
            return run([name, str(self.folder), *flags])


@contextmanager
def at_once(root: Path) -> Iterator[None]:
    """Nobody waits, no line of the journal is forced to a disk, and locks lie in *root*."""
    with (
        patch("label_studio_sdk.core.http_client.time.sleep", lambda _: None),
        patch("ntk_labelqa.labelstudio.review.delivery.SETTLE_SECONDS", 0.0),
        patch("ntk_labelqa.labelstudio.review.delivery.cache_root", lambda: root),
        patch.object(journal.os, "fsync", lambda _: None),
    ):
        yield


WORDS = {
    "push": ("push",),
    "push again": ("push",),
    "decisions": ("decisions",),
    "apply": ("decisions", "--apply"),
    "undo": ("decisions", "--undo"),
    "apply, then undo": ("decisions", "--apply"),
}


def place_before(command: str, root: Path) -> Place:
    """How things stand when *command* is run."""
    studio = Studio(labels=LABELS)
    place = Place(studio, root, {number: copy.deepcopy(row) for number, row in studio.annotations.items()})
    with connected(studio) as client:
        doubting_audit(client, studio.source).save(place.folder)
    if command == "push":
        return place
    assert place.call(studio, "push") == 0
    if command == "push again":
        return place
    for number, task in enumerate(review_tasks(studio)):
        studio.add_annotation(task["id"], *answer("accept" if number < ACCEPTED else "keep"), by=REVIEWER)
    if command == "undo":
        assert place.call(studio, "decisions", "--apply") == 0
    return place


def review_tasks(studio: Studio) -> list[Row]:
    """Every task outside the source project."""
    return [task for task in studio.tasks.values() if task["project"] != studio.source]


@dataclass
class Outcome:
    """What one disturbed run led to.

    Attributes:
        fired: whether the fault occurred.
        lost, doubled, wrong: items in the end: missing; there more than once; of another content or place.
        silent: whether the disturbed run, or the undo after it, ended with 0 though its work was not done.
        codes: exit codes, of the disturbed run first.
    """

    fired: bool
    lost: int
    doubled: int
    wrong: int
    silent: bool
    codes: tuple[int, ...]

    @property
    def stuck(self) -> bool:
        """Whether the command still did not end with 0 when it was run for the last time."""
        return self.codes[-1] != 0


def disturbed(command: str, fault: str, seed: int, place: Place) -> Outcome:
    """Run *command* in *place* with *fault* somewhere in it, then again without, and look at what is left."""
    chance = random.Random(f"{command} {fault} {seed}")
    kind = FAULTS[fault]
    most = requests_of(command, kind)
    trouble = kind(place.studio, chance.randrange(most) if most else 0, chance)
    codes = [place.call(trouble, *WORDS[command])]
    silent = codes[0] == 0 and any(found_in(place, command))
    if command == "apply, then undo":
        codes.append(place.call(place.studio, "decisions", "--undo"))
    trouble.end()
    silent |= len(codes) == 2 and codes[1] == 0 and any(found_in(place, "undo"))  # nobody would run it again
    last = ("decisions", "--undo") if command == "apply, then undo" else WORDS[command]
    with patch("ntk_labelqa.labelstudio.corrections.undo.LATE", timedelta(0)):  # a quarter of an hour later
        codes += [place.call(place.studio, *last) for _ in range(AGAIN)]
    goal = "undo" if command == "apply, then undo" else command
    return Outcome(trouble.fired, *found_in(place, goal), silent, tuple(codes))


def requests_of(command: str, kind: type[Fault]) -> int:
    """How many requests of an undisturbed run of *command* the fault is about."""
    fault = kind(Studio(), 0, random.Random(0))
    return sum(fault.is_about(request) for request in requests_in(command))


@cache
def requests_in(command: str) -> list[httpx.Request]:
    """The requests of an undisturbed run of *command*."""
    with tempfile.TemporaryDirectory() as folder, at_once(Path(folder) / "cache"):
        place, requests = place_before(command, Path(folder) / "place"), []

        def server(request: httpx.Request) -> httpx.Response:
            requests.append(request)
            return place.studio(request)

        assert place.call(server, *WORDS[command]) == 0
        return requests


def found_in(place: Place, command: str) -> tuple[int, int, int]:
    """(lost, doubled, wrong) items, as *command* should have left them."""
    if command.startswith("push"):
        return _of_review(place.studio, place.original)
    if command == "decisions":
        return _of_table(place)
    accepted = {task["data"]["source_annotation"] for task in review_tasks(place.studio)[:ACCEPTED]}
    return _of_corrections(place, set() if command == "undo" else accepted)


def _of_review(studio: Studio, original: dict[int, Row]) -> tuple[int, int, int]:
    asked = Counter(task["data"]["source_annotation"] for task in review_tasks(studio))
    projects = len({task["project"] for task in review_tasks(studio)})
    wrong = sum(
        task["data"]["source_task"] != original[task["data"]["source_annotation"]]["task"]
        for task in review_tasks(studio)
    )
    doubled = sum(count - 1 for count in asked.values()) + max(0, projects - 1)
    return len(original.keys() - asked.keys()), doubled, wrong + _changed(studio, original)


def _of_table(place: Place) -> tuple[int, int, int]:
    file = place.folder / "decisions.parquet"
    if not file.exists():
        return LABELS, 0, 0
    table = pd.read_parquet(file)
    said = table["decision"].value_counts()
    wrong = abs(said.get("accept", 0) - ACCEPTED) + _changed(place.studio, place.original)
    return max(0, LABELS - len(table)), max(0, len(table) - LABELS), int(wrong)


def _of_corrections(place: Place, accepted: set[int]) -> tuple[int, int, int]:
    made = [row for row in place.studio.annotations.values() if row["parent_annotation"]]
    parents = Counter(row["parent_annotation"] for row in made)
    wrong = sum(
        parent not in accepted or row["task"] != place.original[parent]["task"] or _label(row) != "cars"
        for row in made
        for parent in [row["parent_annotation"]]
    )
    lost = len(accepted - parents.keys())
    return lost, sum(count - 1 for count in parents.values()), wrong + _changed(place.studio, place.original)


def _label(row: Row) -> str:
    return str(row["result"][0]["value"]["choices"][0])


def _changed(studio: Studio, original: dict[int, Row]) -> int:
    """People's annotations that are gone or another than before."""
    return sum(studio.annotations.get(number) != row for number, row in original.items())


def trials(command: str, faults: Sequence[str], seeds: Sequence[int]) -> Iterator[tuple[str, int, Outcome]]:
    """Every outcome of *command*, each from the same beginning."""
    with tempfile.TemporaryDirectory() as folder, at_once(Path(folder) / "cache"):
        before = place_before(command, Path(folder) / "before")
        for number, (fault, seed) in enumerate((fault, seed) for fault in faults for seed in seeds):
            root = Path(folder) / str(number)
            yield fault, seed, disturbed(command, fault, seed, before.copied(root))
            shutil.rmtree(root)


def cell(outcomes: Sequence[Outcome]) -> str:
    """How often the fault occurred, and what it led to where that is anything."""
    occurred = [one for one in outcomes if one.fired]
    sums = {
        what: sum(getattr(one, what) for one in occurred) for what in ("lost", "doubled", "wrong", "silent", "stuck")
    }
    bad = ", ".join(f"{count} {what}" for what, count in sums.items() if count)
    return f"{len(occurred)}{f': {bad}' if bad else ''}" if occurred else ""


def main() -> None:
    """Print the table, in Markdown: a row a fault, a column a command, and what came of it."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    seeds = range(parser.parse_args().seeds)
    found = {command: list(trials(command, list(FAULTS), seeds)) for command in COMMANDS}
    print(f"| fault | {' | '.join(COMMANDS)} |\n|---|{'---|' * len(COMMANDS)}")
    for fault in FAULTS:
        cells = [cell([one for name, _, one in found[command] if name == fault]) for command in COMMANDS]
        print(f"| {fault} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
