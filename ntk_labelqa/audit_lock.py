"""One audit at a time for a folder. The lock is the system's: a process that dies, however it dies, gives it up."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

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
    lock = FileLock(path, timeout=0, on_acquired=_sign)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise LabelQAError(
            f"Another audit into {folder} is under way{_holder(path)}.",
            remedy="Wait until it is done, stop it, or name another folder with --out.",
        ) from None
    except OSError as error:
        raise LabelQAError(
            f"The lock {path} cannot be made: {error.strerror or error}.",
            why="The disk is full, something else is in its place, or you may not write there.",
            remedy="Name a folder you may write to.",
        ) from error
    try:
        yield
    finally:
        # Removed while still held: whoever opened this file meanwhile sees that it is gone, and makes a new one.
        with suppress(OSError):
            path.unlink()
        lock.release()


def _sign(descriptor: int) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    signed = json.dumps({"process": os.getpid(), "host": socket.gethostname(), "since": now})
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, signed.encode(), 0)


def _holder(path: Path) -> str:
    """Who holds the lock, as they signed it; empty in the moment before they have."""
    try:
        signed = json.loads(path.read_text(encoding="utf-8"))
        return f": process {signed['process']} on {signed['host']}, since {signed['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
