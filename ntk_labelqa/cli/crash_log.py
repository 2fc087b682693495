"""What is kept of a fault of this program: its traceback, and where it was without anything of the user's."""

from __future__ import annotations

import json
import os
import stat
import sys
import sysconfig
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import ntk_labelqa
from ntk_labelqa.runtime import own_version
from ntk_labelqa.shown import without_secrets

PREFIX, SUFFIX = "ntk-labelqa-", ".log"
ELSEWHERE = "elsewhere"
LISTED = 5
_LONGEST = 2**20
"""Characters of the first line that are read."""


def write_crash_log(error: BaseException) -> Path | str:
    """A file with the traceback of *error*, below one line of JSON with its :func:`outline`.

    Where no file can be written, the traceback in words.
    """
    text = without_secrets("".join(traceback.format_exception(error)))
    content = f"{json.dumps(outline(error))}\n{text}"
    try:
        with tempfile.NamedTemporaryFile("wb", prefix=PREFIX, suffix=SUFFIX, delete=False) as log:
            log.write(content.encode("utf-8", "backslashreplace"))
    except OSError:
        return f"this traceback (it could not be written to a file):\n{text}"
    return Path(log.name)


def last_crashes() -> list[dict[str, Any]]:
    """The outlines in this user's crash logs, of the newest :data:`LISTED` that have one; the newest first."""
    found = []
    with suppress(OSError):  # no folder for temporary files
        for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*{SUFFIX}"):
            with suppress(OSError):  # gone meanwhile
                state = path.lstat()
                if stat.S_ISREG(state.st_mode) and state.st_uid == os.geteuid():
                    found.append((state.st_mtime, path))
    outlines = (_outline_in(path) for _, path in sorted(found, reverse=True))
    return list(islice(filter(None, outlines), LISTED))


def _outline_in(log: Path) -> dict[str, Any] | None:
    """The outline that *log* begins with; None where it has none, or is gone."""
    try:
        with log.open(encoding="utf-8") as stream:
            read = json.loads(stream.readline(_LONGEST))
    except (OSError, ValueError):
        return None
    errors = read.get("errors") if isinstance(read, dict) else None
    return read if isinstance(errors, list) and all(isinstance(one, dict) for one in errors) else None


def outline(error: BaseException) -> dict[str, Any]:
    """When and where *error* was raised, and what it is. No message: those quote texts, names and addresses.

    Of code that is neither this package's nor an installed one's, nothing is told but that it was there.
    """
    errors = [
        {"type": _name(one), "frames": [_frame(frame) for frame in traceback.extract_tb(one.__traceback__)]}
        for one in _chain(error)
    ]
    when = datetime.now(UTC).isoformat(timespec="seconds")
    return {"time": when, "version": own_version(), "errors": errors}


def _chain(error: BaseException) -> Iterator[BaseException]:
    """*error*, and before it what it was raised from or while handling, each once."""
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or following.__context__


def _name(error: BaseException) -> str:
    kind = type(error)
    if kind.__module__ == "builtins":
        return kind.__name__
    module = sys.modules.get(kind.__module__)
    known = _place(getattr(module, "__file__", None) or "")
    return f"{kind.__module__}.{kind.__qualname__}" if known else ELSEWHERE


def _frame(frame: traceback.FrameSummary) -> str:
    place = _place(frame.filename)
    return f"{place}:{frame.lineno} in {frame.name}" if place else ELSEWHERE


def _place(file: str) -> str:
    """*file* as its package has it: this one, an installed one, or Python's; empty where it is of none."""
    paths = sysconfig.get_paths()
    roots = [Path(ntk_labelqa.__file__).parents[1] / "ntk_labelqa", *map(Path, (paths["purelib"], paths["platlib"]))]
    roots += [Path(paths["stdlib"]), Path(paths["platstdlib"])]
    for root in roots:
        if Path(file).is_relative_to(root):
            place = Path(file).relative_to(root)
            return str(Path("ntk_labelqa", place) if root == roots[0] else place)
    return ""
