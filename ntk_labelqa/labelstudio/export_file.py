"""A Label Studio export on disk, ``.json`` or ``.json.gz``."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ntk_labelqa.dataset import LabeledDataset, Provenance
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.labelstudio import label_config as config
from ntk_labelqa.labelstudio.tasks import build_dataset

_REMEDY = "Export the project again, as JSON."


def read_export(path: Path, *, label_config: Path | None = None, control: str | None = None) -> LabeledDataset:
    """The data set of an export file.

    Args:
        path: ``.json`` or ``.json.gz``, in Label Studio's JSON format.
        label_config: file with the labelling config; None infers control and classes from the results, and says so.
        control: name of the control, where there are several.

    Raises:
        InvalidInputError: not readable, cut off, not a list of tasks, or nothing in it can be audited.
    """
    tasks = parse_tasks(_read(path), str(path))
    if label_config is None:
        labelled = config.infer(tasks, control)
        notes: tuple[str, ...] = (
            f"No labelling config was given: {labelled.kind} items under the key {labelled.control.value_key!r}, and "
            f"{len(labelled.class_names)} classes of the control {labelled.control.name!r}, were inferred from the "
            "results. Give it with --label-config.",
        )
        digest = ""
    else:
        text = _read_config(label_config)
        labelled, notes = config.parse(text, control), ()
        digest = hashlib.sha256(text.encode()).hexdigest()
    provenance = Provenance(source=str(path), label_config_sha256=digest, notes=notes)
    return build_dataset(tasks, labelled, provenance)


def parse_tasks(content: bytes, name: str) -> list[dict[str, Any]]:
    """The tasks in *content*; raises InvalidInputError, naming *name*, where it is no list of exported tasks."""
    try:
        tasks = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(
            f"{name} is not JSON: {error}", why="It is of another format, or was cut off.", remedy=_REMEDY
        ) from error
    if isinstance(tasks, list) and tasks and all(_is_minimal(task) for task in tasks):
        raise InvalidInputError(
            f"{name} is of the format JSON_MIN, which does not say which control a label was given with.",
            remedy=_REMEDY,
        )
    if not isinstance(tasks, list) or not all(_is_task(task) for task in tasks):
        raise InvalidInputError(
            f"{name} is JSON, but not a list of Label Studio tasks with id, data and annotations.",
            why="It may be of another of Label Studio's formats, or not an export.",
            remedy=_REMEDY,
        )
    _refuse_twins([task["id"] for task in tasks], "task", name)
    _refuse_twins([annotation["id"] for task in tasks for annotation in task["annotations"]], "annotation", name)
    return tasks


def _refuse_twins(ids: list[int], of: str, name: str) -> None:
    """Raise InvalidInputError where an id comes twice: what is said of it could end up with the wrong item."""
    if len(set(ids)) == len(ids):
        return
    twins = [str(key) for key, count in Counter(ids).items() if count > 1]
    raise InvalidInputError(
        f"{name} has {len(twins)} {of} ids more than once: {', '.join(twins[:10])}.",
        why="Several exports may have been joined, or projects of several servers.",
        remedy="Audit one export of one project.",
    )


def _is_minimal(task: object) -> bool:
    return isinstance(task, Mapping) and "annotation_id" in task and "annotations" not in task


def _is_task(task: object) -> bool:
    return (
        isinstance(task, Mapping)
        and isinstance(task.get("id"), int)
        and isinstance(task.get("data"), Mapping)
        and isinstance(task.get("annotations"), list)
        and all(isinstance(a, Mapping) and isinstance(a.get("id"), int) for a in task["annotations"])
    )


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except FileNotFoundError:
        raise InvalidInputError(f"There is no file {path}.", remedy="Check the path.") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InvalidInputError(
            f"{path} cannot be unpacked: {error}", why="It is damaged, or was cut off.", remedy=_REMEDY
        ) from error
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read: {error.strerror}.", remedy="Check the path.") from error


def _read_config(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(
            f"The labelling config {path} cannot be read: {error}",
            remedy="Save the code of the project's labelling interface as a text file.",
        ) from error
