"""Where files and folders really are."""

from __future__ import annotations

import os
from pathlib import Path

from ntk_labelqa.errors import LabelQAError

STANDARD_INPUT = Path("/dev/stdin")
"""What ``-`` stands for where something is read."""


def real_place(path: str | os.PathLike[str]) -> Path:
    """*path* from the root on, links followed, those to what is not there yet as well: what can be written beside.

    Raises LabelQAError where links lead back to themselves, or the working folder is gone.
    """
    try:
        real = Path(os.path.realpath(path))
    except FileNotFoundError:
        raise LabelQAError("The working folder is gone.", remedy="Change to another one.") from None
    if real.is_symlink():  # realpath gives up at a loop
        raise LabelQAError(f"{path} is a link that leads back to itself.", remedy="Name another place.")
    return real


def nearest_there(path: Path) -> Path:
    """The nearest of what *path* lies in that exists: a folder, or a file that is in the way."""
    return next(Path(folder) for folder in path.absolute().parents if os.path.exists(folder))
