"""Factors of inverses kept on disk, so that an audit of the same items with other labels computes no kernel."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from ntk_labelqa.files import NotWrittenError, clear_leftovers_in, private_folder, whole_folder
from ntk_labelqa.gram.low_rank import LowRankInverse
from ntk_labelqa.row_store import Rows, row_panels

MOST_BYTES = 4 * 2**30
"""Of all factors together; those not used for longest go first."""
PARTS = ("features", "spectrum", "scale")


class FactorCache:
    """Folders of factors, named by what they were computed from. Two runs may use it at once: each appears whole.

    Args:
        root: the folder that holds them.
        most_bytes: size that all together are kept within.
    """

    def __init__(self, root: Path, *, most_bytes: int = MOST_BYTES) -> None:
        self.root, self.most_bytes = root, most_bytes

    def fetch(self, inputs: Rows, how: str, compute: Callable[[], LowRankInverse], ridge: float) -> LowRankInverse:
        """The inverse of *inputs* at *ridge*, from the cache or by *compute*, whose result is then kept.

        Args:
            inputs: prepared inputs, [N, …]; any change in them is another entry.
            how: all else that the factors depend on: architecture, landmarks, seed.
            compute: gives the inverse at any ridge.
            ridge: relative to tr(H)/N.
        """
        folder = self.root / digest_of(inputs, how)
        kept = _read(folder)
        if kept is not None:
            os.utime(folder)
            return LowRankInverse(*kept, ridge=ridge)
        inverse = compute()
        self._keep(folder, inverse)
        return inverse.at(ridge)

    def _keep(self, folder: Path, inverse: LowRankInverse) -> None:
        """Store, if it fits. That it could not be stored costs time at the next run and nothing else."""
        size = inverse.factors[0].nbytes
        try:
            private_folder(self.root)
            if size > self.most_bytes or size > shutil.disk_usage(self.root).free / 2:
                return
            self._make_room(size)
            with whole_folder(folder, last=f"{PARTS[-1]}.npy") as beside:
                for name, part in zip(PARTS, inverse.factors, strict=True):
                    np.save(beside / f"{name}.npy", np.asarray(part))
        except (OSError, NotWrittenError):
            return

    def _make_room(self, size: int) -> None:
        clear_leftovers_in(self.root)
        whole = (entry for entry in self.root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
        entries = sorted(whole, key=lambda e: e.stat().st_mtime)
        sizes = {entry: sum(file.stat().st_size for file in entry.iterdir()) for entry in entries}
        for entry in entries:
            if sum(sizes.values()) + size <= self.most_bytes:
                return
            shutil.rmtree(entry, ignore_errors=True)
            del sizes[entry]


def _read(folder: Path) -> tuple[np.ndarray, np.ndarray, float] | None:
    """The factors in *folder*; None where they are not there, or another run is removing them."""
    try:
        features, spectrum, scale = (np.load(folder / f"{name}.npy") for name in PARTS)
    except (OSError, ValueError, EOFError):
        return None
    return features, spectrum, float(scale)


def digest_of(inputs: Rows, how: str) -> str:
    digest = hashlib.sha256(f"{_code()} {how} {inputs.shape} {inputs.dtype}".encode())
    for rows in row_panels(inputs.shape):
        digest.update(np.ascontiguousarray(inputs[rows]).data)
    return digest.hexdigest()


@cache
def _code() -> str:
    """Digest of the code that factors come from: what another version computed must not be taken for this one's."""
    package = Path(__file__).parents[1]
    modules = sorted(path for room in ("kernels", "gram") for path in (package / room).glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in modules)).hexdigest()
