"""Connecting: what is wrong with the address or the key is said, and the key itself never."""

from __future__ import annotations

import traceback

import pytest

from ntk_labelqa.errors import LabelStudioError, UsageError
from ntk_labelqa.labelstudio.connect import KEY_VARIABLE, URL_VARIABLE, connect, connect_from_environment, server_url
from tests.labelstudio.samples import KEY, USER
from tests.labelstudio.web import Reply, as_json, serving


def why_not(url: str, key: str = KEY) -> LabelStudioError:
    """The error of a connection that fails, its text free of the key."""
    with pytest.raises(LabelStudioError) as raised:
        connect(url, key)
    assert raised.value.remedy
    assert not key or key not in str(raised.value)
    return raised.value


def test_the_key_is_tried_at_once_and_space_around_it_does_no_harm() -> None:
    with serving(lambda _: as_json(USER)) as web:
        client = connect(f"{web.url}/", f" {KEY}\n")
        assert server_url(client) == web.url
        assert [(r.path, r.headers["authorization"]) for r in web.requests] == [
            ("/api/current-user/whoami", f"Token {KEY}")
        ]


def test_a_sub_path_of_the_address_is_kept() -> None:
    with serving(lambda _: as_json(USER)) as web:
        client = connect(f"{web.url}/labels", KEY)
        assert server_url(client) == f"{web.url}/labels"
        assert web.requests[0].path == "/labels/api/current-user/whoami"


@pytest.mark.parametrize("key", ["", "  \n"])
def test_empty_key(key: str) -> None:
    assert "empty" in why_not("http://127.0.0.1:1", key).what


@pytest.mark.parametrize("key", ["two words", "two\nlines", "schlüssel"])
def test_a_key_that_no_header_can_carry_is_not_shown_by_a_traceback_either(key: str) -> None:
    error = why_not("http://127.0.0.1:1", key)
    assert key not in "".join(traceback.format_exception(error))


def test_refused_key() -> None:
    with serving(lambda _: as_json({"detail": "Invalid token."}, 401)) as web:
        assert "does not take the key" in why_not(web.url).what


def test_no_server() -> None:
    assert "no server answers" in why_not("http://127.0.0.1:1").what


@pytest.mark.parametrize("url", ["", "127.0.0.1:8080", "ftp://127.0.0.1"])
def test_an_address_that_is_none(url: str) -> None:
    assert "not the address of a server" in why_not(url).what


def test_something_else_answers_there() -> None:
    with serving(lambda _: Reply(b"<html>Welcome</html>")) as web:
        assert "not Label Studio" in why_not(web.url).what
    with serving(lambda _: Reply(b"<html>Not found</html>", 404)) as web:
        assert "404" in why_not(web.url).what


def test_a_server_that_breaks_off() -> None:
    with serving(lambda _: Reply(b"x" * 1000, cut=True)) as web:
        assert "failed" in why_not(web.url).what


def test_a_password_in_the_address_stays_out_of_messages() -> None:
    assert "hush" not in str(why_not("http://me:hush@127.0.0.1:1"))
    assert "hush" not in str(why_not("me:hush@127.0.0.1:1"))


@pytest.mark.parametrize("missing", [URL_VARIABLE, KEY_VARIABLE])
def test_a_missing_variable_is_wrong_usage_and_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL_VARIABLE, "http://127.0.0.1:1")
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    monkeypatch.setenv(missing, "")
    with pytest.raises(UsageError, match=missing) as raised:
        connect_from_environment()
    assert raised.value.exit_code == 2
