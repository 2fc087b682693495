"""A proxy on 127.0.0.1, in front of whatever answers; where that raises, the connection breaks without an answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from tests.faults.kinds import Server

OF_ONE_HOP = {"connection", "content-encoding", "content-length", "host", "keep-alive", "transfer-encoding"}
"""Headers that each connection has of its own; the body is passed on unpacked."""


class Proxy:
    """A running proxy.

    Attributes:
        url: its address.
        server: who answers; may be exchanged at any time.
        failed: what *server* raised that stands for no broken connection.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.server: Server = nobody
        self.failed: list[Exception] = []
        self._one_at_a_time = threading.Lock()

    def answer(self, request: httpx.Request) -> httpx.Response:
        """What *server* answers; of a command that is killed, nothing is left to be answered when the next begins."""
        with self._one_at_a_time:
            return self.server(request)


def nobody(request: httpx.Request) -> httpx.Response:
    """No server at all."""
    raise httpx.ConnectError("refused")


@contextmanager
def proxy() -> Iterator[Proxy]:
    """A proxy that runs while the body does; nobody answers yet."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            self.close_connection = True
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = [(name, value) for name, value in self.headers.items() if name.lower() not in OF_ONE_HOP]
            try:
                given = here.answer(httpx.Request(self.command, here.url + self.path, headers=headers, content=body))
            except httpx.TransportError:
                return
            except Exception as error:
                here.failed.append(error)
                raise
            try:
                self._pass_on(given)
            except (BrokenPipeError, ConnectionResetError):  # who asked was killed
                return

        def _pass_on(self, given: httpx.Response) -> None:
            self.send_response_only(given.status_code)
            for name, value in given.headers.multi_items():
                if name not in OF_ONE_HOP:
                    self.send_header(name, value)
            if given.status_code != 204:
                self.send_header("Content-Length", str(len(given.content)))
            self.end_headers()
            self.wfile.write(given.content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

        def log_message(self, *_: object) -> None:
            """Say nothing on standard error."""

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    here = Proxy(f"http://127.0.0.1:{web.server_address[1]}")
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield here
    finally:
        web.shutdown()
        web.server_close()
        thread.join()
    if here.failed:
        raise here.failed[0]
