"""What a GPU does with this package, on one page: one command of at most 8 minutes on a bare machine.

    python -m benchmarks.gpu --out page.md
    python -m benchmarks.gpu --out page.md --small           # on a processor in a minute or two, to see that it runs
    python -m benchmarks.gpu --out page.md --only table1     # one section

Needs no data. Beside what this package needs, section "beside" needs neural-tangents. Each section is a process of its
own with a limit of its own, so that one that fails leaves the others; the page says what happened, and is written anew
after each.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = str(Path(__file__).parents[2])
"""What the sections, and the scripts that they start, import: this package need not be installed."""
MINUTES = 8.0
LEAST = 15.0
"""Seconds without which a section is not begun: jax alone takes some of them to start."""
LAST_WORDS = 12
"""Lines of a failed section's standard error that the page shows."""


@dataclass(frozen=True)
class Section:
    """A part of the page, made by ``benchmarks.gpu.<name>``, which prints it.

    Attributes:
        name: of the module, with options of its own after a space.
        title: of the part.
        seconds: how long it may take, of 8 minutes for all; of more, as much more.
    """

    name: str
    title: str
    seconds: float


SECTIONS = (
    Section("machine", "The machine", 40),
    Section("correctness", "Correctness", 110),
    Section("table1", "The paper's Table 1", 130),
    Section("audits", "Whole audits of 60,000 images", 130),
    Section("beside", "Beside neural-tangents", 110),
    Section("shares", "Shares of the card's limits", 70),
    Section("audits --million", "A million items", 120),
)
"""The most important first: what the time does not suffice for is left out."""


def main() -> int:
    """Write the page; 1 where a section failed or was left out, so that a script sees it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--only", nargs="+", choices=[section.name for section in SECTIONS[1:]], metavar="SECTION")
    parser.add_argument("--minutes", type=float, default=MINUTES)
    asked = parser.parse_args()
    page = written(SECTIONS, asked.out, ["--small"] * asked.small, asked.only, 60 * asked.minutes)
    return 0 if page else 1


def written(sections: Sequence[Section], out: Path, options: list[str], only: list[str] | None, budget: float) -> bool:
    """Run the *sections* within *budget* seconds and write the page; whether all went through.

    The first is of the machine, without which there are no others.
    """
    end, whole = time.monotonic() + budget, True
    command = " ".join(["python -m benchmarks.gpu --out", out.name, *options, *(["--only", *only] if only else [])])
    parts = ["# A GPU: figures of one run", f"    {command}"]
    first, *others = sections
    for section in (first, *(other for other in others if not only or other.name in only)):
        more = max(1.0, budget / (60 * MINUTES))
        went, text = part_of(section, options, section.seconds * more, end - time.monotonic())
        whole &= went
        parts += [f"## {section.title}", text]
        out.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
        print(f"{section.title}: {'done' if went else 'NOT done'}", file=sys.stderr, flush=True)
        if section is first and not went:
            break  # no device, and so no figures of it
    return whole


def part_of(section: Section, options: list[str], limit: float, left: float) -> tuple[bool, str]:
    """Whether *section* went through in *limit* seconds, or those *left*; what it printed, and what became of it."""
    if left < min(LEAST, limit):
        return False, f"Left out: {max(left, 0):.0f} s of the whole time were left."
    limit, start = min(limit, left), time.monotonic()
    module, *own = section.name.split()
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as said,
        tempfile.TemporaryFile("w+", encoding="utf-8") as cried,
    ):
        child = subprocess.Popen(
            [sys.executable, "-m", f"benchmarks.gpu.{module}", *own, *options],
            stdout=said,
            stderr=cried,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))},
        )
        try:
            code: int | None = child.wait(limit)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            ended(child)
        took = time.monotonic() - start
        printed, error = (_read(file) for file in (said, cried))
    if code == 0:
        return True, f"{printed}\n\n{took:.0f} s."
    why = f"was stopped after {took:.0f} s, its limit" if code is None else f"failed after {took:.0f} s, status {code}"
    last = "\n".join(f"    {line}" for line in error.splitlines()[-LAST_WORDS:])
    above = "; what it had printed stands above" if printed else ""
    return False, "\n\n".join(part for part in (printed, f"**This section {why}{above}.**", last) if part)


def ended(child: subprocess.Popen[bytes]) -> None:
    """No process of *child*'s group is left."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _read(file: IO[str]) -> str:
    file.seek(0)
    return file.read().strip()


if __name__ == "__main__":
    sys.exit(main())
