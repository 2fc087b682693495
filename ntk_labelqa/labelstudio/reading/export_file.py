"""A Label Studio export on disk, ``.json`` or ``.json.gz``."""

from __future__ import annotations

import gzip
import hashlib
import io
import sys
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from ntk_labelqa.dataset import LabeledDataset, Provenance
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.labelstudio.corrections.authors import authors
from ntk_labelqa.labelstudio.reading import label_config as config
from ntk_labelqa.labelstudio.reading.task_files import REMEDY, parse_tasks, too_large
from ntk_labelqa.labelstudio.reading.tasks import build_dataset
from ntk_labelqa.paths import STANDARD_INPUT
from ntk_labelqa.unpacking import TooLargeError, most_of, read_at_most

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio


def read_export(
    path: Path,
    *,
    label_config: Path | None = None,
    control: str | None = None,
    client: LabelStudio | None = None,
    journals: Iterable[Path] = (),
) -> LabeledDataset:
    """The data set of an export file.

    Args:
        path: ``.json`` or ``.json.gz``, in Label Studio's JSON format or another that leaves no doubt, see
            :mod:`ntk_labelqa.labelstudio.reading.task_files`; :data:`ntk_labelqa.paths.STANDARD_INPUT` for either.
        label_config: file with the labelling config; None infers control and classes from the results, and says so.
        control: name of the control, where there are several.
        client: whose key's user wrote corrections. Without one, only what *journals* list counts as a correction.
        journals: see :mod:`ntk_labelqa.labelstudio.corrections.journal`.

    Raises:
        InvalidInputError: not readable, cut off, not a list of tasks, or nothing in it can be audited.
    """
    name = "standard input" if path == STANDARD_INPUT else str(path)
    tasks, said = parse_tasks(_read(path, name), name)
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
    provenance = Provenance(source=name, label_config_sha256=digest, notes=(*said, *notes))
    return build_dataset(tasks, labelled, provenance, authors=authors(client, None, journals))


def _read(path: Path, name: str) -> bytes:
    try:
        content = _standard_input() if path == STANDARD_INPUT else path.read_bytes()
        if content[:2] != b"\x1f\x8b":
            return content
        with gzip.open(io.BytesIO(content)) as packed:
            return read_at_most(cast(BinaryIO, packed), most_of(len(content)))
    except FileNotFoundError:
        raise InvalidInputError(f"There is no file {name}.", remedy="Check the path.") from None
    except TooLargeError as error:
        raise too_large(name, len(content)) from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InvalidInputError(
            f"{name} cannot be unpacked: {error}", why="It is damaged, or was cut off.", remedy=REMEDY
        ) from error
    except OSError as error:
        raise InvalidInputError(f"{name} cannot be read: {error.strerror}.", remedy="Check the path.") from error


def _standard_input() -> bytes:
    if sys.stdin is None:
        raise InvalidInputError("Standard input is closed.", remedy="Send it an export, or name a file.")
    return sys.stdin.buffer.read()


def _read_config(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(
            f"The labelling config {path} cannot be read: {error}",
            remedy="Save the code of the project's labelling interface as a text file.",
        ) from error
