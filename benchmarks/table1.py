"""Table 1 of the paper: seconds for the Gram matrix of whole image data sets, by architecture.

A GPU does the whole; a CPU a fraction, whose time is extrapolated by the number of pairs and marked with a tilde::

    python benchmarks/table1.py --data-dir DATA                  # a fraction that takes minutes on two cores
    python benchmarks/table1.py --data-dir DATA --fraction 1     # on a GPU; H (14.4 GB) goes to the host's memory

See image_sets.py for the data.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import jax
import numpy as np
from image_sets import load

from ntk_labelqa.gram.matrix import gram_of, prepare
from ntk_labelqa.gram.plan import plan_gram

SETS = ("mnist", "fashion", "cifar10", "cifar100")
PAPER = {
    "2-L": (25, 25, 25, 25),
    "10-L": (56, 55, 46, 46),
    "CNN-1": (50, 60, 90, 86),
    "CNN-2": (89, 90, 153, 152),
    "CNN-3": (6067, 5931, 5390, 5407),
}
"""Seconds in the order of the sets."""
WHOLE = 10**6
ITEMS = {"2-L": 8000, "10-L": 8000, "CNN-1": 600, "CNN-2": 600, "CNN-3": 80}
"""Items on a CPU, unless a fraction is asked for."""


def main() -> None:
    """Print one row an architecture and data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--arch", nargs="+", choices=PAPER, default=list(PAPER))
    parser.add_argument("--fraction", type=float, help="of the items; default: a number by architecture")
    asked = parser.parse_args()
    print(f"{jax.devices()[0].device_kind}, jax {jax.__version__}, float32")
    for name in asked.sets:
        images, _ = load(name, asked.data_dir, WHOLE)
        for architecture in asked.arch:
            items = ITEMS[architecture] if asked.fraction is None else int(asked.fraction * len(images))
            row(name, architecture, images, min(items, len(images)))


def row(name: str, architecture: str, images: np.ndarray, items: int) -> None:
    """Time one architecture on *items* images, after a tile that compiles."""
    kernel, inputs = prepare(images[:items], architecture, "float32")
    side = plan_gram(kernel, inputs).side
    kernel.block(inputs[:side])
    kernel.block(inputs[:side], inputs[:side])
    start = time.perf_counter()
    gram_of(kernel, inputs)
    seconds = time.perf_counter() - start
    whole = seconds * (len(images) / items) ** 2
    mark = "" if items == len(images) else "~"
    print(
        f"{name:<9} {architecture:<6} {items:>6,} of {len(images):,} items: {seconds:8.2f} s; "
        f"the whole {mark}{whole:,.0f} s (paper: {PAPER[architecture][SETS.index(name)]:,} s)",
        flush=True,
    )


if __name__ == "__main__":
    main()
