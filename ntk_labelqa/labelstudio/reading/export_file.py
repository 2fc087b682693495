"""A Label Studio export on disk, ``.json`` or ``.json.gz``."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from pathlib import Path

from ntk_labelqa.dataset import LabeledDataset, Provenance
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.labelstudio.reading import label_config as config
from ntk_labelqa.labelstudio.reading.task_files import REMEDY, parse_tasks
from ntk_labelqa.labelstudio.reading.tasks import build_dataset


def read_export(path: Path, *, label_config: Path | None = None, control: str | None = None) -> LabeledDataset:
    """The data set of an export file.

    Args:
        path: ``.json`` or ``.json.gz``, in Label Studio's JSON format or another that leaves no doubt, see
            :mod:`ntk_labelqa.labelstudio.reading.task_files`.
        label_config: file with the labelling config; None infers control and classes from the results, and says so.
        control: name of the control, where there are several.

    Raises:
        InvalidInputError: not readable, cut off, not a list of tasks, or nothing in it can be audited.
    """
    tasks, said = parse_tasks(_read(path), str(path))
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
    provenance = Provenance(source=str(path), label_config_sha256=digest, notes=(*said, *notes))
    return build_dataset(tasks, labelled, provenance)


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except FileNotFoundError:
        raise InvalidInputError(f"There is no file {path}.", remedy="Check the path.") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InvalidInputError(
            f"{path} cannot be unpacked: {error}", why="It is damaged, or was cut off.", remedy=REMEDY
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
