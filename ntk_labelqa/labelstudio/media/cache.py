"""Fetched files on disk, stored by content; an index says which content an address had."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from ntk_labelqa.cache import VARIABLE
from ntk_labelqa.errors import LabelQAError


@dataclass(frozen=True)
class Entry:
    """What is known of an address: the digest of its content, and what the server gave to ask again by."""

    digest: str
    etag: str = ""
    last_modified: str = ""


class MediaCache:
    """Files named by the SHA-256 of their content. Two runs may use it at once: every file appears whole."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path_of(self, digest: str) -> Path:
        """Where the content with *digest* is or would be."""
        return self.root / "content" / digest[:2] / digest

    def look_up(self, address: str) -> Entry | None:
        """What is known of *address*, if its content is still here."""
        try:
            entry = Entry(**json.loads(self._index_path(address).read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return entry if self.path_of(entry.digest).is_file() else None

    def store(self, address: str, content: bytes, *, etag: str = "", last_modified: str = "") -> Path:
        """Keep *content* of *address*; return its path. Raises LabelQAError where nothing can be written."""
        digest = hashlib.sha256(content).hexdigest()
        path, entry = self.path_of(digest), Entry(digest, etag, last_modified)
        try:
            if not path.is_file():
                _write_whole(path, content)
            _write_whole(self._index_path(address), json.dumps(asdict(entry)).encode())
        except OSError as error:
            raise LabelQAError(
                f"The cache of images {self.root} cannot be written: {error.strerror}.",
                why="The disk is full, or the folder belongs to somebody else.",
                remedy=f"Name another folder in {VARIABLE}.",
            ) from error
        return path

    def _index_path(self, address: str) -> Path:
        key = hashlib.sha256(address.encode()).hexdigest()
        return self.root / "index" / key[:2] / key


def _write_whole(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, beside = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
