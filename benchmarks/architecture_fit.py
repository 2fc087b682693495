"""Kernel PCA separates classes (the paper's Table 3), and the recommendation against really trained small networks.

    python benchmarks/architecture_fit.py --data-dir FOLDER [--items 500] [--seeds 3]

First table, for the top 4 kernel principal components: ``per item``, each item's mean distance to other classes over
that to its own (mean and deviation over items), as ``architecture_fit`` reports it; and ``per pair``, the ratio of a
distance between classes to one within, over all pairs of such distances. Which of the two the paper's table holds, its
text does not say. Second table: leave-one-out accuracy of the kernels, what is recommended of them, and the test
accuracy on as many other items of a dense and a convolutional network trained on the same items in JAX (mean and
deviation over the seeds). Shapes and corners are drawn by our own definition; see ``image_sets.py``.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import image_sets
import numpy as np
from trained_networks import KINDS, test_accuracy

from ntk_labelqa.diagnostics.architectures import Fit, Fits, fit_architectures
from ntk_labelqa.diagnostics.recommendation import recommend

JUDGED = ("linear", "2-L", "CNN-2")


def pair_ratio(coordinates: np.ndarray, codes: np.ndarray) -> tuple[float, float]:
    """Mean and deviation of (distance between classes) / (distance within a class) over all pairs of such distances."""
    first, second = np.triu_indices(len(codes), k=1)
    distances = np.linalg.norm(coordinates[first] - coordinates[second], axis=1)
    same = codes[first] == codes[second]
    between, within = distances[~same], distances[same]
    inverse = 1 / within[within > 0]
    mean = between.mean() * inverse.mean()
    return float(mean), float(np.sqrt(np.square(between).mean() * np.square(inverse).mean() - mean**2))


def separation_row(name: str, fits: Fits) -> str:
    """A line of the first table."""
    chosen: list[Fit] = [fit for fit in fits.fits if fit.name in ("2-L", "CNN-2")]
    items = [f"{fit.figures['kpca_ratio']:.3f} ({fit.figures['kpca_deviation']:.3f})" for fit in chosen]
    pairs = ["{:.3f} ({:.3f})".format(*pair_ratio(fit.coordinates, fits.codes)) for fit in chosen]
    return f"| {name} | {' | '.join(items)} | {' | '.join(pairs)} |"


def trained_row(name: str, fits: Fits, images: np.ndarray, codes: np.ndarray, seeds: int) -> str:
    """A line of the second table; the first half of *images* trains."""
    half = len(images) // 2
    trained = {
        kind: [
            test_accuracy(kind, images[:half], codes[:half], images[half:], codes[half:], seed) for seed in range(seeds)
        ]
        for kind in KINDS
    }
    means = {kind: float(np.mean(values)) for kind, values in trained.items()}
    spread = max(float(np.std(values, ddof=1)) for values in trained.values())
    kinds = list(means)
    apart = abs(means[kinds[0]] - means[kinds[1]]) > 2 * spread
    winner = max(means, key=means.__getitem__) if apart else "level"
    kernels = " | ".join(f"{fit.figures['accuracy']:.3f}" for fit in fits.fits)
    nets = " | ".join(f"{means[kind]:.3f} ± {np.std(trained[kind], ddof=1):.3f}" for kind in kinds)
    advice = recommend(fits)
    level = f" (level: {', '.join(advice.level_with)})" if advice.level_with else ""
    return f"| {name} | {kernels} | {advice.name}{level} | {nets} | {winner} |"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=[*image_sets.FILES, *image_sets.DRAWN])
    parser.add_argument("--items", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    start, second = time.perf_counter(), []
    print("| set | 2-L per item | CNN-2 per item | 2-L per pair | CNN-2 per pair |\n|---|---|---|---|---|")
    for name in arguments.sets:
        images, codes = image_sets.load(name, arguments.data_dir, 2 * arguments.items)
        order = np.random.default_rng(0).permutation(len(images))
        images, codes = images[order], codes[order]
        names = tuple(str(code) for code in range(int(codes.max()) + 1))
        train = slice(arguments.items)
        fits = fit_architectures(images[train], codes[train], names, JUDGED, sample=arguments.items, budget=1e9)
        print(separation_row(name, fits), flush=True)
        second.append(trained_row(name, fits, images, codes, arguments.seeds))
    kernels, nets = " | ".join(f"{name} kernel" for name in JUDGED), " | ".join(f"trained {kind}" for kind in KINDS)
    print(f"\n| set | {kernels} | recommended | {nets} | better trained |\n|{'---|' * 8}")
    print("\n".join(second))
    print(f"\n{time.perf_counter() - start:.0f} s, {arguments.items} items each, {arguments.seeds} trained seeds")


if __name__ == "__main__":
    main()
