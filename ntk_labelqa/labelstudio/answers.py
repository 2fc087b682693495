"""Answers over HTTP within bounds: whatever a server sends, an answer takes as much memory and time as was agreed.

httpx unpacks what a server has packed, layer by layer and without end. Here one layer is unpacked, as far as
:mod:`ntk_labelqa.unpacking` lets it; an answer in several is refused. httpx's time-outs are those of a single read, so
that a server which sends a byte now and then is waited for without end; here head and body have a time as a whole.
"""

from __future__ import annotations

import math
import queue
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import httpx

from ntk_labelqa.unpacking import TooLargeError, unpacked

ACCEPTED = "gzip"
"""What a server may pack an answer with."""
_TAKEN = ("gzip", "x-gzip", "deflate")
_REFUSED = ("br", "zstd", "compress")
"""Ways of packing that nobody asked for. Other names, such as ``aws-chunked``, say nothing of the body."""

T = TypeVar("T")


class RefusedAnswer(httpx.RemoteProtocolError):
    """An answer that is not read to its end, and why, in words."""


class RedirectedAnswer(httpx.RequestError):
    """A redirect, which is not followed.

    Attributes:
        server: where it leads, without what comes after the server's own address.
        is_same: whether it leads to the same page of another address, as a Label Studio that has moved does.
    """

    def __init__(self, server: str, *, is_same: bool, request: httpx.Request) -> None:
        super().__init__(f"The server redirects to {server}.", request=request)
        self.server, self.is_same = server, is_same


def refusing_redirects(base: str) -> Callable[[httpx.Response], None]:
    """A hook for httpx's responses that raises RedirectedAnswer instead of following.

    Args:
        base: the server's address, without a slash at its end.
    """
    below = httpx.URL(base).path.rstrip("/")

    def refuse(response: httpx.Response) -> None:
        if not response.has_redirect_location:
            return
        asked = response.request.url
        try:
            target = asked.join(response.headers["Location"])
        except (httpx.InvalidURL, ValueError):
            raise RedirectedAnswer("no address", is_same=False, request=response.request) from None
        page, found = asked.path.removeprefix(below).rstrip("/"), target.path.rstrip("/")
        is_same = found.endswith(page) and target.scheme in ("http", "https")
        # What else a redirect holds may be anything, a token among it.
        path = found.removesuffix(page) if is_same else "/"
        server = target.copy_with(path=path or "/", query=None, fragment=None, username="", password="")
        raise RedirectedAnswer(str(server).rstrip("/"), is_same=is_same, request=response.request)

    return refuse


class BoundedClient(httpx.Client):
    """httpx's client, whose answers raise httpx.ReadTimeout or RefusedAnswer where they go beyond a bound.

    Args:
        head_seconds: that may pass until the head of an answer is there: connecting, sending and waiting together.
        body_seconds: that its body may take.
        slowest: bytes a second that excuse a body that takes longer: one more second for as many bytes.
        event_hooks: httpx's, called before the body is bounded.
        options: any other of httpx.Client.

    Example:
        >>> client = BoundedClient(head_seconds=60.0, body_seconds=60.0)
    """

    def __init__(
        self,
        *,
        head_seconds: float,
        body_seconds: float,
        slowest: float = math.inf,
        event_hooks: dict[str, list[Callable[..., Any]]] | None = None,
        **options: Any,
    ) -> None:
        self._head_seconds = head_seconds
        hooks = dict(event_hooks or {})
        hooks["response"] = [_bounding(body_seconds, slowest), *hooks.get("response", [])]
        super().__init__(event_hooks=hooks, **options)

    def send(self, request: httpx.Request, *, stream: bool = False, **options: Any) -> httpx.Response:
        """httpx.Client.send, within the bounds."""
        send = super().send
        response = _within(self._head_seconds, lambda: send(request, stream=True, **options), request)
        if not stream:
            try:
                response.read()
            except BaseException:
                response.close()
                raise
        return response


def _within(seconds: float, call: Callable[[], T], request: httpx.Request) -> T:
    """What *call* returns or raises; httpx.ReadTimeout where it takes longer than *seconds*, and goes on unheard."""
    done: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            done.put((call(), None))
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            done.put((None, error))

    # A daemon: what nobody waits for any more must not keep the program from ending.
    threading.Thread(target=run, daemon=True).start()
    try:
        result, error = done.get(timeout=seconds)
    except queue.Empty:
        raise httpx.ReadTimeout(f"no answer within {seconds:.0f} s", request=request) from None
    if error is not None:
        raise error
    return result  # type: ignore[return-value]


def _bounding(seconds: float, slowest: float) -> Callable[[httpx.Response], None]:
    """A hook for httpx's responses, whose bodies then raise RefusedAnswer where they go beyond a bound."""

    def bound(response: httpx.Response) -> None:
        packed = [name.strip().lower() for name in response.headers.get("Content-Encoding", "").split(",")]
        packed = [name for name in packed if name in _TAKEN + _REFUSED]
        if len(packed) > 1 or set(packed) & {*_REFUSED}:
            raise RefusedAnswer(f"it is packed as {', '.join(packed)[:60]}", request=response.request)
        response.headers.pop("Content-Encoding", None)
        assert isinstance(response.stream, httpx.SyncByteStream)
        response.stream = _Body(response.stream, response.request, bool(packed), seconds, slowest)

    return bound


class _Body(httpx.SyncByteStream):
    def __init__(
        self, stream: httpx.SyncByteStream, request: httpx.Request, is_packed: bool, seconds: float, slowest: float
    ) -> None:
        self._stream, self._request, self._is_packed = stream, request, is_packed
        self._seconds, self._slowest, self._began = seconds, slowest, time.monotonic()

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from unpacked(self._in_time()) if self._is_packed else self._in_time()
        except TooLargeError as error:
            raise RefusedAnswer("it unpacks to more than is taken", request=self._request) from error
        except zlib.error as error:
            raise RefusedAnswer("it cannot be unpacked", request=self._request) from error

    def _in_time(self) -> Iterator[bytes]:
        allowed = self._seconds
        for chunk in self._stream:
            allowed += len(chunk) / self._slowest
            if time.monotonic() > self._began + allowed:
                raise RefusedAnswer(f"it takes longer than {allowed:.0f} s", request=self._request)
            yield chunk

    def close(self) -> None:
        self._stream.close()
