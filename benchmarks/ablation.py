"""Which parts of the label model pay: each taken out by itself, over data sets, seeds and splits.

    python benchmarks/ablation.py --data-dir DATA [--sets digits trec] [--noise uniform-30 none] [--seeds 1 2 3]
        [--splits 3]

One row a set and noise, one column a part: F1 of what is flagged and calibration error without it, less those of the
whole model; the column *spread* is the standard deviation of both over splits. A part pays where taking it out costs
more than that. Where nothing was planted, the share flagged stands in place of F1.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
from label_error_sets import LOADERS, load
from label_errors import labels_with

from ntk_labelqa.diagnostics.self_measurement import calibration_error
from ntk_labelqa.gram.choose import invert
from ntk_labelqa.gram.ridge import with_best_ridge
from ntk_labelqa.label_model import label_model
from ntk_labelqa.label_model.annotations import Annotations
from ntk_labelqa.label_model.parameters import DEFAULTS

PARTS = {
    "whole": {},
    "no slope": {"slope": 0.0, "slope_spread": 1e-3},
    "no shared mistakes": {"shared_mistakes": 1e-3},
    "no class rates": {"class_evidence": 1e-9},
    "no rounds": {"most_rounds": 0},
    "no lookalikes": {"lookalike_gain": 1e9},
}
PATCHES = {"no rises": ("MOST_RISES", 0), "no confusions": ("fit_confusions", lambda *_: None)}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("--sets", nargs="+", choices=list(LOADERS), default=["digits"])
    parser.add_argument("--noise", nargs="+", default=["none", "uniform-30", "pairwise-40"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--items", type=int, default=3000)
    parser.add_argument("--arch", default="10-L")
    asked = parser.parse_args()
    parts = [*PARTS, *PATCHES]
    print(f"| set, noise | {' | '.join(parts)} | spread |\n|---|{'---|' * (len(parts) + 1)}")
    for name in asked.sets:
        features, right = load(name, asked.data_dir, asked.items)
        inverse = invert(features, np.eye(right.max() + 1)[right], architecture=asked.arch)
        for noise in asked.noise:
            runs = {part: [] for part in parts}
            for seed in asked.seeds:
                given = labels_with(noise, name, features, right, seed, asked)
                start = with_best_ridge(inverse, np.eye(right.max() + 1)[given])
                for part in parts:
                    splits = range(asked.splits)
                    runs[part].append([judged(start, given, right, part, split) for split in splits])
            figures = {part: np.median(np.array(each), axis=(0, 1)) for part, each in runs.items()}
            spread = np.array(runs["whole"]).std(axis=1).mean(axis=0)
            cells = [_cell(figures[part] - (0 if part == "whole" else figures["whole"])) for part in parts]
            print(f"| {name} {noise} | {' | '.join(cells)} | {_cell(spread)} |", flush=True)


def judged(inverse, given: np.ndarray, right: np.ndarray, part: str, split: int) -> tuple[float, float]:
    """F1 of what is flagged (its share where nothing is wrong) and calibration error, without *part*."""
    with _without(part):
        parameters = replace(DEFAULTS, **PARTS.get(part, {}))
        annotations = Annotations.of_codes(given, int(right.max()) + 1, seed=split)
        posterior = label_model.label_posterior(inverse, annotations, parameters)
    wrong, doubt = given != right, 1 - posterior.probabilities[np.arange(len(given)), given]
    flagged = (doubt > 0.5) & posterior.is_informative
    hits = 2 * (flagged & wrong).sum() / (flagged.sum() + wrong.sum()) if wrong.any() else flagged.mean()
    return float(hits), calibration_error(doubt, wrong)


@contextmanager
def _without(part: str) -> Iterator[None]:
    if part not in PATCHES:
        yield
        return
    with mock.patch.object(label_model, *PATCHES[part]):
        yield


def _cell(figures: np.ndarray) -> str:
    return " / ".join(f"{figure:+.3f}" for figure in figures)


if __name__ == "__main__":
    main()
