"""One audit at a time for a folder. The lock is the system's: a process that dies, however it dies, gives it up."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from ntk_labelqa.errors import LabelQAError
from ntk_labelqa.paths import real_place


@contextmanager
def only_audit(folder: Path) -> Iterator[None]:
    """Hold off every other audit into *folder* while the body runs; they fail at once and say who is at it.

    The lock is a hidden file beside the folder (the real one, where a link was named), since the folder itself is
    replaced as a whole. It is removed at the end; one left behind by a killed process locks nothing.

    Raises LabelQAError if another process holds the lock, or if it cannot be made.
    """
    target = real_place(folder)
    path = target.with_name(f".{target.name}.lock")
    lock = _acquire(path, folder)
    try:
        yield
    finally:
        # Removed while still held: whoever opened this file meanwhile sees that it is gone, and makes a new one.
        path.unlink(missing_ok=True)
        lock.close()


def _acquire(path: Path, folder: Path) -> TextIO:
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = open(path, "a+", encoding="utf-8")  # noqa: SIM115 - stays open as long as the lock is held
        except OSError as error:
            raise LabelQAError(
                f"The lock {path} cannot be made: {error.strerror}.", remedy="Name a folder you may write to."
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(lock)
            lock.close()
            raise LabelQAError(
                f"Another audit into {folder} is under way{holder}.",
                remedy="Wait until it is done, stop it, or name another folder with --out.",
            ) from None
        if _is_at(lock, path):
            _sign(lock)
            return lock
        lock.close()


def _is_at(lock: TextIO, path: Path) -> bool:
    """Whether the open file is still the one at *path*: its last holder may have removed it before we had the lock."""
    try:
        return os.path.samestat(os.fstat(lock.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _sign(lock: TextIO) -> None:
    lock.truncate(0)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    json.dump({"process": os.getpid(), "host": socket.gethostname(), "since": now}, lock)
    lock.flush()


def _holder(lock: TextIO) -> str:
    """Who holds the lock, as they signed it; empty in the moment before they have."""
    lock.seek(0)
    try:
        signed = json.loads(lock.read())
    except ValueError:
        return ""
    return f": process {signed['process']} on {signed['host']}, since {signed['since']}"
