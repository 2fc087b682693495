"""Where a command runs: a server, an audit folder and a cache; and what each command finds there."""

from __future__ import annotations

import io
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from unittest.mock import patch

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.cache import VARIABLE
from ntk_labelqa.cli import entry, interrupts
from ntk_labelqa.labelstudio.connect import KEY_VARIABLE, URL_VARIABLE, connect
from ntk_labelqa.labelstudio.corrections import journal
from tests.faults.kinds import Fault, Server
from tests.faults.proxy import Proxy
from tests.faults.worlds import Row, World
from tests.labelstudio.reviews import answer
from tests.live.topics import doubting_audit

ACCEPTED = 4
CRASHED = 70
"""The exit code that stands here for *a fault of ntk-labelqa*."""
HANGS = 120.0
"""Seconds after which a process of its own is taken to hang."""
COMMANDS = (
    "audit",
    "audit --since",
    "push",
    "push again",
    "push --predictions",
    "decisions",
    "apply",
    "undo",
    "apply, then undo",
)


@dataclass
class Place:
    """A server behind a proxy, an audit folder, and how everything was before.

    Attributes:
        original: the source project's annotations, by id.
        audited: the label of each annotation in the audit that is there; None where there is none.
    """

    world: World
    proxy: Proxy
    root: Path
    original: dict[int, Row] = field(default_factory=dict)
    audited: dict[int, str] | None = None

    @property
    def folder(self) -> Path:
        """The audit's."""
        return self.root / "audit"

    @contextmanager
    def connected(self, server: Server) -> Iterator[None]:
        """Have *server* answer what is asked, under the proxy's address."""
        variables = {URL_VARIABLE: self.proxy.url, KEY_VARIABLE: self.world.token, VARIABLE: str(self.root / "cache")}
        with patch.dict(os.environ, variables), patch.object(self.proxy, "server", server):
            yield

    def call(self, server: Server, *words: str) -> int:
        """The exit code of a command whose requests *server* answers."""
        with self.connected(server):
            return quietly(self.arguments(*words))

    def call_apart(self, fault: Fault, *words: str) -> int:
        """:meth:`call` in a process of its own, which *fault* knows; minus the signal by which it was ended."""
        known, tell = os.pipe()
        with self.connected(fault):
            pid = os.fork()
            if not pid:
                os.read(known, 1)  # its first request must not come before its number is known
                _apart(self.arguments(*words))
            fault.pid = pid
            os.write(tell, b"1")
            try:
                return _ended(pid)
            finally:
                os.close(known)
                os.close(tell)

    def arguments(self, name: str, *flags: str) -> list[str]:
        """The words of the command line."""
        if name == "audit":
            # The smallest network: what is computed is not what is tried here.
            return [name, "--project", str(self.world.source), "--out", str(self.folder), "--arch", "linear", *flags]
        return [name, str(self.folder), *flags]


def quietly(arguments: list[str]) -> int:
    """The exit code of the command line; :data:`CRASHED` where it puts it down to itself."""
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        code = entry.run(arguments)
    return CRASHED if "This is a fault of ntk-labelqa" in said.getvalue() else code


def _apart(arguments: list[str]) -> NoReturn:
    code: Any = CRASHED
    try:
        interrupts.watch()
        code = quietly(arguments)
    finally:
        os._exit(code)


def _ended(pid: int) -> int:
    watch = threading.Timer(HANGS, os.kill, (pid, signal.SIGABRT))
    watch.start()
    try:
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        watch.cancel()
    assert code != -signal.SIGABRT, "it hangs"
    return code


@contextmanager
def at_once() -> Iterator[None]:
    """Nobody waits, and no line of the journal is forced to a disk."""
    with (
        patch("label_studio_sdk.core.http_client.time.sleep", lambda _: None),
        patch("ntk_labelqa.labelstudio.review.delivery.SETTLE_SECONDS", 0.0),
        patch.object(journal.os, "fsync", lambda _: None),
    ):
        yield


WORDS = {
    "audit": ("audit",),
    "audit --since": ("audit", "--since", "last", "--overwrite"),
    "push": ("push",),
    "push again": ("push",),
    "push --predictions": ("push", "--predictions"),
    "decisions": ("decisions",),
    "apply": ("decisions", "--apply"),
    "undo": ("decisions", "--undo"),
    "apply, then undo": ("decisions", "--apply"),
}
WORDS_AGAIN = WORDS | {"audit": ("audit", "--overwrite"), "apply, then undo": ("decisions", "--undo")}


def prepared(command: str, world: World, proxy: Proxy, root: Path) -> Place:
    """How things stand when *command* is run."""
    place = Place(world, proxy, root)
    if not command.startswith("audit"):
        with place.connected(world):
            _doubt(place, second=command == "push --predictions")
    elif command == "audit --since":
        assert place.call(world, "audit", "--since", "last") == 0
        place.audited = labels_audited(place.folder)
        _somebody_labels(place)
    else:
        root.mkdir(exist_ok=True)
    place.original = world.state().annotations
    if not command.startswith("audit"):
        place.audited = labels_audited(place.folder)
    if command in ("push again", "decisions", "apply", "undo", "apply, then undo"):
        assert place.call(world, "push") == 0
    if command in ("decisions", "apply", "undo", "apply, then undo"):
        for number, task in enumerate(world.review_tasks()):
            world.review(task["id"], answer("accept" if number < ACCEPTED else "keep"))
    if command == "undo":
        assert place.call(world, "decisions", "--apply") == 0
    return place


def _doubt(place: Place, *, second: bool) -> None:
    """An audit that doubts every label; the *second* one where an earlier, surer one was pushed with predictions."""
    client = connect(place.proxy.url, place.world.token)
    audit = doubting_audit(client, place.world.source)
    if second:
        place.world.predict(int(audit.findings["task_id"].iloc[0]))
        sure = audit.findings["error_probability"]
        audit.findings["error_probability"] = sure / 2
        audit.save(place.folder)
        assert quietly(place.arguments("push", "--predictions")) == 0
        audit.findings["error_probability"] = sure
    audit.save(place.folder, overwrite=True)


def _somebody_labels(place: Place) -> None:
    """The first label that is not yet *cars* becomes that."""
    there = place.world.state().annotations.values()
    place.world.label(next(row["id"] for row in there if label_of(row) != "cars"), "cars")


def work_goes_on(command: str, place: Place) -> None:
    """Between the disturbed run and the next, somebody labels where labels are what is read."""
    if command.startswith("audit"):
        _somebody_labels(place)
        place.original = place.world.state().annotations


def label_of(annotation: Row) -> str:
    """The label that an annotation gives."""
    return str(annotation["result"][0]["value"]["choices"][0])


def labels_audited(folder: Path) -> dict[int, str]:
    """The label of each annotation in an audit; raises LabelQAError where it cannot be read."""
    table = Audit.load(folder).findings
    return dict(zip(table["annotation_id"].tolist(), table["given_label"].tolist(), strict=True))


def copied(place: Place, world: World, root: Path) -> Place:
    """The same place with *world*, which is one like its own, below *root*."""
    shutil.copytree(place.root, root)
    return Place(world, place.proxy, root, place.original, place.audited)


Make = Callable[[str, Path], Place]
"""Makes the place of a command below a folder that is not there yet."""
