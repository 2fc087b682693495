"""A checked connection to a Label Studio server, and its failures in words."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

from ntk_labelqa.errors import LabelQAError, LabelStudioError, UsageError

if TYPE_CHECKING:
    import httpx
    from label_studio_sdk.client import LabelStudio

    from ntk_labelqa.labelstudio.answers import RedirectedAnswer

URL_VARIABLE, KEY_VARIABLE = "LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY"
TIMEOUT = 600.0
"""Seconds. Exports of large projects are prepared without a byte being sent meanwhile."""

TRY_TIMEOUT = 60
"""Seconds that a server may take to say who we are; one that does not answer at all should not be waited for."""

SLOWEST = 10_000
"""Bytes a second, of an export that is still taken: a tenth of what the slowest of connections bring."""

SOMETHING_ELSE = "The address leads to something else, such as a login page in front of it or another program."

ONCE: Any = {"max_retries": 0}
"""Request options of every write: a write that was repeated by the SDK could be done twice."""


def connect(url: str, api_key: str, *, timeout: float = TIMEOUT) -> LabelStudio:
    """A client of the server at *url*, whose address and key have been tried.

    Redirects are not followed: the key would go where they lead.

    Args:
        url: base address, without a login; a sub-path is fine.
        api_key: a legacy token or a personal access token.
        timeout: seconds a request may take.

    Raises:
        LabelStudioError: no server there, or it does not take the key.
    """
    from label_studio_sdk.client import LabelStudio

    from ntk_labelqa.labelstudio.answers import ACCEPTED, BoundedClient, refusing_redirects
    from ntk_labelqa.labelstudio.shapes import checking_shapes

    key, address = _checked_key(api_key), _checked_address(url)
    http = BoundedClient(
        head_seconds=timeout + TRY_TIMEOUT,
        body_seconds=timeout,
        slowest=SLOWEST,
        timeout=timeout,
        follow_redirects=False,
        headers={"Accept-Encoding": ACCEPTED},
        event_hooks={
            "request": [_not_waiting_for_tokens],
            "response": [refusing_redirects(address), checking_shapes(address)],
        },
    )
    with translating_errors(f"Connecting to {address}"):
        # Personal access tokens are refreshed below the address's own path, which a missing slash would cut off.
        client = LabelStudio(base_url=f"{address}/", api_key=key, timeout=timeout, httpx_client=http)
        client.users.whoami(request_options={"max_retries": 0, "timeout_in_seconds": TRY_TIMEOUT})
    return client


def _not_waiting_for_tokens(request: httpx.Request) -> None:
    """A hook for httpx's requests: an access token is made at once or never."""
    if request.url.path.rstrip("/").endswith("api/token/refresh"):
        waits: dict[str, float | None] = request.extensions["timeout"]
        request.extensions["timeout"] = {what: min(given or TRY_TIMEOUT, TRY_TIMEOUT) for what, given in waits.items()}


def _checked_address(url: str) -> str:
    """*url* without the slash at its end; raises LabelStudioError where it is none, or has more in it.

    A login is refused: its header is the one that the key needs, and addresses stand in reports and journals.
    """
    import httpx

    address = url.strip().rstrip("/")
    scheme = next((scheme for scheme in ("http://", "https://") if address.lower().startswith(scheme)), "")
    bare = scheme + address[len(scheme) :].rpartition("@")[2]
    try:
        parsed = httpx.URL(bare) if scheme else None
    except (httpx.InvalidURL, ValueError):
        parsed = None
    if parsed is None or not parsed.host or parsed.query or parsed.fragment:
        raise LabelStudioError(
            f"{bare.partition('?')[0]!r} is not the address of a server.",
            remedy=f"Set {URL_VARIABLE} to the address that the browser shows, from http:// or https:// on.",
        )
    if bare != address:
        raise LabelStudioError(
            f"The address of Label Studio, {bare}, comes with a login.",
            why="Label Studio takes a key alone, and addresses stand in reports and logs.",
            remedy=f"Set {URL_VARIABLE} to {bare}, and {KEY_VARIABLE} to your key.",
        )
    return address


def _checked_key(api_key: str) -> str:
    """*api_key* without the space around it; raises LabelStudioError where no HTTP header could carry it."""
    key = api_key.strip()
    if not key:
        raise LabelStudioError(
            "The Label Studio key is empty.", remedy=f"Copy it from Account & Settings, and set {KEY_VARIABLE}."
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise LabelStudioError(
            "The Label Studio key holds characters that no key has.",
            why="Something else was copied, or more than the key.",
            remedy=f"Copy it again from Account & Settings, and set {KEY_VARIABLE}.",
        )
    return key


def connect_from_environment() -> LabelStudio:
    """:func:`connect` with LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY; UsageError where one of them is not set."""
    missing = [name for name in (URL_VARIABLE, KEY_VARIABLE) if not os.environ.get(name)]
    if missing:
        raise UsageError(
            f"{' and '.join(missing)} must be set to reach Label Studio.",
            remedy="Export the server's address and your key, found under Account & Settings.",
        )
    return connect(os.environ[URL_VARIABLE], os.environ[KEY_VARIABLE])


def server_url(client: LabelStudio) -> str:
    """The server's base address without a trailing slash."""
    return client._client_wrapper.get_base_url().rstrip("/")


def server_version(client: LabelStudio) -> str:
    """The release of Label Studio that answers."""
    with translating_errors("Asking the server for its version"):
        return str(client.versions.get().release)


def describe_server(client: LabelStudio) -> str:
    """The server's address and version, and whose key this is."""
    version = server_version(client)
    with translating_errors("Asking the server whose key this is"):
        user = client.users.whoami()
    return f"{server_url(client)}, version {version}, as {user.email}"


@contextmanager
def translating_errors(doing: str) -> Iterator[None]:
    """Turn the SDK's and httpx's errors in the body into a LabelStudioError that says what was being done.

    The SDK does not wrap httpx's errors in its own, so both have to be caught. Answers that it cannot make sense of
    end in whatever its code then raises.
    """
    import httpx
    from label_studio_sdk.core.api_error import ApiError

    from ntk_labelqa.labelstudio.answers import RedirectedAnswer, RefusedAnswer
    from ntk_labelqa.labelstudio.shapes import OddAnswer

    try:
        yield
    except ApiError as error:
        raise _from_status(doing, error.status_code, error.body) from error
    except RedirectedAnswer as error:
        raise _from_redirect(doing, error) from error
    except OddAnswer as error:
        raise LabelStudioError(
            f"{doing} failed: what answers is not Label Studio, or not as it should ({error}).",
            why=SOMETHING_ELSE,
            remedy=f"Open the address in a browser, and check {URL_VARIABLE}.",
        ) from error
    except RefusedAnswer as error:
        raise LabelStudioError(
            f"{doing} failed: the server's answer is refused, as {error}.",
            why="Something that is not Label Studio may answer, or the answer was made to fill the memory.",
            remedy=f"Open the address in a browser, and check {URL_VARIABLE}.",
        ) from error
    except httpx.ConnectError as error:
        raise LabelStudioError(
            f"{doing} failed: no server answers.",
            why="The address is wrong, or the server is not running or not reachable from here.",
            remedy=f"Open the address in a browser, and check {URL_VARIABLE}.",
        ) from error
    except httpx.TimeoutException as error:
        raise LabelStudioError(
            f"{doing} took too long.",
            why="The server is busy, or the project is very large.",
            remedy="Try again when the server is less busy.",
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise LabelStudioError(
            f"{doing} failed: {type(error).__name__}.",
            why="The connection broke, or the address is not one of a Label Studio server.",
            remedy=f"Check {URL_VARIABLE} and try again.",
        ) from error
    except LabelQAError:
        raise
    except Exception as error:
        if not _is_of_the_sdk(error):
            raise
        raise LabelStudioError(
            f"{doing} failed: the SDK of Label Studio cannot read the answer ({type(error).__name__}).",
            why=SOMETHING_ELSE,
            remedy=f"Open the address in a browser, and check {URL_VARIABLE}.",
        ) from error


def _is_of_the_sdk(error: Exception) -> bool:
    """Whether *error* was raised by the SDK or by what it called: our own faults must not look like the server's."""
    modules = (frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__))
    return any(str(module).startswith("label_studio_sdk.") for module in modules)


def _from_redirect(doing: str, error: RedirectedAnswer) -> LabelStudioError:
    to_the_same = f"If that is your Label Studio, set {URL_VARIABLE} to {error.server}."
    return LabelStudioError(
        f"{doing} failed: the server redirects to {error.server}.",
        why="Redirects are not followed, as the key would go where they lead."
        + ("" if error.is_same else " A login page or another program may stand in front of Label Studio."),
        remedy=to_the_same if error.is_same else f"Open the address in a browser, and check {URL_VARIABLE}.",
    )


def _from_status(doing: str, status: int | None, body: object) -> LabelStudioError:
    if status in (401, 403):
        return LabelStudioError(
            f"{doing} failed: the server does not take the key ({status}).",
            why="The key is wrong or revoked, lacks the permission, or legacy tokens are switched off on this server.",
            remedy=f"Make a new one under Account & Settings, and set {KEY_VARIABLE}.",
        )
    if status == 404:
        return LabelStudioError(
            f"{doing} failed: the server does not know it (404).",
            why="The id is wrong, it was deleted, it belongs to another organisation than the key, or no Label Studio "
            "is at this address.",
            remedy=f"Check the id against the address bar of the project's page, and {URL_VARIABLE}.",
        )
    if status is not None and status < 400:
        return LabelStudioError(
            f"{doing} failed: what answers is not Label Studio.",
            why=SOMETHING_ELSE,
            remedy=f"Open the address in a browser, and check {URL_VARIABLE}.",
        )
    detail = body.get("detail") if isinstance(body, dict) else None
    return LabelStudioError(
        f"{doing} failed with status {status}{f': {detail}' if detail else ''}.",
        remedy="Try again; if it stays so, look into the server's log.",
    )
