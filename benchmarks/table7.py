"""The paper's Table 7: does Z rank the classes as training confuses them? Rank-biased overlap with trained networks.

    python benchmarks/table7.py --data-dir FOLDER [--sets mnist fashion] [--items 6000] [--seeds 5]

``intra-class`` ranks the classes by how little they have in common, ``inter-class`` ranks for each class the others by
how much the two are confused. Ours: the diffuseness, and the magnitudes of the off-diagonal elements of Z = YᵀGY, of
the training items' labels; nothing is trained. Trained: a convolutional network a seed, on the same items; by the
probability that test items get for other classes than their own, and that those of two classes get for each other.

Rankings are compared by extrapolated rank-biased overlap, p = 0.9 (Webber, Moffat and Zobel, 2010, Eq. 32); of the
inter-class rankings the mean over the classes. ``ours`` is the mean over the seeds, ``one seed with another`` the mean
over their pairs, ``random`` the mean of 1,000 random rankings. Where the paper's training took 250 epochs of a deep
network, this one has two convolutions and 30 epochs. For the data see ``image_sets.py``.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import image_sets
import numpy as np
from trained_networks import test_probabilities

from ntk_labelqa import class_entanglement

P = 0.9
PAPER = {
    "mnist": (0.962, 0.904),
    "fashion": (0.963, 0.915),
    "cifar10": (0.734, 0.916),
    "cifar100": (0.557, 0.688),
}
Rankings = list[list[int]]
"""Of one kind: a single ranking of the classes, or one of the other classes for each class."""


def rank_biased_overlap(first: Sequence[int], second: Sequence[int]) -> float:
    """Extrapolated from two full rankings of the same things, from 0 (nothing in common) to 1 (the same)."""
    agreement, total = 0.0, 0.0
    for depth in range(1, len(first) + 1):
        agreement = len({*first[:depth]} & {*second[:depth]}) / depth
        total += agreement * P**depth
    return agreement * P ** len(first) + (1 - P) / P * total


def mean_overlap(first: Rankings, second: Rankings) -> float:
    """Over the rankings of one kind."""
    return float(np.mean([rank_biased_overlap(a, b) for a, b in zip(first, second, strict=True)]))


def by_size(values: np.ndarray, *, but: int | None = None) -> list[int]:
    """Indices of *values*, the largest first, without *but*."""
    return [int(place) for place in np.argsort(-values, kind="stable") if place != but]


def rankings(intra: np.ndarray, inter: np.ndarray) -> tuple[Rankings, Rankings]:
    """Of one figure a class, [K], and one a pair, [K, K]: large means badly kept together, and badly distinguished."""
    return [by_size(intra)], [by_size(row, but=code) for code, row in enumerate(inter)]


def ours(images: np.ndarray, codes: np.ndarray, architecture: str) -> tuple[Rankings, Rankings]:
    """Without training."""
    found = class_entanglement(images, codes, architecture=architecture)
    return rankings(found.classes["diffuseness"].to_numpy(), np.abs(found.matrix))


def trained(
    images: np.ndarray, codes: np.ndarray, test_images: np.ndarray, test_codes: np.ndarray, seed: int
) -> tuple[tuple[Rankings, Rankings], float]:
    """The rankings of a trained network, and its test accuracy."""
    given = test_probabilities("convolutional", images, codes, test_images, seed)
    members = np.eye(given.shape[1])[test_codes]
    means = members.T @ given / members.sum(axis=0)[:, None]
    accuracy = float((given.argmax(axis=1) == test_codes).mean())
    return rankings(1 - np.diag(means), means + means.T), accuracy


def at_random(like: Rankings, draws: int = 1000) -> float:
    """Mean overlap of *like* with random rankings of the same things."""
    random = np.random.default_rng(0)
    return float(np.mean([mean_overlap(like, [list(random.permutation(one)) for one in like]) for _ in range(draws)]))


def rows(name: str, arguments: argparse.Namespace) -> list[str]:
    """The lines of one set."""
    images, codes = image_sets.load(name, arguments.data_dir, arguments.items + arguments.test_items)
    order = np.random.default_rng(0).permutation(len(images))
    train, test = order[: arguments.items], order[arguments.items :]
    seeds, accuracies = [], []
    for seed in range(arguments.seeds):
        found, accuracy = trained(images[train], codes[train], images[test], codes[test], seed)
        seeds.append(found)
        accuracies.append(accuracy)
    mine = {name: ours(images[train], codes[train], name) for name in arguments.arch}
    lines = []
    for kind, words in enumerate(("intra-class", "inter-class")):
        each = [found[kind] for found in seeds]
        between = _mean(mean_overlap, itertools.combinations(each, 2))
        figures = [f"{_mean(mean_overlap, ((found[kind], one) for one in each)):.3f}" for found in mine.values()]
        paper = f"{PAPER[name][kind]:.3f}" if name in PAPER else ""
        lines.append(
            f"| {name} | {words} | {' | '.join(figures)} | {between:.3f} | {at_random(each[0], 200):.3f} | {paper} | "
            f"{np.mean(accuracies):.3f} |"
        )
    return lines


def _mean(measure: Callable[[Rankings, Rankings], float], pairs: Iterable[tuple[Rankings, Rankings]]) -> float:
    return float(np.mean([measure(first, second) for first, second in pairs]))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=["mnist", "fashion"], choices=image_sets.FILES)
    parser.add_argument("--arch", nargs="+", default=["2-L", "10-L"])
    parser.add_argument("--items", type=int, default=6000)
    parser.add_argument("--test-items", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    start = time.perf_counter()
    heads = " | ".join(f"ours, {name}" for name in arguments.arch)
    print(f"| set | ranking | {heads} | one seed with another | random | paper | trained accuracy |")
    print("|---" * (6 + len(arguments.arch)) + "|")
    for name in arguments.sets:
        print("\n".join(rows(name, arguments)), flush=True)
    print(f"\n{time.perf_counter() - start:.0f} s, {arguments.items} items, {arguments.seeds} trained seeds")


if __name__ == "__main__":
    main()
