"""What is packed, unpacked within bounds: a file of some megabytes must not become as many gigabytes."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

MOST_TIMES = 200
"""Bytes that a packed one may become. An export of made-up choices packs to a twenty-third, one of masks that are
nearly alike to a seventy-sixth; gzip reaches a thousandth on what repeats one byte alone."""
ALWAYS_BYTES = 256 * 2**20
"""That may be unpacked however small the packed file is: they fit into any memory that an audit fits into."""
CHUNK_BYTES = 2**20
"""Unpacked at a time."""
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


class TooLargeError(Exception):
    """More came out of what was packed than is taken."""


def most_of(packed: int) -> int:
    """Bytes that *packed* bytes may become."""
    return max(ALWAYS_BYTES, MOST_TIMES * packed)


def chunks_of(stream: BinaryIO, most: float = math.inf) -> Iterator[bytes]:
    """*stream* in chunks of at most :data:`CHUNK_BYTES`; raises TooLargeError at more than *most* bytes.

    Example:
        >>> import io
        >>> list(chunks_of(io.BytesIO(b"abc"), 3))
        [b'abc']
    """
    size = 0
    while chunk := stream.read(CHUNK_BYTES):
        size += len(chunk)
        if size > most:
            raise TooLargeError
        yield chunk


def unpacked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """What gzip or zlib packed into *chunks*, at most :data:`CHUNK_BYTES` at a time.

    Raises TooLargeError as soon as more comes out than :func:`most_of` says, and zlib.error for what is damaged.
    """
    unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
    taken = given = 0
    for chunk in chunks:
        taken += len(chunk)
        rest = chunk
        while rest:
            part = unpacker.decompress(rest, CHUNK_BYTES)
            given += len(part)
            if given > most_of(taken):
                raise TooLargeError
            yield part
            rest = unpacker.unconsumed_tail
            if unpacker.eof:
                if not unpacker.unused_data:
                    break
                rest, unpacker = unpacker.unused_data, zlib.decompressobj(_GZIP_OR_ZLIB)  # the next of several members
