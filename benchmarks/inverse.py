"""The dense inverse beside SciPy's LAPACK in the same run, and how time grows with the number of items::

    python benchmarks/inverse.py                        # N = 8,000; needs 2 GiB
    python benchmarks/inverse.py --growth               # Gram matrix and Nyström at N and 2N

Inputs are noise; nothing has to be downloaded.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
from scipy.linalg import lapack

from ntk_labelqa.gram.dense import DenseInverse
from ntk_labelqa.gram.matrix import gram_matrix, gram_of, prepare
from ntk_labelqa.gram.nystrom import nystrom_inverse


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=8000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--growth", action="store_true")
    asked = parser.parse_args()
    growth() if asked.growth else dense(asked.items, asked.runs)


def dense(items: int, runs: int) -> None:
    """Ours and LAPACK's potrf and potri in turn."""
    gram = gram_matrix(np.random.default_rng(0).normal(size=(items, 784)))
    ours, theirs = [], []
    for _ in range(runs):
        ours.append(seconds(lambda: DenseInverse(gram, ridge=0.01).diagonal()))
        theirs.append(seconds(lambda: bare(gram)))
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    print(f"dense inverse with its diagonal, N = {items:,}, float64, median of {runs} in turn")
    print(f"  ours {statistics.median(ours):.2f} s, potrf + potri {statistics.median(theirs):.2f} s: {ratio:.2f} times")


def bare(gram: np.ndarray) -> np.ndarray:
    """One triangle of the inverse, and nothing checked."""
    shifted = np.array(gram, order="F")
    np.fill_diagonal(shifted, shifted.diagonal() * 1.01)
    factor, _ = lapack.dpotrf(shifted, lower=1, overwrite_a=1, clean=0)
    return lapack.dpotri(factor, lower=1, overwrite_c=1)[0].diagonal()


def growth() -> None:
    """Time at 2N by time at N: 4 is quadratic, 2 linear."""
    rows = np.random.default_rng(0).normal(size=(40_000, 784))
    kernel, inputs = prepare(rows, "2-L", "float32")

    def gram(count: int) -> Callable[[], object]:
        return lambda: gram_of(kernel, inputs[:count])

    def nystrom(count: int) -> Callable[[], object]:
        return lambda: nystrom_inverse(kernel, inputs[:count], landmarks=1000, ridge=0.1)

    for name, work, count in (("Gram matrix", gram, 5000), ("Nyström, 1,000 landmarks", nystrom, 20_000)):
        seconds(work(count)), seconds(work(2 * count))
        small, large = (statistics.median(seconds(work(n)) for _ in range(5)) for n in (count, 2 * count))
        print(f"{name}: N = {count:,} {small:.2f} s, {2 * count:,} {large:.2f} s: {large / small:.2f} times")


def seconds(work: Callable[[], object]) -> float:
    """How long *work* takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
