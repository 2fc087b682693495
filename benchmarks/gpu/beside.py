"""Ours beside neural-tangents used plainly, in the same run: the processes of ``benchmarks/gram.py``."""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys

from benchmarks.gpu.common import head, options, row, said
from benchmarks.gram import WAYS, in_child

ITEMS = {"2-L": 4000, "10-L": 4000, "CNN-1": 800, "CNN-2": 400}
"""Of a convolutional network fewer, as the plain ways hold all pixels of all pairs at once."""
SMALL = {"2-L": 100}
RUNS = 5
PLAIN = "jit(kernel_fn)"


def main() -> None:
    """Print a row an architecture; status 1 where ours is slower than plain jit of a dense network, or a way failed."""
    asked = options(__doc__)
    if importlib.util.find_spec("neural_tangents") is None:
        said("neural-tangents is not installed here, so nothing was compared.")
        sys.exit(1)
    said(
        f"Median seconds of {1 if asked.small else RUNS} calls after one that compiles, from inputs of NumPy to a Gram "
        "matrix of NumPy, float32; ours scales the inputs besides, the others get them scaled."
    )
    head("architecture, N", *WAYS, "ours never slower than jit")
    holds = [compared(name, items, asked.small) for name, items in (SMALL if asked.small else ITEMS).items()]
    sys.exit(0 if all(holds) else 1)


def compared(architecture: str, items: int, small: bool) -> bool:
    """Print the row of one architecture; whether it is as it should be."""
    how = argparse.Namespace(runs=1 if small else RUNS, dtype="float32", device="cpu" if small else "gpu")
    took: dict[str, float] = {}
    for way in WAYS:
        try:
            took[way] = in_child(way, architecture, items, how)["seconds"]
        except subprocess.CalledProcessError as error:
            print(f"{architecture}, {way}: exit status {error.returncode}", file=sys.stderr)
    cells = [f"{took[way]:.4f} s" if way in took else "failed" for way in WAYS]
    known = {"ours", PLAIN} <= took.keys()
    faster = known and took["ours"] <= took[PLAIN]
    row(f"{architecture}, {items:,}", *cells, "not known" if not known else "yes" if faster else "**no**")
    return len(took) == len(WAYS) and (faster or small)


if __name__ == "__main__":
    main()
