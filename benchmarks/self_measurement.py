"""What an audit says of itself, beside the truth: recall, precision and error rate, on labels with known errors.

    python benchmarks/self_measurement.py --data-dir FOLDER [--sets digits mnist] [--items 3000] [--seeds 3]

An audit knows neither which labels are wrong nor how many. Each cell is *said / true*, a median over seeds; ``inside``
is the share of seeds whose true error rate lies within the interval given. See ``label_error_sets.py`` for the data and
``label_noise.py`` for the noises.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from label_error_sets import LOADERS, load
from label_noise import corrupted

from ntk_labelqa.dataset import from_arrays
from ntk_labelqa.diagnostics.architecture_choice import choose_architecture
from ntk_labelqa.diagnostics.label_issues import find_label_issues_in
from ntk_labelqa.diagnostics.self_measurement import calibration_error, measure
from ntk_labelqa.gram.choose import invert

NOISES = ("none", "uniform-10", "uniform-30", "pairwise-20", "pairwise-40", "boundary-10")


def main() -> None:
    """Print one row a set and noise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", choices=list(LOADERS), default=["digits", "mnist", "fashion", "trec"])
    parser.add_argument("--noise", nargs="+", default=list(NOISES))
    parser.add_argument("--items", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    figures = " | ".join(f"{figure} said / true" for figure in ("recall", "precision", "calibration", "rate"))
    print(f"| set, noise | {figures} | inside |")
    print("|---|---|---|---|---|---|")
    for name in asked.sets:
        features, right = load(name, asked.data_dir, asked.items)
        for noise in asked.noise:
            runs = np.array([audited(features, right, noise, seed) for seed in range(asked.seeds)])
            medians = np.median(runs, axis=0)
            pairs = " | ".join(f"{said:.3f} / {true:.3f}" for said, true in medians[:8].reshape(4, 2))
            print(f"| {name} {noise} | {pairs} | {runs[:, 8].mean():.2f} |", flush=True)


def audited(features: np.ndarray, right: np.ndarray, noise: str, seed: int) -> list[float]:
    """Recall, precision and error rate, each as said and true, and whether the true error rate is in the interval."""
    given = corrupted(noise, features, right, seed)
    dataset, wrong = from_arrays(given), given != right
    labels = np.eye(int(given.max()) + 1)[given]
    inverse = invert(features, labels, architecture=choose_architecture(features, labels).name)
    issues = find_label_issues_in(dataset, inverse)
    said = measure(dataset, inverse, issues, seed=seed)
    flagged, rate = issues.is_label_issue, float(wrong.mean())
    recall = (flagged & wrong).sum() / wrong.sum() if wrong.any() else np.nan
    precision = (flagged & wrong).sum() / flagged.sum() if flagged.any() else np.nan
    inside = said.error_rate_low <= rate <= said.error_rate_high
    calibration = said.calibration_error, calibration_error(issues.error_probability, wrong)
    figures = (said.recall.value, recall, said.precision.value, precision, *calibration, said.error_rate, rate, inside)
    return [np.nan if figure is None else float(figure) for figure in figures]


if __name__ == "__main__":
    main()
