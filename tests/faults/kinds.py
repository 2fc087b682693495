"""What goes wrong while a command runs: a fault stands between the command and its server, whichever server that is."""

from __future__ import annotations

import os
import random
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timedelta, tzinfo
from typing import Any, Self
from unittest.mock import patch

import httpx

WRITES = ("POST", "PATCH", "PUT", "DELETE")
STEPS = tuple(sign * step for sign in (1, -1) for step in (timedelta(hours=1), timedelta(days=1)))
"""By how much a clock steps."""

Server = Callable[[httpx.Request], httpx.Response]


class Fault:
    """Goes wrong at the request *at* of those that it is about, counted from 0.

    Attributes:
        server: answers what is asked.
        chance: decides what is left open, by the seed.
        pid: the process that runs the command, where it has one of its own.
        fired: whether it did go wrong.
    """

    has_own_process = False
    """Whether the command has to run in a process of its own."""
    at_every_request = False
    """Whether each request has its turn, before and after it is done, and not one that the seed decides."""

    def __init__(self, server: Server, at: int, chance: random.Random) -> None:
        self.server, self.at, self.chance = server, at, chance
        self.seen, self.pid, self.fired = 0, 0, False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if not self.is_about(request):
            return self.server(request)
        self.seen += 1
        if self.seen <= self.at:
            return self.server(request)
        if self.seen > self.at + 1:
            return self.later(request)
        self.fired = True
        return self.wrong(request)

    def is_about(self, request: httpx.Request) -> bool:
        """Whether it may go wrong at *request*."""
        return True

    def wrong(self, request: httpx.Request) -> httpx.Response:
        """The answer where it goes wrong."""
        raise NotImplementedError

    def later(self, request: httpx.Request) -> httpx.Response:
        """The answers after that."""
        return self.server(request)

    def start(self) -> None:
        """The command is about to be run."""

    def over(self) -> None:
        """The disturbed command has ended."""

    def end(self) -> None:
        """What the server still does, once nobody waits for it."""


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
        self.server(request)
        raise httpx.RemoteProtocolError("dropped")


class Truncated(Fault):
    """Half of the answer arrives."""

    def wrong(self, request: httpx.Request) -> httpx.Response:
        given = self.server(request)
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
        return self.wrong(request) if self.seen == self.at + 2 and self.chance.random() < 0.5 else self.server(request)


class Burst(Fault):
    """A proxy says 502 one to five times; of the requests behind it, half are done all the same."""

    def __init__(self, server: Server, at: int, chance: random.Random) -> None:
        super().__init__(server, at, chance)
        self.length = chance.randint(1, 5)

    def wrong(self, request: httpx.Request) -> httpx.Response:
        if self.chance.random() < 0.5:
            self.server(request)
        return httpx.Response(502, text="<html>Bad gateway</html>")

    def later(self, request: httpx.Request) -> httpx.Response:
        return self.wrong(request) if self.seen <= self.at + self.length else self.server(request)


class Doubled(OfWrites):
    """A proxy sends the write twice; its second answer arrives."""

    def wrong(self, request: httpx.Request) -> httpx.Response:
        self.server(request)
        return self.server(request)


class Late(OfWrites):
    """The write is given up by time, and done once the command has ended."""

    held: httpx.Request | None = None

    def wrong(self, request: httpx.Request) -> httpx.Response:
        self.held = request
        raise httpx.ReadTimeout("late")

    def end(self) -> None:
        if self.held is not None:
            self.server(self.held)


class Short(Fault):
    """A snapshot lacks some of its tasks, or all."""

    def is_about(self, request: httpx.Request) -> bool:
        return request.url.path.endswith("/download")

    def wrong(self, request: httpx.Request) -> httpx.Response:
        tasks = self.server(request).json()
        return httpx.Response(200, json=tasks[: self.chance.randrange(len(tasks))] if tasks else tasks)


class Away(Fault):
    """The server is killed, before or after it has done what is asked, and takes no connection for a while."""

    def __init__(self, server: Server, at: int, chance: random.Random) -> None:
        super().__init__(server, at, chance)
        self.length = chance.randint(1, 8)

    def wrong(self, request: httpx.Request) -> httpx.Response:
        if self.chance.random() < 0.5:
            self.server(request)
        raise httpx.ReadError("killed")

    def later(self, request: httpx.Request) -> httpx.Response:
        if self.seen <= self.at + self.length:
            raise httpx.ConnectError("refused")
        return self.server(request)


class DiskFull(Fault):
    """No file grows beyond some bytes from here on: the system itself refuses to write, as on a full disk.

    It has gone wrong once something was not written.
    """

    def start(self) -> None:
        self.limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        self.handler: Any = signal.signal(signal.SIGXFSZ, self._refused)
        self.refused = False

    def wrong(self, request: httpx.Request) -> httpx.Response:
        room = self.chance.choice((0, self.chance.randrange(1000), self.chance.randrange(20_000)))
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, self.limits[1]))
        return self.server(request)

    def _refused(self, *_: object) -> None:
        self.refused = True

    def over(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self.limits)
        signal.signal(signal.SIGXFSZ, self.handler)
        self.fired = self.refused


class OfProcess(Fault):
    """A signal reaches the command's process, before or after the server has done what is asked."""

    has_own_process = True
    number = signal.SIGTERM

    def __init__(self, server: Server, at: int, chance: random.Random) -> None:
        super().__init__(server, at, chance)
        self.after = chance.random() < 0.5

    def wrong(self, request: httpx.Request) -> httpx.Response:
        given = self.server(request) if self.after else None
        assert self.pid, "nobody has told which process runs the command"  # 0 would be all of this group
        os.kill(self.pid, self.number)
        if given is None:
            raise httpx.ReadError("nobody is there")
        return given


class Terminated(OfProcess):
    """SIGTERM, by which a command may still put things in order."""


class Killed(OfProcess):
    """SIGKILL."""

    at_every_request = True
    number = signal.SIGKILL


class OurClock(Fault):
    """The clock of the machine that the command runs on steps by an hour or a day, and is put right afterwards."""

    def __init__(self, server: Server, at: int, chance: random.Random) -> None:
        super().__init__(server, at, chance)
        self.moved = ExitStack()

    def wrong(self, request: httpx.Request) -> httpx.Response:
        by = self.chance.choice(STEPS)

        class Moved(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> Self:
                return super().now(tz) + by

        ours = [module for name, module in list(sys.modules.items()) if name.startswith("ntk_labelqa.")]
        for module in ours:
            if getattr(module, "datetime", None) is datetime:
                self.moved.enter_context(patch.object(module, "datetime", Moved))
        return self.server(request)

    def over(self) -> None:
        self.moved.close()


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
    "server killed, restarted": Away,
    "disk full": DiskFull,
    "SIGTERM": Terminated,
    "SIGKILL": Killed,
    "our clock steps": OurClock,
}
