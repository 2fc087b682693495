"""What disturbed runs leave behind, counted."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from unittest.mock import patch

import httpx
import pandas as pd

from ntk_labelqa.audit_folder import MANIFEST, Audit
from ntk_labelqa.errors import LabelQAError
from ntk_labelqa.labelstudio.reading.incremental import VIEW_TITLE
from ntk_labelqa.labelstudio.reading.tasks import OUR_MODEL
from ntk_labelqa.labelstudio.review.predictions import TAB
from tests.faults.kinds import Fault
from tests.faults.places import (
    ACCEPTED,
    CRASHED,
    WORDS,
    WORDS_AGAIN,
    Place,
    label_of,
    labels_audited,
    work_goes_on,
)
from tests.faults.worlds import ANOTHERS, Row, State

AGAIN = 2
"""How often the same command is run again, without a fault, before it is looked at what is left."""
BAD = ("lost", "doubled", "wrong", "silent", "torn", "crashed", "stuck")


@dataclass
class Outcome:
    """What one disturbed run led to.

    Attributes:
        fired: whether the fault occurred.
        lost, doubled, wrong: items in the end: missing; there more than once; of another content or place.
        silent: whether the disturbed run, or the undo after it, ended with 0 though its work was not done.
        torn: whether the disturbed run left an audit folder that is neither the one before nor the one after.
        codes: exit codes, of the disturbed run first; minus the signal that ended it.
    """

    fired: bool
    lost: int
    doubled: int
    wrong: int
    silent: bool
    torn: bool
    codes: tuple[int, ...]

    @property
    def stuck(self) -> bool:
        """Whether the command still did not end with 0 when it was run for the last time."""
        return self.codes[-1] != 0

    @property
    def crashed(self) -> bool:
        """Whether a run put it down to a fault of its own."""
        return CRASHED in self.codes

    @property
    def bad(self) -> dict[str, int]:
        """What must not be, and is."""
        return {name: int(getattr(self, name)) for name in BAD if getattr(self, name)}


def disturbed(command: str, kind: type[Fault], seed: int, place: Place, requests: Sequence[httpx.Request]) -> Outcome:
    """Run *command* in *place* with a fault somewhere in its *requests*, then again without, and see what is left."""
    trouble = begun(command, kind, seed, place, requests)
    call = place.call_apart if kind.has_own_process else place.call
    trouble.start()
    try:
        codes = [call(trouble, *WORDS[command])]
    finally:
        trouble.over()
    torn = is_torn(place)
    silent = codes[0] == 0 and any(found_in(place, command))
    if command == "apply, then undo":
        codes.append(place.call(place.world, "decisions", "--undo"))
    trouble.end()
    silent |= len(codes) == 2 and codes[1] == 0 and any(found_in(place, "undo"))  # nobody would run it again
    work_goes_on(command, place)
    with patch("ntk_labelqa.labelstudio.corrections.undo.LATE", timedelta(0)):  # a quarter of an hour later
        codes += [place.call(place.world, *WORDS_AGAIN[command]) for _ in range(AGAIN)]
    goal = "undo" if command == "apply, then undo" else command
    lost, doubled, wrong = found_in(place, goal)
    return Outcome(trouble.fired, lost, doubled, wrong + left_over(place), silent, torn, tuple(codes))


def begun(command: str, kind: type[Fault], seed: int, place: Place, requests: Sequence[httpx.Request]) -> Fault:
    """The fault of *seed*, that has not occurred yet."""
    chance = random.Random(f"{command} {kind.__name__} {seed}")
    most = max(1, about(kind, requests))
    if not kind.at_every_request:
        return kind(place.world, chance.randrange(most), chance)
    trouble = kind(place.world, seed // 2 % most, chance)
    trouble.after = bool(seed % 2)  # type: ignore[attr-defined]  # one that signals
    return trouble


def about(kind: type[Fault], requests: Iterable[httpx.Request]) -> int:
    """How many of *requests* the fault is about."""
    fault = kind(lambda _: httpx.Response(200), 0, random.Random(0))
    return sum(fault.is_about(request) for request in requests)


def requests_in(command: str, place: Place) -> list[httpx.Request]:
    """The requests of an undisturbed run of *command*."""
    requests: list[httpx.Request] = []

    def server(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return place.world(request)

    assert place.call(server, *WORDS[command]) == 0
    return requests


def found_in(place: Place, command: str) -> tuple[int, int, int]:
    """(lost, doubled, wrong) items, as *command* should have left them."""
    state = place.world.state()
    changed = sum(state.annotations.get(number) != row for number, row in place.original.items())
    if command.startswith("audit"):
        lost, doubled, wrong = _of_audit(place, state)
    elif command.startswith("push"):
        lost, doubled, wrong = _of_review(state, place.original)
    elif command == "decisions":
        lost, doubled, wrong = _of_table(place)
    else:
        accepted = {data["source_annotation"] for data in state.asked[:ACCEPTED]}
        lost, doubled, wrong = _of_corrections(place, state, set() if command == "undo" else accepted)
    if command == "push --predictions":
        more = _of_predictions(place, state)
        lost, doubled, wrong = lost + more[0], doubled + more[1], wrong + more[2]
    return lost, doubled, wrong + changed


def _of_audit(place: Place, state: State) -> tuple[int, int, int]:
    try:
        table = Audit.load(place.folder).findings
    except LabelQAError:
        return len(state.annotations), 0, 0
    given = dict(zip(table["annotation_id"].tolist(), table["given_label"].tolist(), strict=True))
    now = {number: label_of(row) for number, row in state.annotations.items()}
    wrong = sum(now.get(number) != label for number, label in given.items())
    return len(now.keys() - given.keys()), len(table) - len(given), wrong + len(state.asked)


def _of_review(state: State, original: Mapping[int, Row]) -> tuple[int, int, int]:
    asked = Counter(data["source_annotation"] for data in state.asked)
    wrong = sum(data["source_task"] != original[data["source_annotation"]]["task"] for data in state.asked)
    doubled = sum(count - 1 for count in asked.values()) + max(0, state.projects - 1)
    return len(original.keys() - asked.keys()), doubled, wrong


def _of_predictions(place: Place, state: State) -> tuple[int, int, int]:
    found = Audit.load(place.folder).findings
    wanted = dict(zip(found["task_id"].tolist(), found["error_probability"].round(6).tolist(), strict=True))
    ours = [one for one in state.predictions if one["model_version"] == OUR_MODEL]
    tasks = Counter(one["task"] for one in ours)
    tabs = state.tabs.count(TAB)
    wrong = sum(one["score"] != wanted.get(one["task"]) or label_of(one) != "cars" for one in ours)
    wrong += [one["model_version"] for one in state.predictions].count(ANOTHERS) != 1
    lost = len(wanted.keys() - tasks.keys()) + (tabs == 0)
    return lost, sum(count - 1 for count in tasks.values()) + max(0, tabs - 1), wrong


def _of_table(place: Place) -> tuple[int, int, int]:
    file, labels = place.folder / "decisions.parquet", len(place.original)
    if not file.exists():
        return labels, 0, 0
    table = pd.read_parquet(file)
    wrong = abs(int(table["decision"].value_counts().get("accept", 0)) - ACCEPTED)
    return max(0, labels - len(table)), max(0, len(table) - labels), wrong


def _of_corrections(place: Place, state: State, accepted: set[int]) -> tuple[int, int, int]:
    made = [row for row in state.annotations.values() if row["parent_annotation"]]
    parents = Counter(row["parent_annotation"] for row in made)
    wrong = sum(
        parent not in accepted or row["task"] != place.original[parent]["task"] or label_of(row) != "cars"
        for row in made
        for parent in [row["parent_annotation"]]
    )
    return len(accepted - parents.keys()), sum(count - 1 for count in parents.values()), wrong


def is_torn(place: Place) -> bool:
    """Whether the audit folder is neither as it was nor as it should become."""
    now = {number: label_of(row) for number, row in place.original.items()}
    if not (place.folder / MANIFEST).exists():
        return place.audited is not None or (place.folder.exists() and any(place.folder.iterdir()))
    with suppress(LabelQAError):
        return labels_audited(place.folder) not in (place.audited, now)
    return True


def left_over(place: Place) -> int:
    """Files half written, locks and views that nobody will clear away any more."""
    files = [path for path in (*place.root.iterdir(), *place.folder.iterdir()) if path.name.startswith(".")]
    return len(files) + place.world.state().tabs.count(VIEW_TITLE)


def cell(outcomes: Sequence[Outcome]) -> str:
    """How often the fault occurred, and what it led to where that is anything."""
    occurred = [one for one in outcomes if one.fired]
    sums = {name: sum(one.bad.get(name, 0) for one in occurred) for name in BAD}
    bad = ", ".join(f"{count} {name}" for name, count in sums.items() if count)
    return f"{len(occurred)}{f': {bad}' if bad else ''}" if occurred else ""


def table(found: Mapping[str, Mapping[str, Sequence[Outcome]]], faults: Iterable[str]) -> Iterator[str]:
    """The lines, in Markdown, of what was *found* by command and fault; then what it comes to."""
    yield f"| fault | {' | '.join(found)} |"
    yield f"|---|{'---|' * len(found)}"
    for fault in faults:
        yield f"| {fault} | {' | '.join(cell(by_fault.get(fault, ())) for by_fault in found.values())} |"
    occurred = [one for by_fault in found.values() for ones in by_fault.values() for one in ones if one.fired]
    sums = Counter(name for one in occurred for name, count in one.bad.items() for _ in range(count))
    yield ""
    yield f"{len(occurred)} disturbed runs; {', '.join(f'{sums[name]} {name}' for name in BAD)}."
