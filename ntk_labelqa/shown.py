"""Text as it may be shown, in a file, a log or on a screen: without secrets, and nothing that steers a terminal.

Task texts, class names, titles and a server's messages are somebody else's: what they hold can move the cursor, paint
over what was printed, and in some terminals type for the user.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable
from typing import Any, TextIO, cast

_LOGIN = re.compile(r"(?<=://)[^\s/?#'\"<>]*@")
SECRETS = ("LABEL_STUDIO_API_KEY", "NTK_LABELQA_NOTIFY", "HF_TOKEN", "LABELQA_PASSWORD", "LABELQA_WEBHOOK_SECRET")
"""Variables whose value nobody is to see."""
_SHORTEST = 4
"""Letters of a secret; of shorter ones words are full."""
_TOKEN = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*")
"""A JSON Web Token: what refresh and access tokens of Label Studio are."""
_HEADER = re.compile(
    r"(?i)\b((?:proxy-)?authorization|x-api-key|set-cookie|cookie)(['\"]?\s*[:=,]\s*['\"]?)[^'\"\r\n]+"
)
_SCHEME = re.compile(r"\b(Token|Bearer|Basic)\s+(?=\S*\d)[A-Za-z0-9+/=._~-]{8,}")
_FIELD = re.compile(
    r"(?i)\b(password|passwd|secret|api_?key|access_?token|refresh_?token|token|access|refresh)"
    r"(['\"]?\s*[:=]\s*['\"])[^'\"\r\n]+"
)
_PARAMETER = re.compile(r"(?i)([?&](?:[\w-]*(?:token|key|signature|password|secret)|sig)=)[^&\s'\"]+")
_HALF = re.compile(r"[\ud800-\udfff]")
_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Control characters but for the line break and the tab; and what turns the direction of writing."""


def printable(text: str) -> str:
    """*text* with the characters in it that steer a terminal written as their numbers, in JSON's notation.

    Example:
        >>> printable("cat" + chr(27) + "[2J")
        'cat\\\\u001b[2J'
    """
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def well_formed(text: str) -> str:
    """*text* with U+FFFD, the sign for unknown characters, for each half of a character that stands alone in it.

    JSON can hold such halves; UTF-8, and hence no file, database or Arrow string can.

    Example:
        >>> well_formed("why" + chr(0xD83D))
        'why\ufffd'
    """
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def has_halves(texts: Iterable[object]) -> bool:
    """Whether one of *texts* is not :func:`well_formed`; what is no text has none."""
    return any(isinstance(text, str) and not text.isascii() and _HALF.search(text) for text in texts)


def make_well_formed(parsed: dict[str, Any] | list[Any]) -> bool:
    """Make all strings in *parsed*, as JSON has it, :func:`well_formed`; whether there was any that was not."""
    found, rest = False, [parsed]
    while rest:  # and not a function that calls itself: what is nested has no bounds
        around: Any = rest.pop()
        for key, value in list(around.items() if isinstance(around, dict) else enumerate(around)):
            if isinstance(value, str) and value != (whole := well_formed(value)):
                around[key], found = whole, True
            elif isinstance(value, dict | list):
                rest.append(value)
            if isinstance(key, str) and key != (name := well_formed(key)):
                around[name], found = around.pop(key), True
    return found


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


def without_secrets(text: str) -> str:
    """*text* without keys, tokens, passwords and logins: those of the environment, and whatever looks like one.

    Example:
        >>> without_secrets("headers: {'Authorization': 'Token 0123456789abcdef', 'Accept': 'x'}")
        "headers: {'Authorization': '[secret]', 'Accept': 'x'}"
    """
    for value in _of_the_environment():
        text = text.replace(value, "[secret]")
    text = _TOKEN.sub("[secret]", without_logins(text))
    text = _SCHEME.sub(r"\1 [secret]", _HEADER.sub(r"\1\2[secret]", text))
    return _PARAMETER.sub(r"\1[secret]", _FIELD.sub(r"\1\2[secret]", text))


def _of_the_environment() -> list[str]:
    """What is secret in the environment: :data:`SECRETS`, and the login in the server's address; the longest first."""
    login = os.environ.get("LABEL_STUDIO_URL", "").rpartition("@")[0].partition("://")[2]
    values = [*(os.environ.get(name, "").strip() for name in SECRETS), login, login.partition(":")[2]]
    return sorted({value for value in values if len(value) >= _SHORTEST}, key=len, reverse=True)
