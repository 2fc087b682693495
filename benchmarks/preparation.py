"""Whether embeddings should be centred or scaled before a kernel sees them: nothing, mean taken off, columns scaled.

    python benchmarks/preparation.py --data-dir FOLDER

Sets are those of ``label_error_sets.py`` that are embeddings, 2,500 items of each with 15 % of the labels wrong at
random; and the same with one vector added to all rows, three and ten times as long as a row, as models give that point
all of their embeddings one way. Rows are scaled to length 1 by the kernel in any case.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from label_error_methods import Verdict
from label_error_scores import measured
from label_error_sets import load
from label_noise import corrupted

from ntk_labelqa.diagnostics.label_issues import find_issues
from ntk_labelqa.gram.choose import invert
from ntk_labelqa.label_model.annotations import Annotations

SETS = ("cifar100-coarse", "trec-embeddings")
LENGTHS = (0.0, 3.0, 10.0)
ITEMS = 2500
PREPARATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "nothing": lambda rows: rows,
    "centred": lambda rows: rows - rows.mean(axis=0),
    "centred, columns scaled": lambda rows: (rows - rows.mean(axis=0)) / (rows.std(axis=0) + 1e-9),
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    given = parser.parse_args()
    print("| set | mean cosine | done to rows | average precision | F1 | right after | calibration error |")
    print("|---|---|---|---|---|---|---|")
    for name in SETS:
        features, right = load(name, given.data_dir, ITEMS)
        rows = features / np.linalg.norm(features, axis=1, keepdims=True)
        way = np.random.default_rng(0).normal(size=rows.shape[1])
        wrong = corrupted("uniform-15", rows, right, 1)
        for length in LENGTHS:
            moved = rows + length * way / np.linalg.norm(way)
            unit = moved / np.linalg.norm(moved, axis=1, keepdims=True)
            for words, prepare in PREPARATIONS.items():
                figures = measured(_verdict(prepare(moved.astype(np.float64)), wrong), wrong, right)
                shown = " | ".join(f"{figures[key]:.3f}" for key in ("ap", "f1", "accuracy", "ece"))
                print(f"| {name} | {np.square(unit.mean(axis=0)).sum():.2f} | {words} | {shown} |", flush=True)


def _verdict(features: np.ndarray, given: np.ndarray) -> Verdict:
    class_count = int(given.max()) + 1
    inverse = invert(features, np.eye(class_count)[given], architecture="2-L")
    issues = find_issues(inverse, Annotations.of_codes(given, class_count))
    corrected = np.where(issues.is_label_issue, issues.predicted, given)
    return Verdict(issues.score_rank, issues.is_label_issue, corrected, issues.error_probability)


if __name__ == "__main__":
    main()
