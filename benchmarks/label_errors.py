"""How well wrong labels are found and corrected: ours beside cleanlab, CG-score, a k-NN vote and plain disagreement.

Every method gets the same features and the same labels, in one process, with its defaults. cleanlab is not among the
project's dependencies; an environment for this script::

    uv venv bench && uv pip install --python bench/bin/python cleanlab --editable .
    bench/bin/python benchmarks/label_errors.py --data-dir DATA --sets digits mnist --noise uniform-10 pairwise-40

``label_error_sets.py`` tells which files DATA holds and where they are from, ``label_noise.py`` what noises there are.
Figures are medians over the seeds, the block with the smallest lead over the best baseline first. ``--table-8`` prints
the paper's Table 8 instead: ``refurbish`` on uniform noise, by each method.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from label_error_methods import METHODS, OURS, OWN
from label_error_scores import measured
from label_error_sets import LOADERS, load, load_as_labelled_by_people, load_guesses
from label_noise import as_hard, corrupted

from ntk_labelqa.diagnostics.refurbishment import METHODS as REFURBISHERS
from ntk_labelqa.diagnostics.refurbishment import MOVING_RIDGE
from ntk_labelqa.diagnostics.refurbishment import Method as Refurbisher
from ntk_labelqa.gram.choose import invert
from ntk_labelqa.gram.low_rank import LowRankInverse
from ntk_labelqa.gram.ridge import with_best_ridge

NOISES = (
    "none",
    "uniform-10",
    "uniform-20",
    "uniform-30",
    "uniform-70",
    "pairwise-20",
    "pairwise-40",
    "rates-20",
    "boundary-10",
)
SLOW = "cleanlab, boosting"
PAPER = {
    ("mnist", "uniform-70"): "25.21, BARE 79.61",
    ("mnist", "uniform-30"): "85.66, BARE 95.73",
    ("mnist", "uniform-20"): "85.00, BARE 93.65",
    ("mnist", "uniform-10"): "83.50, BARE 87.50",
    ("fashion", "uniform-70"): "13.36",
    ("fashion", "uniform-30"): "65.67",
    ("fashion", "uniform-20"): "64.25",
    ("fashion", "uniform-10"): "57.00",
}
SHOWN = {
    "AUROC": "auroc",
    "AP": "ap",
    "missed": "missed",
    "F1": "f1",
    "corrected": "corrected",
    "broken": "broken",
    "accuracy": "accuracy",
    "ECE": "ece",
    "ECE>.05": "ece05",
    "Brier": "brier",
    "seconds": "seconds",
}


def main() -> None:
    """Print one table a data set and noise."""
    asked = _arguments()
    if asked.table_8:
        table_8(asked)
        return
    blocks = []
    for name in asked.sets:
        features, right = load(name, asked.data_dir, asked.items)
        for noise in asked.noise:
            rows = compared(name, features, right, noise, asked)
            title = f"{name}, {len(right)} items, {int(right.max()) + 1} classes, {noise}, {len(asked.seeds)} seeds"
            blocks.append((lead(rows), title, rows))
            print(f"done: {title}", file=sys.stderr)
    for ahead, title, rows in sorted(blocks, key=lambda block: block[0]):
        print(f"\n### {title}: average precision {ahead:+.3f} over the best baseline\n")
        print(f"| method | {' | '.join(SHOWN)} |\n|---|{'---|' * len(SHOWN)}")
        for method, figures in rows.items():
            print(f"| {method} | {' | '.join(_shown(figures[key]) for key in SHOWN.values())} |")


def compared(
    name: str, features: np.ndarray, right: np.ndarray, noise: str, asked: argparse.Namespace
) -> dict[str, dict[str, float]]:
    """Each method's figures, medians over the seeds."""
    runs: dict[str, list[dict[str, float]]] = {method: [] for method in asked.methods}
    for seed in asked.seeds:
        given = labels_with(noise, name, features, right, seed, asked)
        for method in asked.methods:
            start = time.perf_counter()
            verdict = METHODS[method](features, given)
            runs[method].append({"seconds": time.perf_counter() - start, **measured(verdict, given, right)})
    return {
        method: {key: statistics.median(run[key] for run in each) for key in each[0]} for method, each in runs.items()
    }


def labels_with(
    noise: str, name: str, features: np.ndarray, right: np.ndarray, seed: int, asked: argparse.Namespace
) -> np.ndarray:
    """The labels of the set *name* with errors: what people gave (``people``), or planted ones."""
    if noise == "people":
        return load_as_labelled_by_people(name, asked.data_dir, asked.items)
    if noise.startswith("hard-"):
        share = float(noise.removeprefix("hard-")) / 100
        return as_hard(share, load_guesses(name, asked.data_dir, asked.items), right, seed)
    return corrupted(noise, features, right, seed)


def lead(rows: dict[str, dict[str, float]]) -> float:
    """Average precision of ours less that of the best baseline; label accuracy where nothing was planted."""
    key = "accuracy" if np.isnan(rows[OURS]["ap"]) else "ap"
    return rows[OURS][key] - max((row[key] for name, row in rows.items() if name not in OWN), default=0.0)


def table_8(asked: argparse.Namespace) -> None:
    """Shares of wrong labels corrected and of right labels broken, in per cent, beside the paper's.

    The kernel does not depend on the labels, so it is inverted once a set; seconds are those of the method itself.
    """
    print("| set, noise | method | corrected | broken | label accuracy after | seconds | the paper: corrected |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for name in asked.sets:
        features, right = load(name, asked.data_dir, asked.items)
        labels, start = np.eye(right.max() + 1)[right], time.perf_counter()
        inverse = invert(features, labels, architecture=asked.arch, ridge=MOVING_RIDGE, landmarks=asked.landmarks)
        print(f"| {name}, {len(right)} items | {asked.arch} inverted | | | | {time.perf_counter() - start:.0f} | |")
        for noise in asked.noise:
            for method in asked.refurbishers:
                runs = [_refurbished(inverse, features, right, noise, method, seed) for seed in asked.seeds]
                fixed, broken, accuracy, seconds = (statistics.median(figures) for figures in zip(*runs, strict=True))
                figures = f"{100 * fixed:.2f} | {100 * broken:.2f} | {100 * accuracy:.2f} | {seconds:.0f}"
                print(f"| {name} {noise} | {method} | {figures} | {PAPER.get((name, noise), '')} |", flush=True)


def _refurbished(
    inverse: LowRankInverse, features: np.ndarray, right: np.ndarray, noise: str, method: Refurbisher, seed: int
) -> tuple[float, float, float, float]:
    """Corrected, broken, label accuracy after, seconds."""
    given, class_count = corrupted(noise, features, right, seed), int(right.max()) + 1
    start = time.perf_counter()
    fitted = with_best_ridge(inverse, np.eye(class_count)[given]) if method == "posterior" else inverse
    new = REFURBISHERS[method](fitted, given, class_count).codes
    seconds, wrong = time.perf_counter() - start, given != right
    corrected = float((new == right)[wrong].mean()) if wrong.any() else float("nan")
    return corrected, float((new != given)[~wrong].mean()), float((new == right).mean()), seconds


def _shown(figure: float) -> str:
    return "–" if np.isnan(figure) else f"{figure:.1f}" if figure >= 1.5 else f"{figure:.3f}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="folder of the data sets' files")
    parser.add_argument("--sets", nargs="+", choices=list(LOADERS), default=["digits"])
    parser.add_argument("--noise", nargs="+", default=list(NOISES), metavar="NOISE")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--items", type=int, default=10_000, help="at most, drawn from the set")
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=[n for n in METHODS if n != SLOW])
    parser.add_argument("--table-8", action="store_true", help="refurbish instead, beside the paper's Table 8")
    parser.add_argument("--refurbishers", nargs="+", choices=list(REFURBISHERS), default=list(REFURBISHERS))
    parser.add_argument("--landmarks", type=int, default=3000, help="of the low-rank inverse of --table-8")
    parser.add_argument("--arch", default="2-L", help="architecture of --table-8")
    asked = parser.parse_args()
    if not asked.table_8 and OURS not in asked.methods:
        parser.error(f"--methods has to hold {OURS}, whose lead is measured")
    return asked


if __name__ == "__main__":
    main()
