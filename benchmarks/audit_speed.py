"""A whole audit of MNIST's 60,000 training images, from arrays to findings: time and peak memory.

Each number of items runs in a process of its own::

    python benchmarks/audit_speed.py --data-dir DATA
    python benchmarks/audit_speed.py --data-dir DATA --items 15000 30000 60000 --landmarks 3000

A tenth of the labels is replaced by another class first, so that there is something to find.
See image_sets.py for the data.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from image_sets import load

WRONG = 0.1


def main() -> None:
    """Print one line a number of items."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--items", type=int, nargs="+", default=[60_000])
    parser.add_argument("--landmarks", type=int, default=3000)
    parser.add_argument("--arch", default="2-L")
    asked = parser.parse_args()
    if len(asked.items) == 1:
        audit(asked.data_dir, asked.items[0], asked.landmarks, asked.arch)
        return
    rest = ["--data-dir", str(asked.data_dir), "--landmarks", str(asked.landmarks), "--arch", asked.arch]
    for items in asked.items:
        subprocess.run([sys.executable, __file__, *rest, "--items", str(items)], check=True)


def audit(folder: Path, items: int, landmarks: int, architecture: str) -> None:
    """Audit *items* images and print what it took and found."""
    images, labels = load("mnist", folder, items)
    random = np.random.default_rng(0)
    wrong = random.random(items) < WRONG
    given = np.where(wrong, (labels + random.integers(1, 10, items)) % 10, labels)

    start = time.perf_counter()
    from ntk_labelqa import find_label_issues

    found = find_label_issues(images, given, architecture=architecture, landmarks=landmarks)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    flagged = found["is_label_issue"].to_numpy()
    right = (flagged & wrong).sum()
    print(
        f"{items:,} items, {architecture}, {landmarks:,} landmarks: {seconds:.1f} s with all imports, "
        f"peak {peak:.2f} GiB; recall {right / wrong.sum():.3f}, precision {right / flagged.sum():.3f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
