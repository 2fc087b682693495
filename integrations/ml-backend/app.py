"""A Label Studio ML backend: suggests labels for open tasks, and notes that an audit is stale when labels change.

Start it with ``python app.py``; the options and environment variables that it reads are in the README.
"""

from __future__ import annotations

import base64
import ipaddress
import logging
import os
import re
import secrets
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NotRequired, TypeVar

import click
import numpy as np
import pandas as pd
import uvicorn
from pydantic import TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import TypedDict  # pydantic, which brings it, needs this one before Python 3.12

from ntk_labelqa.audit_folder import Audit, mark_stale, read_manifest, stale_since
from ntk_labelqa.dataset import ANNOTATION_COLUMNS, LabeledDataset, Provenance
from ntk_labelqa.errors import InvalidInputError, LabelQAError, UsageError
from ntk_labelqa.labelstudio.connect import KEY_VARIABLE, URL_VARIABLE, connect_from_environment
from ntk_labelqa.labelstudio.media.fetch import fetch_media
from ntk_labelqa.labelstudio.reading import label_config
from ntk_labelqa.labelstudio.reading.label_values import control_of, is_single_choice
from ntk_labelqa.labelstudio.reading.tasks import OUR_MODEL
from ntk_labelqa.readable import DIALOGUES, readable
from ntk_labelqa.suggestions import MOST_ITEMS, Suggester, audited_dataset
from ntk_labelqa.task_data import value_shown

USER = "labelqa"
PASSWORD, WEBHOOK_SECRET = "LABELQA_PASSWORD", "LABELQA_WEBHOOK_SECRET"
"""Variables: what Label Studio shows as *Basic Authentication*, and what its webhook shows."""
SHORTEST = 8
"""Letters of these two; what is shorter, such as the "…" of an example, was forgotten or can be guessed."""
WEBHOOK = "/webhook"
CHANGES = ("ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED")
"""What Label Studio calls the events after which an audit no longer tells of all labels."""
MOST_BODY = 64 * 2**20
"""Bytes of a request: what is sent is held in memory several times over."""
LONGEST_REFUSAL = 400
"""Characters of it that Label Studio gets to see."""
log = logging.getLogger("uvicorn.error")


class Task(TypedDict):
    """What is looked at of a task that Label Studio sends. What else is in a request is left out while it is read."""

    id: int
    data: dict[str, Any]
    annotations: NotRequired[list[Any] | None]


class Tasks(TypedDict):
    tasks: list[Task]


class Setup(TypedDict):
    schema: NotRequired[str | None]


class Named(TypedDict):
    id: int


class Event(TypedDict):
    action: NotRequired[str]
    project: NotRequired[Named | None]
    tasks: NotRequired[list[Named] | None]


Body = TypeVar("Body")
# Dictionaries, and not pydantic's models: those take three times as long to make, in which nobody else is answered.
TASKS, SETUP, EVENT = TypeAdapter(Tasks), TypeAdapter(Setup), TypeAdapter(Event)


class Backend:
    """One audit folder, the suggestions made from it, and what becomes of it.

    Args:
        folder: the audit.
        most: audited items that suggestions are made from.
        allowed_hosts: hosts besides Label Studio that images may come from.
        trusted: networks of one's own and models at a path that the audit may name; see
            :meth:`ntk_labelqa.suggestions.Suggester.fit`.

    Raises:
        LabelQAError: the audit cannot be read, or nothing can be suggested from it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        most: int = MOST_ITEMS,
        allowed_hosts: Sequence[str] = (),
        trusted: Sequence[str] = (),
    ) -> None:
        self.folder, self.most, self.allowed_hosts, self.trusted = folder, most, allowed_hosts, trusted
        # Of texts nothing has to be fetched, so they need no server.
        named = any(os.environ.get(name) for name in (URL_VARIABLE, KEY_VARIABLE))
        self.client = connect_from_environment() if named else None
        self._one_at_a_time, self._one_note_at_a_time = threading.Lock(), threading.Lock()
        self.webhook_refused_at: str | None = None
        self._load()

    def _load(self) -> None:
        audit = Audit.load(self.folder)
        dataset = audited_dataset(audit, trusted=self.trusted)
        control = control_of(audit.manifest)
        if not is_single_choice(control):
            raise InvalidInputError(
                f"The control {control.full_name!r} is no single choice; suggestions are made for those alone."
            )
        fetched = self._with_images(dataset)
        self.suggester = Suggester.fit(fetched, audit.manifest["options"], most=self.most, trusted=self.trusted)
        self.control, self.manifest = control, audit.manifest
        self.audited = frozenset(dataset.items["task_id"].tolist())
        log.info("Suggesting labels by %d items of the audit of %s", self.suggester.count, self.made)

    def _with_images(self, dataset: LabeledDataset, **how: Any) -> LabeledDataset:
        if dataset.kind != "image":
            return dataset
        return fetch_media(dataset, client=self.client, allowed_hosts=self.allowed_hosts, **how)

    @property
    def made(self) -> str:
        return str(self.manifest["created_at"])

    @property
    def version(self) -> str:
        """Another for each audit, so that Label Studio asks anew; pulls tell by its beginning that it is ours."""
        return f"{OUR_MODEL} {self.made.removesuffix('+00:00').replace('T', ' ')}"

    def health(self) -> dict[str, Any]:
        return {
            "status": "UP",
            "model_class": OUR_MODEL,
            "model_version": self.version,
            "audited_items": self.suggester.count,
            "stale_since": stale_since(self.folder),
            "webhook_refused_at": self.webhook_refused_at,
        }

    def note_refusal(self) -> None:
        """Note that a call of the webhook was refused: it may have told of changed labels."""
        self.webhook_refused_at = datetime.now(UTC).isoformat(timespec="seconds")
        log.warning("Refused a call of the webhook without its secret: no change of a label is noticed like that.")

    def check_config(self, config: str) -> None:
        """Raise InvalidInputError unless *config* has the audit's control and classes."""
        found = label_config.parse(config, self.control.full_name)
        if found.control.identity != self.control.identity:
            ours, theirs = self.control, found.control
            raise InvalidInputError(
                f"The audit is of {ours.tag} {ours.name!r} over {ours.value_key!r}, this project has {theirs.tag} "
                f"{theirs.name!r} over {theirs.value_key!r}."
            )
        known, given = set(self.suggester.class_names), set(found.class_names)
        if known != given:
            parts = (("only in the audit", known - given), ("only in this project", given - known))
            listed = "; ".join(f"{where}: {', '.join(sorted(names))}" for where, names in parts if names)
            raise InvalidInputError(f"The classes of the audit and of this project differ, {listed}.")

    def predict(self, tasks: Sequence[Task]) -> list[Any]:
        """What Label Studio takes as predictions, one entry a task: an empty one where nothing is suggested.

        Something is for open tasks alone: labels that are there are judged by the audit, and the next annotator of the
        same task shall not be led. Nothing either for items that are blank or cannot be read.
        """
        with self._one_at_a_time:
            self._follow_the_audit()
            start = time.perf_counter()
            labelled = [bool(task.get("annotations")) or task["id"] in self.audited for task in tasks]
            asked = [number for number, known in enumerate(labelled) if not known]
            answers: list[Any] = [[] for _ in tasks]
            rows, items = self._items([tasks[number] for number in asked])
            for row, shares in zip(rows, self.suggester.probabilities(items), strict=True):
                if not np.isnan(shares).any():
                    answers[asked[row]] = self._prediction(shares)
            served = sum(map(bool, answers))
            log.info("Suggested labels for %d of %d tasks in %.2f s", served, len(tasks), time.perf_counter() - start)
            return answers

    def _follow_the_audit(self) -> None:
        """Take over an audit that has replaced the one in the folder; go on with the old one where that fails."""
        try:
            if read_manifest(self.folder)["created_at"] != self.made:
                self._load()
        except (LabelQAError, OSError) as error:
            log.warning("Still suggesting by the audit of %s, for: %s", self.made, error)

    def _items(self, tasks: Sequence[Task]) -> tuple[list[int], list[str]]:
        """Which of *tasks* have an item that can be read, and these items: texts, or paths of images."""
        shown = [value_shown(task["data"], self.control) for task in tasks]
        values = [
            readable(value, self.control) if isinstance(value, str) or self.control.over in DIALOGUES else ""
            for value in shown
        ]
        rows = [row for row, value in enumerate(values) if value]
        if not rows or self.manifest["data"]["kind"] == "text":
            return rows, [values[row] for row in rows]
        unlabelled = LabeledDataset(
            items=pd.DataFrame({"task_id": rows, "value": [values[row] for row in rows]}),
            annotations=pd.DataFrame(columns=list(ANNOTATION_COLUMNS)),
            class_names=self.suggester.class_names,
            kind="image",
            provenance=Provenance("Label Studio"),
            control=self.control,
        )
        fetched = self._with_images(unlabelled, max_failed=1.0)
        for gone in fetched.left_out:
            log.warning("No suggestion for tasks %s: %s", [tasks[row]["id"] for row in gone.ids], gone.reason)
        return fetched.items["task_id"].tolist(), fetched.items["path"].tolist()

    def _prediction(self, shares: np.ndarray) -> dict[str, Any]:
        best = int(shares.argmax())
        result = {
            "from_name": self.control.name,
            "to_name": self.control.to_name,
            "type": "choices",
            "value": {"choices": [self.suggester.class_names[best]]},
        }
        return {"model_version": self.version, "score": round(float(shares[best]), 6), "result": [result]}

    def note(self, event: Event) -> bool:
        """Mark the audit stale if *event* tells of changed labels in its project; say whether it does."""
        ours, project = self.manifest["data"].get("project_id"), event.get("project")
        elsewhere = project is not None and ours is not None and project["id"] != ours
        concerns = not elsewhere and self._changes_labels(event)
        if concerns:
            with self._one_note_at_a_time:
                mark_stale(self.folder, datetime.now(UTC).isoformat(timespec="milliseconds"))
        return concerns

    def _changes_labels(self, event: Event) -> bool:
        if event.get("action") != "TASKS_DELETED":
            return event.get("action") in CHANGES
        # Of tasks deleted in the Data Manager, Label Studio no longer says which they were.
        deleted = event.get("tasks")
        return not deleted or any(task["id"] in self.audited for task in deleted)


def routes(backend: Backend) -> list[Route]:
    """What Label Studio calls."""

    async def health(_request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(backend.health))

    async def setup(request: Request) -> Response:
        config = (await body_of(request, SETUP)).get("schema") or ""
        try:
            await run_in_threadpool(backend.check_config, config)
        except LabelQAError as error:
            log.warning("Refused a project: %s", error)
            # Of an error Label Studio shows the status and the address, and nothing else; hence the words go there.
            words = re.sub(r"[^\w.,;:]+", "-", str(error)[:LONGEST_REFUSAL]).strip("-.")
            return RedirectResponse(f"refused/{words}", status_code=307)
        return JSONResponse({"model_version": backend.version})

    async def refused(request: Request) -> Response:
        return JSONResponse({"detail": request.path_params["why"].replace("-", " ")}, status_code=422)

    async def predict(request: Request) -> Response:
        sent = await body_of(request, TASKS)
        return JSONResponse({"results": await run_in_threadpool(backend.predict, sent["tasks"])})

    async def webhook(request: Request) -> Response:
        sent = await body_of(request, EVENT)
        return JSONResponse({"marked_stale": await run_in_threadpool(backend.note, sent)})

    return [
        Route("/health", health),
        Route("/setup", setup, methods=["POST"]),
        Route("/refused/{why}", refused, methods=["POST"]),
        Route("/predict", predict, methods=["POST"]),
        Route(WEBHOOK, webhook, methods=["POST"]),
    ]


async def body_of(request: Request, kind: TypeAdapter[Body]) -> Body:
    """What was sent, as *kind*; raises HTTPException where it is none, or too large.

    Only JSON that says it is: a page in a browser cannot send that to other addresses than its own.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "The request is not application/json.")
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MOST_BODY:
            raise HTTPException(413, f"The request is larger than {MOST_BODY // 2**20} MiB.")
    try:
        return await run_in_threadpool(partial(kind.validate_json, content, strict=True))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the request"
        raise HTTPException(400, f"It is not what Label Studio sends: {where}: {first['msg']}.") from error


class Guard:
    """Lets in who knows the password; at the webhook, who knows its secret. What is empty is not asked for.

    They are two, since Label Studio shows the headers of a webhook to every member, and a backend's password to nobody.
    """

    def __init__(self, app: ASGIApp, *, password: str, webhook_secret: str, refused: Callable[[], None]) -> None:
        login = base64.b64encode(f"{USER}:{password}".encode())
        self.app, self.refused = app, refused
        self.password = b"Basic " + login if password else b""
        self.webhook_secret = b"Bearer " + webhook_secret.encode() if webhook_secret else b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._knows(scope):
            await self.app(scope, receive, send)
            return
        kind = "Basic"
        if scope["path"] == WEBHOOK:
            kind = "Bearer"
            self.refused()
        refusal = Response("The password or secret is wrong or missing.", 401, {"WWW-Authenticate": kind})
        await refusal(scope, receive, send)

    def _knows(self, scope: Scope) -> bool:
        expected = self.webhook_secret if scope["path"] == WEBHOOK else self.password
        given = dict(scope.get("headers") or ()).get(b"authorization", b"")
        return not expected or secrets.compare_digest(given, expected)


async def _in_words(_request: Request, error: Exception) -> Response:
    log.error("%s", error)
    return JSONResponse({"detail": str(error)}, status_code=503)


def is_loopback(host: str) -> bool:
    """Whether *host* is reached from this machine alone, as far as its name tells."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def secrets_for(host: str) -> dict[str, str]:
    """What the guard asks for, by the environment. Raises UsageError where others could come in without it."""
    names = (PASSWORD, WEBHOOK_SECRET)
    values = [os.environ.get(PASSWORD, ""), os.environ.get(WEBHOOK_SECRET, "")]
    make = "`openssl rand -hex 20` makes one."
    for name, value in zip(names, values, strict=True):
        if value and not (len(value) >= SHORTEST and value.isprintable()):
            raise UsageError(f"{name} is no secret: fewer than {SHORTEST} letters, or a line break in it.", remedy=make)
    missing = [name for name, value in zip(names, values, strict=True) if not value]
    if missing and not is_loopback(host):
        raise UsageError(
            f"{' and '.join(missing)} must be set.",
            why=f"The backend {f'would listen on {host}' if host else 'was not told where it listens'}: whoever "
            "reached it could ask it about labels, or make the audit stale.",
            remedy=f"Set them ({make[:-1]}), or start it with `python app.py` on 127.0.0.1, for this machine alone.",
        )
    return {"password": values[0], "webhook_secret": values[1]}


def create(host: str = "") -> Starlette:
    """The application, as the environment describes it; ends the process, and says why, where that cannot be.

    Args:
        host: the address that is listened on; both secrets have to be set unless it is known to be this machine's own.
    """
    try:
        asked = secrets_for(host)
        if not (folder := os.environ.get("LABELQA_AUDIT")):
            raise UsageError("LABELQA_AUDIT must name an audit folder.")
        if not (items := os.environ.get("LABELQA_ITEMS", str(MOST_ITEMS))).isdecimal() or int(items) < 2:
            raise UsageError(f"LABELQA_ITEMS is {items!r}, which is no number of items to draw on.")
        hosts = os.environ.get("LABELQA_ALLOW_HOSTS", "").split()
        trusted = os.environ.get("LABELQA_TRUST", "").split()
        backend = Backend(Path(folder), most=int(items), allowed_hosts=hosts, trusted=trusted)
    except LabelQAError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from error
    guard = Middleware(Guard, **asked, refused=backend.note_refusal)
    return Starlette(routes=routes(backend), middleware=[guard], exception_handlers={LabelQAError: _in_words})


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 is all of them.")
@click.option("--port", type=click.IntRange(0, 65535), default=9090, show_default=True)
def main(host: str, port: int) -> None:
    """Serve the audit in LABELQA_AUDIT to Label Studio."""
    uvicorn.run(partial(create, host), factory=True, host=host, port=port, server_header=False)


if __name__ == "__main__":
    main()
