"""The values of a JSON text one at a time, so that memory holds one of them and not the whole text.

Each value is read by Python's own parser, so that all comes out as ``json.loads`` gives it: integers of any size, NaN,
halves of characters. The incremental parsers that are kept refuse the first two and lose the third.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

TOKEN = 16
"""Characters that an escape, a literal or the end of a number takes at most: so far before the end of what is here, an
error may come of more not being here yet."""
_BLANK = re.compile(r"[ \t\n\r]*")
_HALF = re.compile("[\ud800-\udfff]")
_DECODER = json.JSONDecoder()
_BYTES_OF = ((0xF0, 4), (0xE0, 3), (0xC0, 2))
"""Of a character of UTF-8, by its first byte, which is no less."""


class NotJSONError(ValueError):
    """The text is not JSON, why, and from which character on."""


class Value(NamedTuple):
    """A value of the text, and whether strings in it may hold halves of characters."""

    value: Any
    may_have_halves: bool


class JSONValues:
    """An iterator of the entries of a list, of the values on lines of their own, or of the one value that there is.

    Args:
        chunks: the text, in any encoding that ``json.loads`` takes.

    Attributes:
        is_list: whether the text is a list.

    Raises NotJSONError, also while it is iterated.

    Cost: the memory of two entries, a chunk besides; the time of ``json.loads`` or less.

    Example:
        >>> [one.value for one in JSONValues([b'[{"id": 1}, {"i', b'd": 2}]'])]
        [{'id': 1}, {'id': 2}]
        >>> [one.value for one in JSONValues([b'{"id": 1}\\n{"id": 2}'])]
        [{'id': 1}, {'id': 2}]
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._texts = _decoded(chunks)
        self._text, self._at, self._before, self._ended = "", 0, 0, False
        self._on_new_line = False
        self.is_list = self._next_character() == "["
        self._values = self._entries() if self.is_list else self._lines()

    def __iter__(self) -> Iterator[Value]:
        return self

    def __next__(self) -> Value:
        return next(self._values)

    def _entries(self) -> Iterator[Value]:
        self._at += 1
        if self._next_character() == "]":
            self._at += 1
        else:
            yield self._value()
            while (follows := self._next_character()) == ",":
                self._at += 1
                self._next_character()
                yield self._value()
            if follows != "]":
                raise self._error("Expecting ',' delimiter", self._at)
            self._at += 1
        if self._next_character():
            raise self._error("Extra data", self._at)

    def _lines(self) -> Iterator[Value]:
        first = self._value()
        yield first
        while self._next_character():
            if not self._on_new_line or not isinstance(first.value, dict):
                raise self._error("Extra data", self._at)
            yield self._value()

    def _next_character(self) -> str:
        """The next one that is not blank, from which on to read; empty at the end."""
        self._on_new_line = False
        while True:
            begin, self._at = self._at, _BLANK.match(self._text, self._at).end()  # type: ignore[union-attr]
            self._on_new_line |= "\n" in (blank := self._text[begin : self._at]) or "\r" in blank
            if self._at < len(self._text):
                return self._text[self._at]
            if self._ended:
                return ""
            self._take_more()

    def _value(self) -> Value:
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                unfinished = error.msg.startswith("Unterminated string") or len(self._text) - error.pos < TOKEN
                if self._ended or not unfinished:
                    raise self._error(error.msg, error.pos) from None
            except RecursionError:
                raise self._error("It is nested too deep", self._at) from None
            except ValueError as error:  # an integer of thousands of digits
                raise self._error(str(error), self._at) from None
            else:
                if self._ended or not isinstance(value, int | float) or len(self._text) - end > TOKEN:
                    found = Value(value, self._may_have_halves(end))
                    self._at = end
                    return found
            self._take_more()

    def _may_have_halves(self, end: int) -> bool:
        if not self._text.isascii() and _HALF.search(self._text, self._at, end):
            return True
        return any(self._text.find(escape, self._at, end) >= 0 for escape in ("\\ud", "\\uD"))

    def _take_more(self) -> None:
        """Twice as much as is left, so that a long value is not begun anew more often than its length doubles."""
        rest = self._text[self._at :]
        self._before, self._at = self._before + self._at, 0
        taken, size = [rest], 0
        try:
            while size <= len(rest):
                taken.append(next(self._texts))
                size += len(taken[-1])
        except StopIteration:
            self._ended = True
        except UnicodeDecodeError as error:
            raise NotJSONError(f"{error.reason}: its bytes are not {error.encoding}") from None
        self._text = "".join(taken)

    def _error(self, what: str, at: int) -> NotJSONError:
        return NotJSONError(f"{what} (character {self._before + at:,})")


def _decoded(chunks: Iterable[bytes]) -> Iterator[str]:
    rest, decoder, name = b"", None, ""
    for chunk in chunks:
        rest += chunk
        if decoder is None:
            if len(rest) < 4:
                continue
            name = json.detect_encoding(rest)
            decoder = codecs.getincrementaldecoder(name)("surrogatepass")
        # Half a character is let pass where all of its bytes are there, and at the end of a chunk they may not be.
        whole = _whole_characters(rest) if name.startswith("utf-8") else len(rest)
        yield decoder.decode(rest[:whole])
        rest = rest[whole:]
    if decoder is None:
        decoder = codecs.getincrementaldecoder(json.detect_encoding(rest))("surrogatepass")
    yield decoder.decode(rest, final=True)


def _whole_characters(content: bytes) -> int:
    """Where the last character of UTF-8 begins, if it is cut off at the end of *content*; else the length of it."""
    for back in range(1, min(4, len(content) + 1)):
        byte = content[-back]
        if byte >= 0xC0:
            needed = next(count for least, count in _BYTES_OF if byte >= least)
            return len(content) - back if needed > back else len(content)
        if byte < 0x80:
            break
    return len(content)
