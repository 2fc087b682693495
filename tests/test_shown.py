"""What may be shown of a text."""

from __future__ import annotations

import json

import pytest

from ntk_labelqa.shown import printable, without_logins, without_secrets


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:hush@a.example/x and ftp://hush@b.example:8/y@z", "https://a.example/x and ftp://b.example:8/y@z"),
        ("https://me:h@sh@a.example", "https://a.example"),
        ("https://a.example/me:you@x", "https://a.example/me:you@x"),
        ("owner@example.org", "owner@example.org"),
    ],
)
def test_logins_are_taken_out_of_addresses_and_nothing_else_is(text: str, shown: str) -> None:
    assert without_logins(text) == shown


def test_what_steers_a_terminal_is_written_as_numbers_and_json_stays_the_same() -> None:
    steering = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x202A, 0x202E, 0x2066, 0x2069)]
    kept = "\n\t"
    for character in steering:
        assert (printable(character) == character) == (character in kept)
    ordinary = "Zoë 猫 👍 \xa0 ٣ — “x”\n\t"
    assert printable(ordinary) == ordinary
    document = json.dumps(["".join(steering), ordinary], ensure_ascii=False)
    assert json.loads(printable(document)) == json.loads(document)


@pytest.mark.parametrize(
    "text",
    [
        "Set the Token of your account, or a Bearer of it, with a key.",
        "The password is wrong, and the access was refused: token 7 of 12.",
        "Basic statistics of the tokens: 12",
        "https://labels.example.org/data/a.png?d=pets/a.png&page=2",
    ],
)
def test_words_about_secrets_are_none(text: str) -> None:
    assert without_secrets(text) == text
