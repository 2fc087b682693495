"""Fetched files on disk, stored by content; an index says which content an address had."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ntk_labelqa.cache import VARIABLE
from ntk_labelqa.errors import LabelQAError
from ntk_labelqa.files import NotWrittenError, clear_leftovers_in, private_folder, whole_file, write_whole

MOST_BYTES = 20 * 2**30
"""Of all files together: 100,000 images of 200 kB, which take half an hour to fetch; those not used for longest go
first."""
ROOM_EVERY_SECONDS = 3600.0
"""How long the next looking for room can wait: it lists all files, which a single suggestion must not wait for."""
FOLDERS = ("content", "index", "regions")
"""All that is ever deleted in: whoever names the folder of the cache may have more in it."""
IN_USE_SECONDS = 24 * 3600.0
"""How long after its last use a file stays, however full the cache is: a run may be at work on it."""
FRESH_SECONDS = 600.0
"""How long an answer of the server is good for: who audits, looks and audits again need not ask for every file."""


@dataclass(frozen=True)
class Entry:
    """What is known of an address: the digest of its content, and what the server gave to ask again by.

    ``asked`` is when the server last said that this is the content, in seconds since 1970.
    """

    digest: str
    etag: str = ""
    last_modified: str = ""
    asked: float = 0.0

    @property
    def is_fresh(self) -> bool:
        """Whether the server was asked within :data:`FRESH_SECONDS`; a clock that was set back makes it say no."""
        return 0 <= time.time() - self.asked < FRESH_SECONDS


class MediaCache:
    """Files named by the SHA-256 of their content. Two runs may use it at once: every file appears whole.

    Args:
        root: the folder that holds them, and the regions that were cut out of them.
        most_bytes: size that :meth:`make_room` brings all together back to.
    """

    def __init__(self, root: Path, *, most_bytes: int = MOST_BYTES) -> None:
        self.root, self.most_bytes = root, most_bytes

    def path_of(self, digest: str) -> Path:
        """Where the content with *digest* is or would be."""
        return self.root / "content" / digest[:2] / digest

    def look_up(self, address: str) -> Entry | None:
        """What is known of *address*, if its content is still here; it counts as used now."""
        try:
            entry = Entry(**json.loads(self._index_path(address).read_text()))
            path = self.path_of(entry.digest)
            if not path.is_file():
                return None
        except (OSError, ValueError, TypeError):
            return None
        touch(self._index_path(address))
        touch(path)
        return entry

    def store(self, address: str, content: bytes, *, etag: str = "", last_modified: str = "") -> Path:
        """Keep *content* of *address*; return its path. Raises LabelQAError where nothing can be written."""
        digest = hashlib.sha256(content).hexdigest()
        path = self.path_of(digest)
        try:
            if path.is_file():
                touch(path)
            else:
                _write(path, content)
            self._note(address, Entry(digest, etag, last_modified))
        except (OSError, NotWrittenError) as error:
            said = error.what if isinstance(error, LabelQAError) else f"{self.root}: {error.strerror or error}."
            raise LabelQAError(
                f"The cache of images cannot be written. {said}",
                why="The disk is full, or the folder belongs to somebody else.",
                remedy=f"Name another folder in {VARIABLE}.",
            ) from error
        return path

    def confirm(self, address: str, entry: Entry) -> Path:
        """Note that the server just called *entry* unchanged; return the path of its content."""
        with suppress(OSError, NotWrittenError):  # it can be read all the same, and is asked for again
            self._note(address, entry)
        return self.path_of(entry.digest)

    def _note(self, address: str, entry: Entry) -> None:
        _write(self._index_path(address), json.dumps(asdict(replace(entry, asked=time.time()))).encode())

    def make_room(self) -> None:
        """Delete the files not used for longest until :attr:`most_bytes` are left, and what killed runs left behind.

        To be called before the work, since what a run has used stays for :data:`IN_USE_SECONDS`. What cannot be deleted
        is left. Cost: a listing of all files, once in :data:`ROOM_EVERY_SECONDS`.
        """
        if not self._is_time():
            return
        files = [found for name in FOLDERS for found in _tidied(self.root / name)]
        size = sum(of_file for _, of_file, _ in files)
        for used, of_file, path in sorted(files):
            if size <= self.most_bytes or used > time.time() - IN_USE_SECONDS:
                return
            with suppress(OSError):
                os.unlink(path)
                size -= of_file

    def _is_time(self) -> bool:
        """Whether room was last looked for long ago; from now on it is not."""
        stamp = self.root / "looked-for-room"
        try:
            if abs(time.time() - stamp.lstat().st_mtime) < ROOM_EVERY_SECONDS:
                return False
        except OSError:
            if not self.root.is_dir():
                return False
        with suppress(NotWrittenError):
            write_whole(stamp, b"", private=True)
        return True

    def _index_path(self, address: str) -> Path:
        key = hashlib.sha256(address.encode(errors="surrogatepass")).hexdigest()
        return self.root / "index" / key[:2] / key


def _tidied(root: Path) -> Iterator[tuple[float, int, str]]:
    """When each file below *root* was last used, its size and path; what killed runs left is cleared away."""
    for folder, _, names in os.walk(root):
        clear_leftovers_in(Path(folder))
        for name in names:
            path = os.path.join(folder, name)
            with suppress(OSError):
                known = os.lstat(path)
                yield known.st_mtime, known.st_size, path


def touch(path: Path) -> None:
    """Let the file count as used now."""
    with suppress(OSError):  # of somebody else: it can be read all the same
        os.utime(path)


def _write(path: Path, content: bytes) -> None:
    private_folder(path.parent)
    with whole_file(path, private=True, among_many=True) as stream:
        stream.write(content)
