"""Whether numbers should be standardised before a kernel sees them: never, always, or as ``auto`` judges.

    python benchmarks/preparation.py --data-dir FOLDER [--seeds 3]

Sets are tables as they come, in their own units (of scikit-learn, and the raw columns of ``label_error_sets.py``
files), images as rows of pixels, TF-IDF directions of texts, and embeddings, also with one vector three times their
length added to all rows; 2,500 items at most, 15 % of the labels wrong at random, means over the seeds of the noise.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from label_error_methods import Verdict
from label_error_scores import measured
from label_error_sets import Sample, load
from label_noise import corrupted
from sklearn.datasets import load_breast_cancer, load_iris, load_wine

from ntk_labelqa.diagnostics.fitted_kernel import fit_kernel
from ntk_labelqa.diagnostics.label_issues import find_issues
from ntk_labelqa.inputs.features import read_features
from ntk_labelqa.inputs.preparation import plain_numbers
from ntk_labelqa.label_model.annotations import Annotations
from ntk_labelqa.options import KernelOptions, Preparation

ITEMS = 2500
ASKED: tuple[Preparation, ...] = ("none", "center", "standardize", "auto")
OF_FOLDER = ("digits", "mnist", "fashion", "trec", "cifar100-coarse", "trec-embeddings")
OF_SCIKIT_LEARN: dict[str, Callable[..., Sample]] = {
    "iris": load_iris,
    "wine": load_wine,
    "breast cancer": load_breast_cancer,
}
TABLES = {"phoneme": "y", "adult": "income"}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    print("| set | items x columns | none: average precision, F1 | center | standardize | auto | auto took |")
    print("|---|---|---|---|---|---|---|")
    for name in (*OF_SCIKIT_LEARN, *TABLES, *OF_FOLDER, "trec-embeddings, moved"):
        features, right = _set(name, given.data_dir)
        cells, taken = [], Counter[str]()
        for asked in ASKED:
            figures = []
            for seed in range(given.seeds):
                verdict, took, wrong = _verdict(features, right, asked, seed)
                figures.append([measured(verdict, wrong, right)[key] for key in ("ap", "f1")])
                taken.update([took] if asked == "auto" else [])
            cells.append(", ".join(f"{figure:.3f}" for figure in np.mean(figures, axis=0)))
        size = f"{len(features)} x {features.shape[1]}"
        print(f"| {name} | {size} | {' | '.join(cells)} | {', '.join(taken)} |", flush=True)


def _set(name: str, folder: Path) -> Sample:
    if name in OF_SCIKIT_LEARN:
        features, right = OF_SCIKIT_LEARN[name](return_X_y=True)
    elif name in TABLES:
        table = pd.read_csv(folder / f"{name}.csv.gz").drop(columns="split", errors="ignore")
        table = table.sample(ITEMS, random_state=0)
        label = TABLES[name]
        texts = table.drop(columns=label).select_dtypes("object").columns
        features = read_features(table.drop(columns=label).astype(dict.fromkeys(texts, "category"))).values
        right = pd.factorize(table[label], sort=True)[0]
    else:
        features, right = load(name.partition(",")[0], folder, ITEMS)
        if name.endswith("moved"):
            way = np.random.default_rng(0).normal(size=features.shape[1])
            features = features + 3 * np.linalg.norm(features, axis=1).mean() * way / np.linalg.norm(way)
    return features.astype(np.float64), right


def _verdict(features: np.ndarray, right: np.ndarray, asked: Preparation, seed: int) -> tuple[Verdict, str, np.ndarray]:
    given, class_count = corrupted("uniform-15", features, right, seed), int(right.max()) + 1
    options = KernelOptions("2-L", asked)
    fitted = fit_kernel(features, np.eye(class_count)[given], options, numbers=plain_numbers(features))
    issues = find_issues(fitted.inverse, Annotations.of_codes(given, class_count))
    corrected = np.where(issues.is_label_issue, issues.predicted, given)
    verdict = Verdict(issues.score_rank, issues.is_label_issue, corrected, issues.error_probability)
    return verdict, fitted.preparation.name, given


if __name__ == "__main__":
    main()
