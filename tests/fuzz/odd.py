"""Values that nobody expects, and ways in which what is right becomes odd."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

Random = random.Random

NUMBERS: list[Any] = [
    *(0, -1, 1, 2, 3.5, 0.1, -0.0, 1e-300, 5e-324, 100, 101, 999, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1),
    *(10**400, 1e18, 1e308, -1e308, 900_000, float("inf"), float("-inf"), float("nan"), True, False),
]
TEXTS = [
    *("", " ", "\n", "x", "0", "1", "-1", "1.5", "1e400", "nan", "null", "true", "[]", "é", "😀", "not x", "a / b"),
    *("\ud83d", "why\udc00?", "\ude00\ud83d", "\0", "a\0b", "\u202etxt", "\x1b[2J", "\u2028", "\ufeff", "\ufffe"),
    *("$a", "$a.b[0]", "{{x}}", "<b>", "<!--", "&amp;", "%s", "{0}", "'\"", "a,b", "a;b", "=1+1", "`", "\\", "\r"),
    *(
        "../../etc/passwd",
        "a" * 300 + ".png",
        "/",
        ".",
        "file:///",
        "http://[",
        "http://127.0.0.1:99999/",
        "//",
        "C:\\x",
    ),
    *(
        "data:,",
        "data:image/png;base64,=",
        "s3://",
        "s3://b/%00",
        "x#xywh=percent:1,1,1,1&rotate=0&size=1x1",
        "x#t=1,2",
    ),
    *("2026-02-30", "9999-12-31T23:59:59Z", "0001-01-01", "2026-01-01T00:00:00+99:99", "x" * 5_000, "ab " * 3_000),
]
SHAPES: list[Any] = [[], {}, [[]], [None], {"": None}, {"x": 1}, [1, "a"], [["x", "y"]], [[1, 2], [3]], {"id": 1}]
TOKENS = [
    *(
        b"null",
        b"NaN",
        b"Infinity",
        b"-1",
        b"1e999",
        b'""',
        b"[]",
        b"{}",
        b"\\ud83d",
        b"\xed\xa0\xbd",
        b"\x00",
        b"\xff",
    ),
    *(b"<", b">", b"&", b"&#0;", b"]]>", b"<!--", b"=", b'"', b"'", b",", b":", b"[", b"]", b"{", b"}", b"\n", b"\r\n"),
    *(
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"9" * 40,
        b"0x1",
        b"1_000",
        b"a" * 200,
        b"\xc3\xa9",
        b"%",
        b"\x1f\x8b",
        b"PK\x03\x04",
    ),
]


def odd(rng: Random) -> Any:
    """One odd value, as JSON could have it."""
    kind = rng.random()
    if kind < 0.35:
        return rng.choice(NUMBERS)
    if kind < 0.75:
        return rng.choice(TEXTS)
    if kind < 0.85:
        return None
    if kind < 0.98:
        return clone(rng.choice(SHAPES))
    return deep(rng.choice([20, 200, 400, 700]), rng.choice([list, dict]))


def deep(levels: int, kind: type) -> Any:
    """*levels* lists or dicts, each in another."""
    found: Any = "deepest"
    for _ in range(levels):
        found = [found] if kind is list else {"x": found}
    return found


def clone(value: Any) -> Any:
    """A copy that shares no list or dict with *value*, however deep it is."""
    holder = [value]
    rest: list[Any] = [holder]
    while rest:
        around = rest.pop()
        for key, inner in list(around.items() if isinstance(around, dict) else enumerate(around)):
            if isinstance(inner, list | dict):
                around[key] = inner.copy()
                rest.append(around[key])
    return holder[0]


def mutated(value: Any, rng: Random, *, most: int = 3) -> Any:
    """A copy of *value*, plain lists and dicts, in which one to *most* things are odd."""
    holder = [clone(value)]
    for _ in range(rng.randint(1, most)):
        _change(_place(holder, rng), rng)
    return holder[0]


def _place(holder: Any, rng: Random) -> tuple[Any, Any]:
    """A list or a dict of *holder*, and a key of it, by going down at random."""
    around, key = holder, 0
    for _ in range(40):
        inner = around[key]
        if not isinstance(inner, list | dict) or not inner or rng.random() < 0.12:
            break
        around, key = inner, rng.choice(list(inner)) if isinstance(inner, dict) else rng.randrange(len(inner))
    return around, key


def _change(place: tuple[Any, Any], rng: Random) -> None:
    around, key = place
    if rng.random() < 0.7:
        around[key] = odd(rng)
    else:
        rng.choice(_CHANGES)(around, key, rng)


def _gone(around: Any, key: Any, rng: Random) -> None:
    around[key] = None
    if isinstance(around, dict):
        del around[key]


def _renamed(around: Any, key: Any, rng: Random) -> None:
    if isinstance(around, dict):
        around[rng.choice([*TEXTS, *map(str, around)])] = around.pop(key)


def _repeated(around: Any, key: Any, rng: Random) -> None:
    if isinstance(around, list):
        around[key:key] = [clone(around[key]) for _ in range(rng.choice([1, 2, 30]))]


def _added(around: Any, key: Any, rng: Random) -> None:
    if isinstance(around, dict):
        around[rng.choice(TEXTS)] = odd(rng)
    else:
        around.append(odd(rng))


def _wrapped(around: Any, key: Any, rng: Random) -> None:
    around[key] = rng.choice([lambda one: [one], lambda one: {"x": one}, str])(around[key])


def _scaled(around: Any, key: Any, rng: Random) -> None:
    if isinstance(around[key], int | float) and abs(around[key]) < 1e300:
        around[key] = around[key] * rng.choice([-1, 0, 1e-9, 1e9, 10**18])


def _unwrapped(around: Any, key: Any, rng: Random) -> None:
    inner = around[key]
    if isinstance(inner, list | dict) and inner:
        around[key] = next(iter(inner.values())) if isinstance(inner, dict) else inner[0]


_CHANGES: list[Callable[[Any, Any, Random], None]] = [
    *(_gone, _renamed, _repeated, _added, _wrapped, _scaled, _unwrapped),
]


def as_json(value: Any, rng: Random) -> bytes:
    """*value* as JSON in one of many spellings, some of them none at all."""
    try:
        text = json.dumps(value, ensure_ascii=rng.random() < 0.7, indent=rng.choice([None, None, 1]))
    except RecursionError:
        text = "[" * 900 + "]" * 900
    if rng.random() < 0.1:
        text = spliced(text, rng)
    encoding = rng.choice(["utf-8"] * 12 + ["utf-8-sig", "utf-16", "utf-32", "utf-16-be"])
    return text.encode(encoding, "surrogatepass")


def spliced(text: str, rng: Random) -> str:
    """*text* with a value nested without end, or with a key that comes twice."""
    at = text.find(rng.choice([":", "[", "{", ","]), rng.randrange(max(len(text), 1))) + 1
    levels = rng.choice([100, 900, 5_000, 100_000])
    more = rng.choice(['"id": 1, ', '"data": 3, ', "[" * levels + "]" * levels, '{"a":' * levels, "1" * 5_000])
    return text[:at] + more + text[at:]


def damaged(content: bytes, rng: Random, *, most: int = 4) -> bytes:
    """*content* with one to *most* places in which bytes are changed, gone, doubled, or of something else."""
    found = bytearray(content)
    for _ in range(rng.randint(1, most)):
        size = len(found)
        at, length = rng.randrange(size + 1), min(rng.choice([1, 1, 2, 4, 8, 64, 1000]), size)
        kind = rng.randrange(7)
        if kind == 0:
            found[at : at + length] = rng.randbytes(length)
        elif kind == 1:
            del found[at : at + length]
        elif kind == 2:
            found[at:at] = found[at : at + length] * rng.choice([1, 2, 50])
        elif kind == 3:
            found[at:at] = rng.choice(TOKENS)
        elif kind == 4:
            found[at : at + length] = rng.choice(TOKENS)
        elif kind == 5 and at < size:
            found[at] ^= 1 << rng.randrange(8)
        elif kind == 6 and rng.random() < 0.3:
            del found[at:]
    return bytes(found)
