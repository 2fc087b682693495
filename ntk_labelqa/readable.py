"""Web pages, dialogues and chats as the text that a reader takes in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

from ntk_labelqa.dataset import Control

TURN_KEYS = ("author", "text")
"""Keys of who speaks and of what is said in a turn of Paragraphs, where the config names no others."""
CHAT_KEYS = ("role", "content")
DIALOGUES = ("Paragraphs", "Chat")
"""Object tags whose values are lists of turns."""
READABLE = ("Text", "HyperText", "Markdown", *DIALOGUES)
"""Object tags whose values are, or hold, text."""
_UNSEEN = frozenset({"script", "style", "title", "template", "noscript"})
_IN_A_LINE = frozenset(
    "a abbr b bdi bdo cite code em font i kbd mark q s samp small span strong sub sup u var".split()  # noqa: SIM905
)
"""Elements that do not begin a line of their own."""


def readable(value: Any, control: Control) -> str:
    """The text of a task's *value*, as the object that *control* labels shows it.

    Example:
        >>> readable("<p>Two <b>bold</b> words</p><p>more</p>", Control("c", "t", over="HyperText"))
        'Two bold words\\nmore'
        >>> readable([{"author": "Ann", "text": "Hello"}], Control("c", "t", over="Paragraphs"))
        'Ann: Hello'
    """
    if control.over == "HyperText" and isinstance(value, str):
        return _page_text(value)
    if control.over == "Paragraphs" and isinstance(value, list):
        return _turns(value, control.turn_keys or TURN_KEYS)
    if control.over == "Chat" and isinstance(value, list):
        return _turns(value, CHAT_KEYS)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else str(value)


def _turns(turns: list[Any], keys: tuple[str, ...]) -> str:
    """A line a turn, ``who: what``."""
    lines = []
    for turn in turns:
        if isinstance(turn, Mapping):
            who, said = (str(turn[key]) if turn.get(key) is not None else "" for key in keys)
            lines.append(f"{who}: {said}" if who else said)
    return "\n".join(line for line in lines if line)


def _page_text(page: str) -> str:
    reader = _Reader()
    reader.feed(page)
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.parts).split("\n"))
    return "\n".join(line for line in lines if line)


class _Reader(HTMLParser):
    """Gathers the text of a page; what no browser shows is passed over."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        """A new line, unless the element goes on in the same one."""
        self._unseen += tag in _UNSEEN
        if tag not in _IN_A_LINE:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        """The same at its end."""
        self._unseen = max(self._unseen - (tag in _UNSEEN), 0)
        if tag not in _IN_A_LINE:
            self.parts.append("\n")

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        """``<![…`` as browsers read it, as a comment; Python's own reading raises at a word it does not know."""
        return self.parse_bogus_comment(i)

    def handle_data(self, data: str) -> None:
        """Text, if it is shown; line breaks in the source are none on the page."""
        if not self._unseen:
            self.parts.append(data.replace("\n", " "))
