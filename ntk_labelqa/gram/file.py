"""The Gram matrix in a file: larger than memory, and taken up again where a run was cut off."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from ntk_labelqa.errors import InvalidInputError, MemoryBudgetError
from ntk_labelqa.files import in_words, write_whole
from ntk_labelqa.gram.matrix import Tick, fill, prepare
from ntk_labelqa.gram.plan import GramPlan, plan_gram
from ntk_labelqa.gram.tiles import strips
from ntk_labelqa.inputs.features import read_features
from ntk_labelqa.inputs.held import FeaturesLike
from ntk_labelqa.kernels.kernel import Kernel
from ntk_labelqa.memory import in_units


def gram_file(
    path: str | os.PathLike[str],
    features: FeaturesLike,
    *,
    architecture: str | Kernel = "2-L",
    dtype: DTypeLike = "float32",
    memory_limit: int | None = None,
    progress: Tick | None = None,
) -> np.memmap:
    """H as :func:`ntk_labelqa.gram.matrix.gram_matrix` computes it, in a ``.npy`` file that is mapped into memory.

    A run that is cut off leaves ``<path>.part`` and ``<path>.part.json``; the same call goes on from the last finished
    strip of tiles. The file has its name only once it is whole.

    Args:
        path: the ``.npy`` file. One that exists is refused, since it may be of other items.
        features, architecture, dtype: as for ``gram_matrix``.
        memory_limit: bytes for the tiles; None takes what is free.
        progress: called with (strips done, strips).

    Returns:
        H, read-only, dtype[N, N].

    Raises:
        InvalidInputError: the file exists, or the features do not fit.
        MemoryBudgetError: the disk is too full, or not even one pair fits into memory.
        NotWrittenError: the file cannot be written.
    """
    target = Path(path)
    if target.exists():
        raise InvalidInputError(f"{target} exists.", remedy="Remove it, or load it with numpy.load(…, mmap_mode='r').")
    kernel, derived = prepare(read_features(features).values, architecture, dtype)
    inputs = derived[:]
    plan = plan_gram(kernel, inputs, memory_limit=memory_limit, in_file=True)
    part, journal = target.with_name(target.name + ".part"), target.with_name(target.name + ".part.json")
    task = {"architecture": str(architecture), "side": plan.side, "inputs": _digest(inputs)}
    done = _strips_done(part, journal, task)
    gram = _mapped(part, plan, inputs.dtype, resume=done > 0)
    cover = strips(len(inputs), plan.side)
    for number, rows in enumerate(cover[done:], start=done + 1):
        for columns in cover[number - 1 :]:
            fill(gram, kernel, inputs, rows, columns)
        # The tiles reach the disk before the journal says so.
        gram.flush()
        write_whole(journal, json.dumps({**task, "done": number}))
        if progress:
            progress(number, len(cover))
    del gram
    part.replace(target)
    journal.unlink(missing_ok=True)
    return np.load(target, mmap_mode="r")


def _strips_done(part: Path, journal: Path, task: dict) -> int:
    """Strips that an earlier run of the same *task* finished; a link is none of ours."""
    if not part.is_file() or part.is_symlink():
        return 0
    try:
        said = json.loads(journal.read_text(encoding="utf-8"))
        done = int(said.pop("done"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return 0
    return done if said == task else 0


def _mapped(part: Path, plan: GramPlan, dtype: np.dtype, *, resume: bool) -> np.memmap:
    if resume:
        return np.lib.format.open_memmap(part, mode="r+")
    with in_words(part):
        part.unlink(missing_ok=True)
    free = shutil.disk_usage(part.parent).free
    if plan.result_bytes > free:
        raise MemoryBudgetError(
            f"The Gram matrix needs {in_units(plan.result_bytes)} on disk; {in_units(free)} are free.",
            remedy="Choose another disk, float32, or landmarks.",
        )
    with in_words(part):
        made = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
        try:
            gram = np.lib.format.open_memmap(part, mode="w+", dtype=dtype, shape=(plan.items, plan.items))
            if hasattr(os, "posix_fallocate"):  # where the disk fills up later, writing to the map kills the process
                os.posix_fallocate(made, 0, os.fstat(made).st_size)
        except BaseException:
            part.unlink()
            raise
        finally:
            os.close(made)
    return gram


def _digest(inputs: np.ndarray) -> str:
    described = f"{inputs.shape}{inputs.dtype}".encode()
    return hashlib.sha256(described + np.ascontiguousarray(inputs).tobytes()).hexdigest()
