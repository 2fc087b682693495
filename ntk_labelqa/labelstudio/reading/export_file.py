"""A Label Studio export on disk, ``.json`` or ``.json.gz``."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from ntk_labelqa.dataset import LabeledDataset, Provenance
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.labelstudio.corrections.authors import authors
from ntk_labelqa.labelstudio.reading import label_config as config
from ntk_labelqa.labelstudio.reading.task_files import REMEDY, parse_tasks, too_large
from ntk_labelqa.labelstudio.reading.task_store import IN_MEMORY
from ntk_labelqa.labelstudio.reading.tasks import build_dataset
from ntk_labelqa.paths import STANDARD_INPUT
from ntk_labelqa.unpacking import TooLargeError, chunks_of, most_of

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
    tasks, said = parse_tasks(_chunks(path, name), name)
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


def _chunks(path: Path, name: str) -> Iterator[bytes]:
    """What is in the file, unpacked."""
    size = 0
    try:
        with _opened(path) as file:
            is_packed = file.read(2) == b"\x1f\x8b"
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            if is_packed:
                with gzip.open(file) as packed:
                    yield from chunks_of(cast(BinaryIO, packed), most_of(size))
            else:
                yield from chunks_of(file)
    except FileNotFoundError:
        raise InvalidInputError(f"There is no file {name}.", remedy="Check the path.") from None
    except TooLargeError as error:
        raise too_large(name, size) from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InvalidInputError(
            f"{name} cannot be unpacked: {error}", why="It is damaged, or was cut off.", remedy=REMEDY
        ) from error
    except OSError as error:
        raise InvalidInputError(f"{name} cannot be read: {error.strerror}.", remedy="Check the path.") from error


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The file; of what is read once, as a pipe is, a copy, in memory while it is small and without a name else."""
    if path == STANDARD_INPUT and sys.stdin is None:
        raise InvalidInputError("Standard input is closed.", remedy="Send it an export, or name a file.")
    with nullcontext(sys.stdin.buffer) if path == STANDARD_INPUT else path.open("rb") as file:
        if path != STANDARD_INPUT and file.seekable():
            yield file
            return
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as copied:
            shutil.copyfileobj(file, copied)
            copied.seek(0)
            yield cast(BinaryIO, copied)


def _read_config(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(
            f"The labelling config {path} cannot be read: {error}",
            remedy="Save the code of the project's labelling interface as a text file.",
        ) from error
