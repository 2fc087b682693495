"""Answers over HTTP within bounds: whatever a server sends, its body takes as much memory and time as was agreed.

httpx unpacks what a server has packed, layer by layer and without end. Here one layer is unpacked, as far as
:mod:`ntk_labelqa.unpacking` lets it; an answer in several is refused.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator

import httpx

from ntk_labelqa.unpacking import TooLargeError, unpacked

ACCEPTED = "gzip"
"""What a server may pack an answer with."""
_TAKEN = ("gzip", "x-gzip", "deflate")
_REFUSED = ("br", "zstd", "compress")
"""Ways of packing that nobody asked for. Other names, such as ``aws-chunked``, say nothing of the body."""


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


def bounding(most_seconds: float | None = None) -> Callable[[httpx.Response], None]:
    """A hook for httpx's responses, whose bodies then raise RefusedAnswer where they go beyond a bound.

    Args:
        most_seconds: that a body may take, from its head on; None for no end, as long as bytes come.

    Example:
        >>> client = httpx.Client(event_hooks={"response": [bounding(most_seconds=60.0)]})
    """

    def bound(response: httpx.Response) -> None:
        packed = [name.strip().lower() for name in response.headers.get("Content-Encoding", "").split(",")]
        packed = [name for name in packed if name in _TAKEN + _REFUSED]
        if len(packed) > 1 or set(packed) & {*_REFUSED}:
            raise RefusedAnswer(f"it is packed as {', '.join(packed)[:60]}", request=response.request)
        response.headers.pop("Content-Encoding", None)
        assert isinstance(response.stream, httpx.SyncByteStream)
        response.stream = _Body(response.stream, response.request, is_packed=bool(packed), most_seconds=most_seconds)

    return bound


class _Body(httpx.SyncByteStream):
    def __init__(
        self, stream: httpx.SyncByteStream, request: httpx.Request, *, is_packed: bool, most_seconds: float | None
    ) -> None:
        self._stream, self._request, self._is_packed = stream, request, is_packed
        self._most_seconds, self._began = most_seconds, time.monotonic()

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from unpacked(self._in_time()) if self._is_packed else self._in_time()
        except TooLargeError as error:
            raise RefusedAnswer("it unpacks to more than is taken", request=self._request) from error
        except zlib.error as error:
            raise RefusedAnswer("it cannot be unpacked", request=self._request) from error

    def _in_time(self) -> Iterator[bytes]:
        for chunk in self._stream:
            if self._most_seconds is not None and time.monotonic() > self._began + self._most_seconds:
                raise RefusedAnswer(f"it takes longer than {self._most_seconds:.0f} s", request=self._request)
            yield chunk

    def close(self) -> None:
        self._stream.close()
