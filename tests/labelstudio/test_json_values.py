"""Values come out one at a time as ``json.loads`` gives them, wherever the text is cut into chunks."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from ntk_labelqa.labelstudio.reading.json_values import JSONValues, NotJSONError

TEXTS = [
    "[]",
    " [ ] ",
    '[{"a": 1}, {"a": [1.5, -2e5, true, null, "b\\"]"]}]',
    "[1, 23, -4.5e-3, 1E400]",
    "[NaN, Infinity, -Infinity, 123456789012345678901234567890]",
    '["\\ud83d", "\\ud83d\\ude00", "é東\U0001f600", "\\u00e9"]',
    '[{"a": 1, "a": 2},\r\n\t[[[]]], ""]',
    "7",
    '"one"',
    '{"id": 1}',
    '{"id": 1}\n\n{"id": 2}\r\n[3]\n',
]
WRONG = ["", " ", "[", "[1", "[1,", "[1 2]", "[1]]", "[1,]", '["a]', '{"a": 1} {"a": 2}', "[1]\n[2]", "[01]", "text"]
WRONG += ['["\\x"]', '["\\u12"]', '["a\nb"]', "[tru]", '[{"a" 1}]', "[" * 100_000, f"[{'9' * 5_000}]", '{"a": 1}\n{']


def by_loads(text: str) -> list[Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    return found if isinstance(found, list) else [found]


def cut(content: bytes, size: int) -> list[bytes]:
    return [content[start : start + size] for start in range(0, len(content), size)]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32-le"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_the_values_are_those_of_loads(text: str, encoding: str, size: int) -> None:
    found = [one.value for one in JSONValues(cut(text.encode(encoding), size))]
    assert repr(found) == repr(by_loads(text))


@pytest.mark.parametrize("text", WRONG)
@pytest.mark.parametrize("size", [1, 5, 1000])
def test_what_loads_refuses_is_refused(text: str, size: int) -> None:
    with pytest.raises(NotJSONError):
        list(JSONValues(cut(text.encode(), size)))


def test_halves_written_as_bytes_come_out_as_loads_gives_them() -> None:
    content = '["half \ud83d", "東 \ude00"]'.encode("utf-8", "surrogatepass")
    for size in range(1, 12):
        assert [one.value for one in JSONValues(cut(content, size))] == json.loads(content)


@pytest.mark.parametrize(
    ("text", "may"), [('["a"]', False), ('["東"]', False), ('["\ud83d"]', True), ('["\\uD83d"]', True)]
)
def test_which_values_may_have_halves(text: str, may: bool) -> None:
    [value] = JSONValues([text.encode("utf-8", "surrogatepass")])
    assert value.may_have_halves is may


def test_bytes_that_are_no_text_are_refused_in_words() -> None:
    for content in (b'["a\xff"]', b'["a\xe6\x9d'):
        with pytest.raises(NotJSONError, match="its bytes are not utf-8"):
            list(JSONValues(cut(content, 3)))


def test_the_place_of_what_is_wrong_is_told() -> None:
    with pytest.raises(NotJSONError, match=r"Expecting ',' delimiter \(character 3,010\)"):
        list(JSONValues(cut(b"[" + b"1, " * 1000 + b'{"a": 1} 2]', 100)))


def test_what_is_wrong_is_refused_before_the_rest_is_read() -> None:
    taken = 0

    def chunks():
        nonlocal taken
        yield b'[{"a" 1}, '
        for taken in range(100):  # noqa: B007 - counted outside
            yield b'"text", ' * 100

    with pytest.raises(NotJSONError):
        list(JSONValues(chunks()))
    assert taken < 2


def test_whatever_is_cut_anywhere() -> None:
    rng = random.Random(0)
    values = [
        {"text": "".join(rng.choices('aé東"\\\n\U0001f600', k=rng.randrange(30))), "n": rng.random()} for _ in range(50)
    ]
    for ascii_only in (True, False):
        content = json.dumps(values, ensure_ascii=ascii_only, indent=rng.choice([None, 2])).encode()
        places = sorted(rng.sample(range(len(content)), 40))
        chunks = [content[a:b] for a, b in zip([0, *places], [*places, len(content)], strict=True)]
        assert [one.value for one in JSONValues(chunks)] == values
