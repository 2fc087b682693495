"""Connecting: what is wrong with the address or the key is said, and the key itself never."""

from __future__ import annotations

import time
import traceback

import jwt
import pytest

from ntk_labelqa.errors import LabelStudioError, UsageError
from ntk_labelqa.labelstudio.connect import KEY_VARIABLE, URL_VARIABLE, connect, connect_from_environment, server_url
from tests.labelstudio.samples import KEY, USER
from tests.labelstudio.web import Reply, Request, as_json, serving


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


@pytest.mark.parametrize(
    "url",
    [
        "http://me:hush@127.0.0.1:1",
        "http://hush@127.0.0.1:1/labels",
        "http://me:hu/sh#x?@127.0.0.1:1",
        "HTTP://me:hush%40x@127.0.0.1:1/",
        "me:hush@127.0.0.1:1",
    ],
)
def test_a_login_in_the_address_is_refused_and_not_shown(url: str) -> None:
    error = why_not(url)
    shown = "".join(traceback.format_exception(error)) + str(error)
    assert "hush" not in shown
    assert "hu/sh" not in shown
    if "://" in url:
        assert "comes with a login" in error.what
        assert f"{URL_VARIABLE} to http://127.0.0.1:1" in error.remedy


def a_refresh_token() -> str:
    """A personal access token, as Label Studio makes them, good for a day."""
    return jwt.encode({"token_type": "refresh", "exp": int(time.time()) + 86_400}, "x" * 32)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("key", [KEY, a_refresh_token()], ids=["legacy", "personal"])
def test_a_redirect_is_not_followed_and_is_said(status: int, key: str) -> None:
    with serving(lambda _: as_json(USER)) as elsewhere:

        def moved(request: Request) -> Reply:
            target = (
                f"http://me:hush@127.0.0.1:{elsewhere.port}/new{request.path.removeprefix('/labels')}?token=hush#hush"
            )
            return Reply(status=status, headers={"Location": target})

        with serving(moved) as web:
            error = why_not(f"{web.url}/labels", key)
        assert elsewhere.requests == []
    assert f"redirects to {elsewhere.url}/new." in error.what
    assert f"set {URL_VARIABLE} to {elsewhere.url}/new." in error.remedy
    assert "hush" not in str(error)


@pytest.mark.parametrize(
    "location", ["/user/login/?next=/", "https://login.example.org/secret-path", "http://[", "mailto:x"]
)
def test_a_redirect_to_a_login_page_is_said(location: str) -> None:
    with serving(lambda _: Reply(status=302, headers={"Location": location})) as web:
        error = why_not(web.url)
    assert "redirects to" in error.what
    assert "login page" in error.why
    assert "secret-path" not in str(error)


@pytest.mark.parametrize("missing", [URL_VARIABLE, KEY_VARIABLE])
def test_a_missing_variable_is_wrong_usage_and_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL_VARIABLE, "http://127.0.0.1:1")
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    monkeypatch.setenv(missing, "")
    with pytest.raises(UsageError, match=missing) as raised:
        connect_from_environment()
    assert raised.value.exit_code == 2
