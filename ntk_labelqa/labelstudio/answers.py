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
