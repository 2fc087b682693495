"""Text as it may be shown, in a file, a log or on a screen: without logins, and nothing that steers a terminal.

Task texts, class names, titles and a server's messages are somebody else's: what they hold can move the cursor, paint
over what was printed, and in some terminals type for the user.
"""

from __future__ import annotations

import io
import re
from typing import TextIO, cast

_LOGIN = re.compile(r"(?<=://)[^\s/?#'\"<>]*@")
_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Control characters but for the line break and the tab; and what turns the direction of writing."""


def printable(text: str) -> str:
    """*text* with the characters in it that steer a terminal written as their numbers, in JSON's notation.

    Example:
        >>> printable("cat" + chr(27) + "[2J")
        'cat\\\\u001b[2J'
    """
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class PrintableText(io.TextIOWrapper):
    """A text stream that writes what is :func:`printable`."""

    def write(self, text: str, /) -> int:
        super().write(printable(text))
        return len(text)


class _Canvas:
    """The stream below it as it is, for what we draw ourselves."""

    def __init__(self, stream: PrintableText) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return io.TextIOWrapper.write(self._stream, text)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def canvas(stream: TextIO) -> TextIO:
    """*stream* for bars and coloured tables, whose texts have to be :func:`printable` before."""
    return cast(TextIO, _Canvas(stream)) if isinstance(stream, PrintableText) else stream


def without_logins(text: str) -> str:
    """*text* with the logins of the addresses in it taken out.

    Example:
        >>> without_logins("No answer from https://me:secret@labels.example.org/team.")
        'No answer from https://labels.example.org/team.'
    """
    return _LOGIN.sub("", text)
