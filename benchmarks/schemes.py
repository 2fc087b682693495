"""BDE ranks five labelling schemes (the paper's Tables 4-6), and annotators two points apart are distinguished.

    python benchmarks/schemes.py --data-dir FOLDER [--items 5000] [--seeds 3] [--trials 100]

First table: BDE, mean over the seeds, of one class everywhere, the labels as they are, and 10, 20 and 30 % of them made
uniformly wrong; the right ranking is this order, lowest first. Second table: how often the error rate of
``rank_schemes`` puts the annotator with 8 % wrong labels before the one with 10 %, of the same items, and of halves
that have no item in common; all labels come from these two.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import image_sets
import numpy as np

from ntk_labelqa import bde
from ntk_labelqa.diagnostics.scheme_ranking import rank
from ntk_labelqa.diagnostics.schemes import Scheme, pooled
from ntk_labelqa.gram.choose import invert
from ntk_labelqa.gram.inverse import RegularizedInverse, predicted_classes

SHARES = (0.0, 0.1, 0.2, 0.3)
CAREFUL, CARELESS = 0.08, 0.10


def with_errors(right: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    """*right* with exactly *share* of the labels moved to another class, each as often."""
    given, k = right.copy(), int(right.max()) + 1
    wrong = random.choice(len(right), round(share * len(right)), replace=False)
    given[wrong] = (given[wrong] + random.integers(1, k, len(wrong))) % k
    return given


def five_schemes(name: str, arguments: argparse.Namespace) -> None:
    """A line a scheme, and how many ranks are right, over the seeds."""
    values, right_ranks = [], 0
    for seed in range(arguments.seeds):
        features, right = image_sets.load(name, arguments.data_dir, arguments.items, seed)
        k, random = int(right.max()) + 1, np.random.default_rng(seed)
        labellings = [0 * right, *(with_errors(right, share, random) for share in SHARES)]
        inverse = invert(
            features, np.eye(k)[right], architecture=arguments.arch, ridge=arguments.ridge, landmarks="all"
        )
        errors = np.array([_bde(inverse, np.eye(k)[labels]) for labels in labellings])
        values.append(errors)
        right_ranks += int((errors.argsort().argsort() == np.arange(5)).sum())
    said = " | ".join(f"{value:.4g}" for value in np.mean(values, axis=0))
    print(f"| {name} | {said} | {right_ranks} of {5 * arguments.seeds} |", flush=True)


def _bde(inverse: RegularizedInverse, one_hot: np.ndarray) -> float:
    return bde.error(bde.class_couplings(inverse, one_hot), one_hot.sum(axis=0))


def two_points_apart(name: str, arguments: argparse.Namespace) -> None:
    """How often two annotators, 8 % and 10 % wrong, are put in the right order."""
    features, right = image_sets.load(name, arguments.data_dir, arguments.items)
    k, random, everything = int(right.max()) + 1, np.random.default_rng(0), np.arange(len(right))
    inverse = invert(features, np.eye(k)[right], architecture=arguments.arch, ridge=arguments.ridge, landmarks="all")

    def same(_: int) -> list[np.ndarray]:
        return [everything, everything]

    def apart(_: int) -> list[np.ndarray]:
        return np.array_split(random.permutation(everything), 2)

    shares = [_share_right(inverse, right, split, random, arguments.trials) for split in (same, apart)]
    print(f"| {name} | {shares[0]:.2f} | {shares[1]:.2f} |", flush=True)


def _share_right(
    inverse: RegularizedInverse,
    right: np.ndarray,
    split: Callable[[int], list[np.ndarray]],
    random: np.random.Generator,
    trials: int,
) -> float:
    hits, k = 0, int(right.max()) + 1
    for trial in range(trials):
        schemes = [
            Scheme(str(share), items, with_errors(right[items], share, random))
            for share, items in zip((CARELESS, CAREFUL), split(trial), strict=True)
        ]
        labels = pooled(schemes, len(right), k)
        hits += rank(inverse, predicted_classes(inverse, labels), schemes, k)["scheme"][0] == str(CAREFUL)
    return hits / trials


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=list(image_sets.FILES))
    parser.add_argument("--items", type=int, default=5000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--arch", default="2-L")
    parser.add_argument("--ridge", type=float, default=0.3)
    arguments = parser.parse_args()
    start = time.perf_counter()
    print("| set | one class | clean | 10 % | 20 % | 30 % | ranks right |\n|---|---|---|---|---|---|---|")
    for name in arguments.sets:
        five_schemes(name, arguments)
    print("\n| set | the same items | no item in common |\n|---|---|---|")
    for name in arguments.sets:
        two_points_apart(name, arguments)
    print(
        f"\n{time.perf_counter() - start:.0f} s, {arguments.items:,} items, {arguments.arch}, ridge {arguments.ridge}"
    )


if __name__ == "__main__":
    main()
