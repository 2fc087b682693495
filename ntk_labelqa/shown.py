"""Text as it may be shown, in a file, a log or on a screen: without logins."""

from __future__ import annotations

import re

_LOGIN = re.compile(r"(?<=://)[^\s/?#'\"<>]*@")


def without_logins(text: str) -> str:
    """*text* with the logins of the addresses in it taken out.

    Example:
        >>> without_logins("No answer from https://me:secret@labels.example.org/team.")
        'No answer from https://labels.example.org/team.'
    """
    return _LOGIN.sub("", text)
