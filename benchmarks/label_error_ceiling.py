"""How well wrong labels could be ranked if every other label were right: what stands between us and that, and 1.

The kernel's leave-one-out margin and a vote of 10 nearest neighbours judge each label as given by the right labels of
all other items, which nobody has::

    python benchmarks/label_error_ceiling.py --data-dir DATA --sets digits fashion --noise boundary-10 uniform-30

See ``label_error_sets.py`` for DATA and ``label_noise.py`` for the noises. Figures are medians over the seeds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from label_error_methods import by_probabilities, knn_votes, ntk_labelqa
from label_error_sets import LOADERS, load
from label_noise import corrupted
from sklearn.metrics import average_precision_score

from ntk_labelqa.diagnostics.architecture_choice import choose_architecture
from ntk_labelqa.gram.choose import invert
from ntk_labelqa.gram.inverse import leave_one_out


def main() -> None:
    """Print one row a data set and noise."""
    asked = _arguments()
    print("| set, noise | ours | kernel, others right | k-NN, others right |\n|---|---|---|---|")
    for name in asked.sets:
        features, right = load(name, asked.data_dir, asked.items)
        for noise in asked.noise:
            figures = [average_precisions(features, right, corrupted(noise, features, right, s)) for s in asked.seeds]
            row = " | ".join(f"{figure:.3f}" for figure in np.median(figures, axis=0))
            print(f"| {name} {noise} | {row} |", flush=True)


def average_precisions(features: np.ndarray, right: np.ndarray, given: np.ndarray) -> tuple[float, float, float]:
    """Of our ranking, and of the kernel's and of k-NN's where all other labels are right.

    The architecture is the one that ours chooses from the labels given.
    """
    class_count = int(max(right.max(), given.max())) + 1
    labels = np.eye(class_count)[right]
    architecture = choose_architecture(features, np.eye(class_count)[given]).name
    inverse = invert(features, labels, architecture=architecture)
    scores = (
        ntk_labelqa(features, given).score,
        by_probabilities(leave_one_out(inverse, labels), given).score,
        by_probabilities(knn_votes(features, right), given).score,
    )
    ours, kernel, neighbours = (float(average_precision_score(given != right, score)) for score in scores)
    return ours, kernel, neighbours


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--sets", nargs="+", default=["digits"], choices=LOADERS)
    parser.add_argument("--noise", nargs="+", default=["boundary-10"], help="see label_noise.py")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--items", type=int, default=3000)
    return parser.parse_args()


if __name__ == "__main__":
    main()
