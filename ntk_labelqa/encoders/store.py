"""Embeddings that were made once: kept by model and content, so that no item is embedded twice."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import numpy as np

from ntk_labelqa.cache import VARIABLE
from ntk_labelqa.errors import LabelQAError
from ntk_labelqa.files import private_folder

MOST_BYTES = 4 * 2**30
"""Size of the file up to which nothing is thrown away: two million embeddings of 512 numbers."""
KEPT = 0.8
"""Share of :data:`MOST_BYTES` that stays when it has to shrink, those used last."""
LOCKED_SECONDS = 60.0
"""How long another audit that is writing is waited for."""
_AT_A_TIME = 500
"""Keys in one query; SQLite takes 999 at least."""
_PAGE_BYTES = 32_768
"""Of the file: a few vectors fit on a page, so that little of it stays empty."""
_DAY_SECONDS = 86_400


class EmbeddingStore:
    """Embeddings in one SQLite file. What :meth:`put` was given survives whatever happens to the process afterwards.

    Several processes may use it at once. Raises LabelQAError where the file cannot be read or written.

    Args:
        path: of the file; made where it is missing.
        most_bytes: size at which the embeddings that were not used for longest are thrown away, on leaving.

    Example:
        >>> import tempfile, pathlib
        >>> with EmbeddingStore(pathlib.Path(tempfile.mkdtemp()) / "embeddings.sqlite") as store:
        ...     store.put("a model", ["a"], np.array([[0.5, 2.0]], np.float32))
        ...     store.get("a model", ["a", "b"])
        {'a': array([0.5, 2. ], dtype=float32)}
    """

    def __init__(self, path: Path, *, most_bytes: int = MOST_BYTES) -> None:
        self.path, self.most_bytes = path, most_bytes
        try:
            private_folder(path.parent)
            if not os.path.lexists(path):  # SQLite would make it readable to others
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
            self._connection = sqlite3.connect(path, timeout=LOCKED_SECONDS)
            self._connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            self._connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS embeddings "
                "(model TEXT, content TEXT, day INTEGER, vector BLOB, UNIQUE (model, content))"
            )
        except (OSError, sqlite3.Error) as error:
            raise self._failed(error) from error

    def __enter__(self) -> EmbeddingStore:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if kind is None:
                with suppress(sqlite3.OperationalError):  # locked, full or read-only: what is kept is whole anyway
                    self._shrink()
        finally:
            self._connection.close()

    def get(self, model: str, contents: Sequence[str]) -> dict[str, np.ndarray]:
        """The embeddings by *model* that are there, float32[D] each, by content; they count as used today."""
        found: dict[str, np.ndarray] = {}
        try:
            for start in range(0, len(contents), _AT_A_TIME):
                some = list(contents[start : start + _AT_A_TIME])
                where = f"WHERE model = ? AND content IN ({','.join('?' * len(some))})"
                rows = self._connection.execute(f"SELECT content, day, vector FROM embeddings {where}", (model, *some))
                days = []
                for content, day, vector in rows:
                    found[content] = np.frombuffer(vector, np.float32)
                    days.append(day)
                if days and min(days) < _today():
                    # A cache that can only be read is of use as well.
                    with suppress(sqlite3.OperationalError), self._connection:
                        self._connection.execute(
                            f"UPDATE embeddings SET day = ? {where} AND day < ?", (_today(), model, *some, _today())
                        )
        except sqlite3.Error as error:
            raise self._failed(error) from error
        return found

    def put(self, model: str, contents: Iterable[str], vectors: Iterable[np.ndarray]) -> None:
        """Keep *vectors*, float32[D] each, of *contents* by *model*: all of them, or none where it cannot be."""
        today = _today()
        rows = [
            (model, content, today, np.ascontiguousarray(vector, np.float32).tobytes())
            for content, vector in zip(contents, vectors, strict=True)
        ]
        try:
            with self._connection:
                self._connection.executemany("INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?, ?)", rows)
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def counts(self) -> Mapping[str, int]:
        """Number of embeddings by each model."""
        return dict(self._connection.execute("SELECT model, COUNT(*) FROM embeddings GROUP BY model").fetchall())

    def _bytes(self) -> int:
        page, pages, free = (
            self._connection.execute(f"PRAGMA {what}").fetchone()[0]
            for what in ("page_size", "page_count", "freelist_count")
        )
        return int(page * (pages - free))

    def _shrink(self) -> None:
        """Throw away the embeddings that were not used for longest, while the file is too large."""
        size = self._bytes()
        if size <= self.most_bytes:
            return
        [count] = self._connection.execute("SELECT COUNT(*) FROM embeddings").fetchone()
        surplus = int(np.ceil(count * (1 - KEPT * self.most_bytes / size)))
        with self._connection:
            self._connection.execute(
                "DELETE FROM embeddings WHERE rowid IN (SELECT rowid FROM embeddings ORDER BY day LIMIT ?)",
                (surplus,),
            )
        self._connection.executescript("PRAGMA incremental_vacuum")

    def _failed(self, error: Exception) -> LabelQAError:
        return LabelQAError(
            f"The embeddings kept in {self.path} cannot be used: {error}.",
            why="The disk is full, the folder belongs to another user, or the file is damaged.",
            remedy=f"Delete the file: embeddings are made again. Or name another cache folder in {VARIABLE}.",
        )


def _today() -> int:
    return int(time.time() // _DAY_SECONDS)
