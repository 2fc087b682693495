"""Requests past the SDK, where it would take any answer for the one that was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ntk_labelqa.errors import LabelStudioError
from ntk_labelqa.labelstudio.connect import URL_VARIABLE, translating_errors

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio

NOT_FOUND, NO_CONTENT = 404, 204


def json_of(client: LabelStudio, path: str, doing: str, **asked: Any) -> Any:
    """What the server answers to a GET of *path* with the query *asked*, from JSON.

    Raises LabelStudioError, beginning with *doing*, where it refuses or answers anything else.
    """
    from label_studio_sdk.core.api_error import ApiError

    with translating_errors(doing):
        answer = client._client_wrapper.httpx_client.request(path, method="GET", params=asked)
        try:
            body = answer.json()
        except (ValueError, RecursionError):
            raise ApiError(status_code=answer.status_code, body=answer.text) from None
        if answer.status_code != 200:
            raise ApiError(status_code=answer.status_code, body=body)
    return body


def delete(client: LabelStudio, path: str, doing: str) -> None:
    """Ask the server once to delete *path*; raises LabelStudioError unless it says 204, as Label Studio does."""
    from label_studio_sdk.core.api_error import ApiError

    with translating_errors(doing):
        answer = client._client_wrapper.httpx_client.request(path, method="DELETE", request_options={"max_retries": 0})
        if answer.status_code != NO_CONTENT:
            raise ApiError(status_code=answer.status_code, body=answer.text)


def says_not_there(status: int | None, body: object, what: str) -> bool:
    """Whether this is Label Studio's own answer that it has no such *what* (its word for it, such as *Annotation*).

    A proxy, or another program at the address, answers 404 as well; that proves nothing.
    """
    return (
        status == NOT_FOUND
        and isinstance(body, dict)
        and body.get("status_code") == NOT_FOUND
        and "version" in body
        and what in str(body.get("detail"))
    )


def unlike_label_studio(doing: str) -> LabelStudioError:
    """The error of an answer that is none of Label Studio's."""
    return LabelStudioError(
        f"{doing} failed: what answers is not Label Studio.",
        why="The address leads to something else, such as a login page in front of it.",
        remedy=f"Open the address in a browser, and check {URL_VARIABLE}.",
    )
