"""Web pages, dialogues and chats as the text that a reader takes in."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
_BREAK = "\x1e"
"""Stands for the end of a line, as line breaks in the source are none on the page."""


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
        return _lines(value, control.turn_keys or TURN_KEYS)
    if control.over == "Chat" and isinstance(value, list):
        return _lines(value, CHAT_KEYS)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else str(value)


def turns(value: list[Any], keys: tuple[str, ...]) -> list[tuple[str, str]]:
    """Who speaks, with a colon, and what is said, in each turn of a dialogue; both empty of what is no turn."""
    found = []
    for turn in value:
        fields = turn if isinstance(turn, Mapping) else {}
        who, said = (str(fields[key]) if fields.get(key) is not None else "" for key in keys)
        found.append((f"{who}: " if who else "", said))
    return found


def _lines(value: list[Any], keys: tuple[str, ...]) -> str:
    """A line a turn, ``who: what``."""
    return "\n".join(line for line in (who + said for who, said in turns(value, keys)) if line)


def text_nodes(page: str) -> str:
    """The characters of a page's text, one after the other, white space as it is; empty where there is none."""
    root = _parsed(page)
    body = None if root is None else root.find("body")
    return "" if body is None else str(body.text_content())


def _page_text(page: str) -> str:
    """The text of a page that is shown, a line a block; empty where there is none."""
    from lxml import etree  # type: ignore[import-untyped] # its stubs are of other versions

    root = _parsed(page)
    if root is None:
        return ""
    parts: list[str] = []
    walk = etree.iterwalk(root, events=("start", "end", "comment", "pi"))
    for event, element in walk:
        seen = isinstance(element.tag, str) and element.tag not in _UNSEEN
        if seen and element.tag not in _IN_A_LINE:
            parts.append(_BREAK)
        if event != "start":
            parts.append(element.tail or "")
        elif seen:
            parts.append(element.text or "")
        else:
            walk.skip_subtree()
    lines = (" ".join(line.split()) for line in "".join(parts).split(_BREAK))
    return "\n".join(line for line in lines if line)


def _parsed(page: str) -> Any:
    """The page's tree; None where there is nothing in it."""
    from lxml import etree, html

    parser = html.HTMLParser(encoding="utf-8", huge_tree=True, no_network=True)
    try:
        return html.document_fromstring(page.replace("\0", "").encode("utf-8", "replace"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError):
        return None
