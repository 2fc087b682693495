"""A web server on 127.0.0.1 that answers as a test wants it to, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Request:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""


@dataclass
class Reply:
    """An answer; ``cut`` closes the connection half-way through the body.

    ``pause`` is waited for before each byte of the body, ``head_pause`` before each byte of a header without end.
    """

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    pause: float = 0.0
    head_pause: float = 0.0


@dataclass
class Web:
    """The server's address, its port, and the requests so far."""

    port: int
    requests: list[Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The base address."""
        return f"http://127.0.0.1:{self.port}"


def as_json(value: Any, status: int = 200) -> Reply:
    """*value* as a JSON answer."""
    return Reply(json.dumps(value).encode(), status, {"Content-Type": "application/json"})


@contextmanager
def serving(answer: Callable[[Request], Reply]) -> Iterator[Web]:
    """A running server that answers each request with *answer*."""
    web = Web(0)

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, self.path, headers, body)
            web.requests.append(request)
            reply = answer(request)
            with suppress(ConnectionError):  # of a client that has had enough
                self.drip(reply.head_pause) if reply.head_pause else self.give(reply)
            self.close_connection = True

        def give(self, reply: Reply) -> None:
            self.send_response_only(reply.status)
            own = {"Date": self.date_time_string(), "Content-Length": str(len(reply.body))}
            for name, value in (own | reply.headers).items():
                self.send_header(name, value)
            self.end_headers()
            if reply.pause:
                for byte in reply.body:
                    time.sleep(reply.pause)
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
            else:
                self.wfile.write(reply.body[: len(reply.body) // 2] if reply.cut else reply.body)

        def drip(self, pause: float) -> None:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while True:
                self.wfile.write(b"x")
                time.sleep(pause)

        do_GET = do_POST = do_DELETE = do_PATCH = handle_any

        def log_message(self, *_: object) -> None:
            """Say nothing on standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
