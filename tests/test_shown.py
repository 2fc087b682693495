"""What may be shown of a text."""

from __future__ import annotations

import pytest

from ntk_labelqa.shown import without_logins


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
