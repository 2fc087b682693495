"""The answers of Label Studio that are read, and what has to be in each of them.

The SDK takes whatever a server answers: a word where a number is expected would come out far from here. So every answer
is compared with its shape as it arrives. Only what is read is looked at; servers of all releases have more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal

import httpx
from pydantic import AfterValidator, BaseModel, Field, StrictBool, StrictInt, StrictStr, TypeAdapter, ValidationError


class OddAnswer(httpx.RequestError):
    """An answer that Label Studio does not give, and what is wrong with it, in words."""


Id = Annotated[StrictInt, Field(ge=0, lt=2**63)]
Count = Annotated[StrictInt, Field(ge=0, lt=2**63)]
Moment = Annotated[StrictStr, AfterValidator(datetime.fromisoformat)]


class _Token(BaseModel):
    access: Annotated[StrictStr, Field(pattern=r"^[\x21-\x7e]+$")]


class _Made(BaseModel):
    id: Id


class _User(_Made):
    email: StrictStr


class _Version(BaseModel):
    release: StrictStr


class _Project(_Made):
    title: StrictStr | None = None
    description: StrictStr | None = None
    label_config: StrictStr | None = None
    task_number: Count | None = None
    total_annotations_number: Count | None = None
    skipped_annotations_number: Count | None = None
    total_predictions_number: Count | None = None
    created_by: _Made | None = None


class _Projects(BaseModel):
    count: Count
    results: list[_Project]


class _MadeSnapshot(_Made):
    created_at: Moment | None = None


class _Snapshot(_MadeSnapshot):
    """Another state would be waited through for an hour."""

    status: Literal["created", "in_progress", "failed", "completed"]


class _KeptSnapshot(_MadeSnapshot):
    title: StrictStr | None = None
    status: StrictStr | None = None
    finished_at: Moment | None = None
    created_by: _Made | None = None


class _Tasks(BaseModel):
    tasks: list[_Made]
    total: Count


class _View(_Made):
    data: dict[str, Any] | None = None


class _Taken(BaseModel):
    task_count: Count


class _Predicted(BaseModel):
    created: Count | None = None


class _Annotation(_Made):
    result: list[dict[str, Any]]
    updated_at: Moment
    completed_by: Id | _Made | None = None
    parent_annotation: Id | None = None
    was_cancelled: StrictBool | None = None


class _StoredAnnotation(_Made):
    """Its result is whatever was imported: that is looked at part by part, where it is read."""

    updated_at: Moment | None = None
    created_at: Moment | None = None
    completed_by: Id | dict[str, Any] | None = None
    parent_annotation: Id | None = None
    was_cancelled: StrictBool | None = None
    unique_id: StrictStr | None = None


class _StoredTask(_Made):
    data: dict[str, Any]
    annotations: list[_StoredAnnotation]
    predictions: list[Id | dict[str, Any]] | None = None
    drafts: list[Id | dict[str, Any]] | None = None


REFRESH = "api/token/refresh"
SHAPES: tuple[tuple[str, str, Any], ...] = (
    ("POST", REFRESH, _Token),
    ("GET", "api/current-user/whoami", _User),
    ("GET", "api/version", _Version),
    ("GET", "api/users", list[_User]),
    ("GET", "api/projects", _Projects),
    ("POST", "api/projects", _Made),
    ("GET", r"api/projects/\d+", _Project),
    ("GET", r"api/projects/\d+/exports", list[_KeptSnapshot]),
    ("POST", r"api/projects/\d+/exports", _MadeSnapshot),
    ("GET", r"api/projects/\d+/exports/\d+", _Snapshot),
    ("POST", r"api/projects/\d+/import", _Taken),
    ("POST", r"api/projects/\d+/import/predictions", _Predicted),
    ("GET", "api/tasks", _Tasks),
    ("GET", "api/dm/views", list[_View]),
    ("POST", "api/dm/views", _View),
    ("GET", r"api/annotations/\d+", _Annotation),
    ("GET", r"api/tasks/\d+/annotations", list[_Annotation]),
    ("POST", r"api/tasks/\d+/annotations", _Annotation),
)
"""By method and path below the server's address."""


def checking_shapes(base: str) -> Callable[[httpx.Response], None]:
    """A hook for httpx's responses that raises OddAnswer where one does not have the shape it must have.

    Args:
        base: the server's address, without a slash at its end.
    """
    below = f"{httpx.URL(base).path.rstrip('/')}/"

    def check(response: httpx.Response) -> None:
        page = response.request.url.path.removeprefix(below).rstrip("/")
        shape = _shape_of(response.request.method, page)
        if page == REFRESH and not response.is_success:
            raise _refused(response)
        if shape is None or not response.is_success:
            return
        response.read()
        try:
            answer = response.json()
        except (ValueError, RecursionError):
            raise OddAnswer("it is no JSON", request=response.request) from None
        if odd := _what_is_odd(shape, answer):
            raise OddAnswer(odd, request=response.request)

    return check


def what_is_odd(tasks: Iterable[Mapping[str, Any]]) -> str:
    """What is wrong with the first of a snapshot's tasks of which anything is; empty where nothing is."""
    shape = _adapter(_StoredTask)
    found = ((number, odd) for number, task in enumerate(tasks) if (odd := _what_is_odd(shape, task)))
    return next((f"{number}.{odd}" for number, odd in found), "")


def _what_is_odd(shape: TypeAdapter[Any], answer: Any) -> str:
    try:
        shape.validate_python(answer)
    except ValidationError as error:
        return _in_words(error)
    return ""


def _shape_of(method: str, page: str) -> TypeAdapter[Any] | None:
    found = (shape for of, pattern, shape in SHAPES if of == method and re.fullmatch(pattern, page))
    shape = next(found, None)
    return None if shape is None else _adapter(shape)


@cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)


def _refused(response: httpx.Response) -> Exception:
    """What the SDK raises where a token is not renewed; by itself it does so for answers in JSON alone."""
    from label_studio_sdk.core.api_error import ApiError

    response.read()
    return ApiError(status_code=response.status_code, body=response.text)


def _in_words(error: ValidationError) -> str:
    """What is wrong first, without anything of the answer but the place."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    said = "Input should be an object" if first["type"] == "model_type" else first["msg"]
    return f"{place or 'the whole'}: {said[:1].lower()}{said[1:]}"
