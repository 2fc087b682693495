"""Whole audits of synthetic classes, from arrays to findings, by stage; each in a process of its own.

    python -m benchmarks.gpu.audits                  # 60,000 rows of 784 numbers; then CNN-1
    python -m benchmarks.gpu.audits --million        # 1,000,000 rows of 256 numbers

"Cold" is a process for which nothing is kept; "warm" the next one, which finds what was compiled for the first, as the
command line keeps it. On a processor nothing is kept.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.any_size import make
from benchmarks.gpu.common import asked_of_child, head, judged, options, row, said

CACHE = "NTK_LABELQA_CACHE"
LANDMARKS = 3000


@dataclass(frozen=True)
class Case:
    """An audit of ``rows`` or ``images``; *target* is in seconds, of the process as a whole, if there is one."""

    name: str
    architecture: str
    landmarks: str
    form: str
    target: float | None = None


def main() -> None:
    """Print a column an audit."""
    asked = options(__doc__, "--million")
    if asked.million:
        items, width, classes = (500, 16, 4) if asked.small else (1_000_000, 256, 20)
        cases = [Case("Default options", "auto", "50" if asked.small else "auto", "rows", 60)]
    else:
        items, width, classes = (400, 64, 4) if asked.small else (60_000, 784, 10)
        landmarks = "60" if asked.small else str(LANDMARKS)
        cases = [
            Case("2-L, cold", "2-L", landmarks, "rows"),
            Case("2-L, warm", "2-L", landmarks, "rows", 5),
            Case("CNN-1, cold", "CNN-1", landmarks, "images"),
            Case("CNN-1, warm", "CNN-1", landmarks, "images", 15),
        ]
        cases = cases[1:2] if asked.small else cases
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), items, width, classes)
        said(f"{items:,} items of {width} numbers, {classes} classes, a twentieth of the labels wrong.")
        for case in cases:
            print_of(case, run(case, folder, asked.small))


def run(case: Case, folder: str, small: bool) -> dict[str, Any]:
    """What :mod:`benchmarks.gpu.one_audit` says of the *case*, and the seconds of its process."""
    words = [folder, case.architecture, case.landmarks, case.form, *["--small"] * small]
    start = time.perf_counter()
    found = asked_of_child("one_audit", *words, **{CACHE: f"{folder}/cache"})
    return found | {"process": time.perf_counter() - start}


def print_of(case: Case, found: dict[str, Any]) -> None:
    """A table of one audit."""
    said(f"### {case.name}")
    head("stage", "seconds")
    for stage, took in found["stages"].items():
        row(stage, f"{took:.2f}")
    row("from arrays to findings", f"{found['seconds']:.2f}")
    row("the process, with its imports", f"{found['process']:.2f}")
    reached = "" if case.target is None else f" Target {case.target:g} s: {judged(found['process'], case.target)}."
    said(
        f"{found['landmarks']} landmarks; {found['flagged']:,} labels flagged, {found['right']:,} of the "
        f"{found['wrong']:,} wrong ones among them; peak of the processor's memory {found['peak']}.{reached}"
    )


if __name__ == "__main__":
    main()
