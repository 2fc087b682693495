"""A Label Studio ML backend: suggests labels for open tasks, and notes that an audit is stale when labels change.

Start it with ``uvicorn --factory app:create``; the environment variables that it reads are in the README.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import secrets
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

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
CHANGES = ("ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED")
"""What Label Studio calls the events after which an audit no longer tells of all labels."""
MOST_BODY = 64 * 2**20
"""Bytes of a request: anybody may call the webhook, and what is sent is held in memory several times over."""
LONGEST_REFUSAL = 400
"""Characters of it that Label Studio gets to see."""
log = logging.getLogger("uvicorn.error")


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
        }

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

    def predict(self, tasks: Sequence[Mapping[str, Any]]) -> list[Any]:
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

    def _items(self, tasks: Sequence[Mapping[str, Any]]) -> tuple[list[int], list[str]]:
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

    def note(self, event: Mapping[str, Any]) -> bool:
        """Mark the audit stale if *event* tells of changed labels in its project; say whether it does."""
        project = (event.get("project") or {}).get("id")
        ours = self.manifest["data"].get("project_id")
        concerns = (project is None or ours is None or project == ours) and self._changes_labels(event)
        if concerns:
            with self._one_note_at_a_time:
                mark_stale(self.folder, datetime.now(UTC).isoformat(timespec="milliseconds"))
        return concerns

    def _changes_labels(self, event: Mapping[str, Any]) -> bool:
        if event.get("action") != "TASKS_DELETED":
            return event.get("action") in CHANGES
        # Of tasks deleted in the Data Manager, Label Studio no longer says which they were.
        deleted = event.get("tasks") or ()
        return not deleted or any(task.get("id") in self.audited for task in deleted)


def routes(backend: Backend) -> list[Route]:
    """What Label Studio calls."""

    async def health(_request: Request) -> Response:
        return JSONResponse(backend.health())

    async def setup(request: Request) -> Response:
        try:
            backend.check_config(str((await body_of(request)).get("schema") or ""))
        except LabelQAError as error:
            log.warning("Refused a project: %s", error)
            # Of an error Label Studio shows the status and the address, and nothing else; hence the words go there.
            words = re.sub(r"[^\w.,;:]+", "-", str(error)[:LONGEST_REFUSAL]).strip("-.")
            return RedirectResponse(f"refused/{words}", status_code=307)
        return JSONResponse({"model_version": backend.version})

    async def refused(request: Request) -> Response:
        return JSONResponse({"detail": request.path_params["why"].replace("-", " ")}, status_code=422)

    async def predict(request: Request) -> Response:
        tasks = (await body_of(request)).get("tasks")
        if not isinstance(tasks, list) or not all(_is_task(task) for task in tasks):
            raise HTTPException(400, "A list of tasks with id and data is needed.")
        return JSONResponse({"results": await run_in_threadpool(backend.predict, tasks)})

    async def webhook(request: Request) -> Response:
        return JSONResponse({"marked_stale": await run_in_threadpool(backend.note, await body_of(request))})

    return [
        Route("/health", health),
        Route("/setup", setup, methods=["POST"]),
        Route("/refused/{why}", refused, methods=["POST"]),
        Route("/predict", predict, methods=["POST"]),
        Route("/webhook", webhook, methods=["POST"]),
    ]


async def body_of(request: Request) -> dict[str, Any]:
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MOST_BODY:
            raise HTTPException(413, f"The request is larger than {MOST_BODY // 2**20} MiB.")
    try:
        body = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "The request is not JSON.") from error
    if not isinstance(body, dict):
        raise HTTPException(400, "The request is no JSON object.")
    return body


def _is_task(task: object) -> bool:
    return isinstance(task, dict) and isinstance(task.get("id"), int) and isinstance(task.get("data"), dict)


class Password:
    """Lets in who knows the password, as Label Studio sends it where *Basic Auth* is chosen for a backend.

    Anyone may call the webhook: Label Studio sends no password there, and all that can be done with it is to make the
    audit stale.
    """

    def __init__(self, app: ASGIApp, password: str) -> None:
        self.app, self.expected = app, b"Basic " + base64.b64encode(f"{USER}:{password}".encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = dict(scope.get("headers") or ()).get(b"authorization", b"")
        if scope["type"] != "http" or scope["path"] == "/webhook" or secrets.compare_digest(given, self.expected):
            await self.app(scope, receive, send)
        else:
            refusal = Response("The password is wrong or missing.", 401, {"WWW-Authenticate": "Basic"})
            await refusal(scope, receive, send)


async def _in_words(_request: Request, error: Exception) -> Response:
    log.error("%s", error)
    return JSONResponse({"detail": str(error)}, status_code=503)


def create() -> Starlette:
    """The application, as the environment describes it; ends the process, and says why, where that cannot be."""
    try:
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
    password = os.environ.get("LABELQA_PASSWORD")
    guard = [Middleware(Password, password=password)] if password else []
    return Starlette(routes=routes(backend), middleware=guard, exception_handlers={LabelQAError: _in_words})
