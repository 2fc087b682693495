"""Planted entanglement is warned of, and planted label noise is distinguished from it.

    python benchmarks/entanglement.py --data-dir FOLDER [--sets digits mnist fashion] [--pairs 10]

Into each set, for pairs of classes drawn at random and one pair at a time, is planted

``blend s``  for the share s of the items of both classes, an image halfway between one of either (its label stays)
``split``    one class becomes two, its items dealt out at random: nothing distinguishes the two
``noise s``  the share s of the labels of both classes are exchanged

``warned`` is the share of planted pairs warned of, ``cause right`` the share of these with the right cause (classes for
blends and splits, labels for noise), and ``others warned`` the share of all other pairs that are warned of although
they were not before anything was planted; pairs that already were are in the last column. Digits come with
scikit-learn; the other sets see ``image_sets.py``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import image_sets
import numpy as np

from ntk_labelqa import class_entanglement

Planted = tuple[np.ndarray, np.ndarray, tuple[int, int]]
Pair = tuple[str, str]


@dataclass
class Tally:
    """Counts over the plantings of one kind."""

    planted: int = 0
    warned: int = 0
    right_cause: int = 0
    others: int = 0
    others_warned: int = 0
    overlaps: list[float] = field(default_factory=list)


def blended(features: np.ndarray, labels: np.ndarray, pair: tuple[int, int], share: float, seed: int) -> Planted:
    """Items of both classes replaced by images halfway between one of either."""
    random, mixed = np.random.default_rng(seed), features.copy()
    first, second = (np.flatnonzero(labels == code) for code in pair)
    for members in (first, second):
        chosen = random.choice(members, round(share * len(members)), replace=False)
        halves = [features[random.choice(side, len(chosen))] for side in (first, second)]
        mixed[chosen] = (halves[0] + halves[1]) / 2
    return mixed, labels, pair


def split(features: np.ndarray, labels: np.ndarray, pair: tuple[int, int], share: float, seed: int) -> Planted:
    """Half of the first class's items become a class of their own; *share* is not used."""
    random, given, new = np.random.default_rng(seed), labels.copy(), int(labels.max()) + 1
    members = np.flatnonzero(labels == pair[0])
    given[random.choice(members, len(members) // 2, replace=False)] = new
    return features, given, (pair[0], new)


def exchanged(features: np.ndarray, labels: np.ndarray, pair: tuple[int, int], share: float, seed: int) -> Planted:
    """Labels of the two classes exchanged."""
    random, given = np.random.default_rng(seed), labels.copy()
    for code, other in (pair, pair[::-1]):
        members = np.flatnonzero(labels == code)
        given[random.choice(members, round(share * len(members)), replace=False)] = other
    return features, given, pair


PLANTINGS: list[tuple[str, Callable[..., Planted], float, str]] = [
    *((f"blend {share}", blended, share, "classes") for share in (0.2, 0.4, 0.6, 1.0)),
    ("split", split, 0.5, "classes"),
    *((f"noise {share}", exchanged, share, "labels") for share in (0.1, 0.2, 0.3)),
]


def warnings_of(features: np.ndarray, labels: np.ndarray, architecture: str) -> dict[Pair, tuple[bool, str, float]]:
    """For each pair of classes whether it is warned of, why, and its overlap."""
    names = [f"{code:03}" for code in labels]
    pairs = class_entanglement(features, names, architecture=architecture).pairs
    return {(row.class_a, row.class_b): (row.is_warned, row.cause, row.overlap) for row in pairs.itertuples()}


def run_set(name: str, arguments: argparse.Namespace) -> None:
    """A line a planting."""
    features, labels = _load(name, arguments)
    natural = {pair for pair, found in warnings_of(features, labels, arguments.arch).items() if found[0]}
    random = np.random.default_rng(0)
    k = int(labels.max()) + 1
    clean = [(a, b) for a in range(k) for b in range(a + 1, k) if (f"{a:03}", f"{b:03}") not in natural]
    chosen = [clean[row] for row in random.permutation(len(clean))[: arguments.pairs]]
    for title, plant, share, cause in PLANTINGS:
        tally = Tally()
        for seed, pair in enumerate(chosen):
            changed, given, planted = plant(features, labels, pair, share, seed)
            _count(tally, warnings_of(changed, given, arguments.arch), planted, natural, cause)
        said = f"{tally.warned}/{tally.planted} | {tally.right_cause}/{tally.warned} | "
        said += f"{tally.others_warned / max(tally.others, 1):.1%} | {np.mean(tally.overlaps):.2f}"
        print(f"| {name} | {title} | {said} | {len(natural)} of {k * (k - 1) // 2} |", flush=True)


def _count(tally: Tally, found: dict, planted: tuple[int, int], natural: set[Pair], cause: str) -> None:
    key = (f"{planted[0]:03}", f"{planted[1]:03}")
    is_warned, why, overlap = found.pop(key)
    tally.planted += 1
    tally.warned += is_warned
    tally.right_cause += is_warned and why == cause
    tally.overlaps.append(overlap)
    others = [entry for pair, entry in found.items() if pair not in natural]
    tally.others += len(others)
    tally.others_warned += sum(entry[0] for entry in others)


def _load(name: str, arguments: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    if name == "digits":
        from sklearn.datasets import load_digits

        return load_digits(return_X_y=True)
    if arguments.data_dir is None:
        raise SystemExit(f"{name} needs --data-dir.")
    features, labels = image_sets.load(name, arguments.data_dir, arguments.items)
    return features.reshape(len(features), -1), labels


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--sets", nargs="+", default=["digits", "mnist", "fashion"])
    parser.add_argument("--items", type=int, default=1500)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--arch", default="2-L")
    arguments = parser.parse_args()
    start = time.perf_counter()
    print("| set | planted | warned | cause right | others warned | mean overlap | warned of before |")
    print("|---|---|---|---|---|---|---|")
    for name in arguments.sets:
        run_set(name, arguments)
    print(f"\n{time.perf_counter() - start:.0f} s, {arguments.items:,} items (digits 1,797), {arguments.arch}")


if __name__ == "__main__":
    main()
