"""Files and folders that appear whole or not at all, whatever ends the process that writes them.

What is being written lies beside its place under a name that nobody can guess or make first, and is locked. A lock is
the system's: a process that dies, however it dies, gives it up. So the next run tells what a killed one left behind
from what another process is writing, and clears it away before it begins.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from filelock import lock_descriptor

from ntk_labelqa.errors import LabelQAError

_PARTIAL, _REPLACED, _COMPLETE, _MOVING = "partial", "replaced", "complete", "moving"
"""Being written; the folder that was there before; what is to take over a folder that has to stay, before and after
the old contents are gone."""
_LONGEST_NAME = 200
"""Bytes of a name that are kept in that of what lies beside it; file systems take 255."""
_EVERY_SECONDS = 0.2
"""How often it is tried to lock what another process has."""
_umask = threading.Lock()

OTHERS_SECONDS = 600.0
"""How long a command waits for another one that is writing what it is to write."""


class NotWrittenError(LabelQAError):
    """A file or folder could not be written; what was there before is there still."""


@contextmanager
def in_words(target: Path) -> Iterator[None]:
    """NotWrittenError for every OSError of the body, which writes *target*."""
    try:
        yield
    except OSError as error:
        raise NotWrittenError(
            f"{target} could not be written: {error.strerror or error}.",
            remedy="Check the permissions and the free space there, or name another place.",
        ) from error


@contextmanager
def whole_file(target: Path, *, private: bool = False, among_many: bool = False) -> Iterator[BinaryIO]:
    """A stream of bytes that become the file *target* when the body ends; if it fails, nothing has changed.

    Args:
        target: the file; its folder has to be there. A link is replaced, not followed: see
            :func:`ntk_labelqa.paths.real_place`.
        private: only the user may read the file. Else a file that is there keeps its mode, and a new one gets that of
            the user's umask.
        among_many: leave it to :func:`clear_leftovers_in` to look for what killed runs left; it lists the folder.

    Raises NotWrittenError where it cannot be written.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with whole_file(Path(folder, "notes")) as stream:
        ...         _ = stream.write(b"all or nothing")
        ...     Path(folder, "notes").read_text()
        'all or nothing'
    """
    with in_words(target):
        if not among_many:
            clear_leftovers(target)
        descriptor, beside = _held_file(target)
        held = os.dup(descriptor)  # the lock outlives the stream, whose closing may fail
        try:
            with open(descriptor, "wb") as stream:
                yield stream
                stream.flush()
                os.fchmod(held, _mode_of(target, private=private))
            os.replace(beside, target)
        except BaseException:
            with suppress(OSError):
                beside.unlink()
            raise
        finally:
            os.close(held)


def write_whole(target: Path, content: str | bytes, *, private: bool = False) -> None:
    """Make *content* the file *target*, text as UTF-8; see :func:`whole_file`."""
    with whole_file(target, private=private) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def whole_folder(target: Path, *, last: str) -> Iterator[Path]:
    """An empty folder that takes the place of *target* when the body ends; if it fails, nothing has changed.

    A folder that is there is replaced with all that is in it, and its mode and group are kept; a new one is the user's
    alone. A folder that somebody works in, or where a disk is mounted, stays: its contents are replaced, *last* of them
    going first and coming last, so that a reader who looks for it finds the old ones, none, or the new ones.

    Args:
        target: the folder; links are not followed.
        last: name of the file by which readers tell that the folder is whole.

    Raises NotWrittenError where it cannot be written.
    """
    with in_words(target):
        clear_leftovers(target, last=last)
        stays = _has_to_stay(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        with _held_folder(target if stays else target.parent, _prefix(target, _PARTIAL)) as beside:
            yield beside
            if stays:
                _take_over(target, _renamed(beside, target, _COMPLETE), last)
            else:
                _swap(target, beside)


def private_folder(path: Path) -> Path:
    """The folder *path*, made if need be with those above it, for this user alone. Raises OSError."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
    return path


def open_locked(path: Path, *, wait: float = 0.0, waiting: Callable[[], None] = lambda: None) -> FileIO:
    """The file *path*, to read and to append, made for this user alone if need be; locked until it is closed.

    It has no buffer, so that nothing is left to be written, and to fail, when it is closed.

    Args:
        path: the file.
        wait: seconds to wait for another process that has it.
        waiting: called once where it has to be waited for.

    Raises BlockingIOError where another process has it all that time. Raises OSError where it cannot be opened: a link
    is none of ours, and not followed.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    file = FileIO(os.open(path, flags, 0o600), "a+")
    try:
        deadline, said = time.monotonic() + wait, False
        while not lock_descriptor(file.fileno(), blocking=False):
            if time.monotonic() >= deadline:
                raise BlockingIOError(f"Another process has {path}.")
            if not said:
                waiting()
            said = True
            time.sleep(_EVERY_SECONDS)
    except BaseException:
        file.close()
        raise
    return file


def append(file: FileIO, content: bytes) -> None:
    """Write all of *content*; raises OSError where there is room for a part of it alone."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]


def clear_leftovers(target: Path, *, last: str | None = None) -> None:
    """Clear away what killed runs left of *target*, and end what they could not.

    What they had put aside comes back; what was to take over a folder that has to stay does so where *last* says how,
    see :func:`whole_folder`. What another process is writing stays as it is, and so does what cannot be removed.
    """
    for aside in _found(target.parent, _prefix(target, _REPLACED)):
        with _of_the_dead(aside) as dead, suppress(OSError):
            if dead and not os.path.lexists(target):
                aside.rename(target)
            elif dead:
                _remove(aside)
    for ready in (path for what in (_COMPLETE, _MOVING) for path in _found(target, _prefix(target, what)) if last):
        with _of_the_dead(ready) as dead, suppress(OSError):
            if dead and last:
                _take_over(target, ready, last)
    for folder in (target.parent, target):
        _clear(_found(folder, _prefix(target, _PARTIAL)))


def clear_leftovers_in(folder: Path) -> None:
    """Clear away what killed runs left in *folder*, whatever they were writing: for caches, where nothing is missed."""
    _clear(path for path in _found(folder, ".") if any(f".{what}-" in path.name for what in (_PARTIAL, _REPLACED)))


def _clear(leftovers: Iterable[Path]) -> None:
    for leftover in leftovers:
        with _of_the_dead(leftover) as dead, suppress(OSError):
            if dead:
                _remove(leftover)


def _prefix(target: Path, what: str) -> str:
    name = os.fsdecode(os.fsencode(target.name)[:_LONGEST_NAME])
    return f".{name}.{what}-"


def _found(folder: Path, prefix: str) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [Path(entry.path) for entry in entries if entry.name.startswith(prefix)]
    except OSError:
        return []


def _held_file(target: Path) -> tuple[int, Path]:
    """A new file beside *target*, open and locked, readable by this user alone."""
    while True:
        descriptor, name = tempfile.mkstemp(prefix=_prefix(target, _PARTIAL), dir=target.parent)
        if _hold(descriptor, name):
            return descriptor, Path(name)
        os.close(descriptor)


@contextmanager
def _held_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder in *parent*, locked, for this user alone; removed after the body if it still has its name."""
    while True:
        made = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        descriptor = os.open(made, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        if _hold(descriptor, made):
            break
        os.close(descriptor)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        os.close(descriptor)


def _hold(descriptor: int, path: str | Path) -> bool:
    """Lock what was just made; false where another process took it for a leftover in the moment before."""
    try:
        return lock_descriptor(descriptor, blocking=False) and os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False
    except OSError:  # a file system without locks: nobody can tell it from a leftover, so nobody takes it for one
        return True


@contextmanager
def _of_the_dead(path: Path) -> Iterator[bool]:
    """Whether the file or folder at *path* is this user's, and no process is at work on it; held for the body."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        found = os.fstat(descriptor)
        ours = found.st_uid == os.geteuid() and (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode))
        yield ours and _is_free(descriptor)
    finally:
        os.close(descriptor)


def _is_free(descriptor: int) -> bool:
    try:
        return lock_descriptor(descriptor, blocking=False)
    except OSError:
        return False


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _mode_of(target: Path, *, private: bool) -> int:
    """Permissions that the file at *target* is to have."""
    if private:
        return 0o600
    with suppress(FileNotFoundError):
        there = target.lstat().st_mode
        if stat.S_ISREG(there):
            return there & 0o777
    with _umask:  # the mask can only be read by setting it, for the whole process: to what shuts out too many
        mask = os.umask(0o077)
        os.umask(mask)
    return 0o666 & ~mask


def _has_to_stay(folder: Path) -> bool:
    """Whether people or the system hold on to the folder itself: somebody works in it, or a disk is mounted there."""
    return folder.is_dir() and (os.path.ismount(folder) or Path.cwd().is_relative_to(folder))


def _swap(target: Path, new: Path) -> None:
    """Rename *new* to *target*, which is put aside and then removed; it comes back if that fails."""
    if not target.exists():
        new.rename(target)
        return
    before = target.stat()
    with suppress(PermissionError):  # a group that this user is not in
        os.chown(new, -1, before.st_gid)
    new.chmod(stat.S_IMODE(before.st_mode))
    aside = target.with_name(f"{_prefix(target, _REPLACED)}{secrets.token_hex(8)}")
    descriptor = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _hold(descriptor, target)
        try:
            target.rename(aside)
            new.rename(target)
        except BaseException:
            if not target.exists():
                aside.rename(target)
            raise
        shutil.rmtree(aside, ignore_errors=True)
    finally:
        os.close(descriptor)


def _take_over(folder: Path, new: Path, last: str) -> None:
    """Put what is in *new*, which lies in *folder*, in the place of all that is there; goes on where it was cut off."""
    if new.name.startswith(_prefix(folder, _COMPLETE)):
        (folder / last).unlink(missing_ok=True)
        for path in set(folder.iterdir()) - {new}:
            _remove(path)
        new = _renamed(new, folder, _MOVING)
    for path in sorted(new.iterdir(), key=lambda path: path.name == last):
        path.replace(folder / path.name)
    new.rmdir()


def _renamed(path: Path, folder: Path, what: str) -> Path:
    return path.rename(folder / f"{_prefix(folder, what)}{secrets.token_hex(8)}")
