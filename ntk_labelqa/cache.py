"""Where things are kept that can always be made again."""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path

import platformdirs

from ntk_labelqa.errors import LabelQAError
from ntk_labelqa.paths import nearest_there

VARIABLE = "NTK_LABELQA_CACHE"


def cache_root() -> Path:
    """The cache folder: NTK_LABELQA_CACHE if set, else the user's cache folder of this system.

    Users without a home, or with one they may not write to, have one that is gone with the process. Raises LabelQAError
    where not even that can be made.
    """
    return lasting_root() or Path(_of_this_process().name)


def lasting_root() -> Path | None:
    """The cache folder that is there the next time; None where there can be none."""
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen)
    try:
        usual = platformdirs.user_cache_path("ntk-labelqa", appauthor=False)
    except RuntimeError:
        return None
    # Without a home folder, older platformdirs give a path that begins with a tilde, which is no place.
    usable = usual.is_absolute() and (os.path.isdir(usual) or os.access(nearest_there(usual), os.W_OK | os.X_OK))
    return usual if usable else None


@cache
def _of_this_process() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="ntk-labelqa-", ignore_cleanup_errors=True)
    except OSError as error:
        raise LabelQAError(
            f"There is no folder for temporary files: {error.strerror}.",
            why="This user has no home folder either, where the cache would be.",
            remedy=f"Name a folder in {VARIABLE}.",
        ) from error
