"""Consensus labels beside majority vote and Dawid and Skene's, on real crowd answers and on digits with made-up crowds.

crowd-kit is not among the project's dependencies; an environment for this script::

    uv venv bench && uv pip install --python bench/bin/python crowd-kit --editable .
    bench/bin/python benchmarks/crowd.py --data-dir FOLDER

FOLDER holds ``dog_answers.csv.gz``, ``dog_truth.csv.gz`` and the same of ``product`` (columns question, worker, answer;
question, truth), as collected by Zheng et al., "Truth Inference in Crowdsourcing", VLDB 2017. These have no features.
The digits come with scikit-learn; there annotators are made up, and the last column uses the images besides.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

from ntk_labelqa.diagnostics.consensus import consensus_of
from ntk_labelqa.diagnostics.label_issues import find_issues
from ntk_labelqa.gram.choose import invert
from ntk_labelqa.label_model.annotations import Annotations

SEEDS = 5
CROWDS = {"3 of 8, 10 to 50 % wrong": (8, 3, 0.1, 0.5), "2 of 20, 5 to 60 % wrong": (20, 2, 0.05, 0.6)}
"""Labels an item, annotators, and the range of their error rates."""


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    asked = parser.parse_args()
    print("| set | items | answers | majority | Dawid-Skene | ours, answers alone |\n|---|---|---|---|---|---|")
    for name in ("dog", "product"):
        annotations, truth = real(asked.data_dir, name)
        print(f"| {name} | {len(truth)} | {len(annotations)} | {row(annotations, truth)} |", flush=True)
    print("\n| digits, labels an item | majority | Dawid-Skene | ours, answers alone | ours, with the images |")
    print("|---|---|---|---|---|")
    for name, crowd in CROWDS.items():
        runs = np.array([digits(seed, *crowd) for seed in range(SEEDS)])
        print(f"| {name} | {' | '.join(f'{median:.4f}' for median in np.median(runs, axis=0))} |", flush=True)


def real(folder: Path, name: str) -> tuple[Annotations, np.ndarray]:
    """The answers to the questions whose truth is known, and that truth."""
    answers, truth = (pd.read_csv(folder / f"{name}_{what}.csv.gz") for what in ("answers", "truth"))
    truth = truth.drop_duplicates("question").set_index("question")["truth"]
    answers = answers[answers["question"].isin(truth.index)]
    items, questions = pd.factorize(answers["question"])
    workers, _ = pd.factorize(answers["worker"])
    classes = np.unique(np.concatenate([answers["answer"], truth]))
    labels = np.searchsorted(classes, answers["answer"])
    annotations = Annotations(items, labels, workers, len(questions), len(classes))
    return annotations, np.searchsorted(classes, truth.loc[questions])


def row(annotations: Annotations, truth: np.ndarray) -> str:
    """Accuracy of the three that need no features."""
    return " | ".join(f"{accuracy:.4f}" for accuracy in accuracies(annotations, truth))


def accuracies(annotations: Annotations, truth: np.ndarray) -> list[float]:
    """Of majority vote, Dawid-Skene and ours."""
    from crowdkit.aggregation import DawidSkene, MajorityVote

    table = pd.DataFrame({"task": annotations.items, "worker": annotations.annotators, "label": annotations.labels})
    methods: list[Callable[[], np.ndarray]] = [
        lambda: MajorityVote().fit_predict(table).sort_index().to_numpy(),
        lambda: DawidSkene(n_iter=100).fit_predict(table).sort_index().to_numpy(),
        lambda: consensus_of(annotations).labels,
    ]
    return [float((method() == truth).mean()) for method in methods]


def digits(seed: int, people: int, each: int, best: float, worst: float) -> list[float]:
    """Accuracies on the digit images, each labelled by *each* of *people*."""
    images, truth = load_digits(return_X_y=True)
    random = np.random.default_rng(seed)
    rates = np.linspace(best, worst, people)
    who = np.stack([random.permutation(people)[:each] for _ in truth]).ravel()
    items = np.repeat(np.arange(len(truth)), each)
    wrong = random.random(len(items)) < rates[who]
    labels = np.where(wrong, (truth[items] + random.integers(1, 10, len(items))) % 10, truth[items])
    annotations = Annotations(items, labels, who, len(truth), 10)
    inverse = invert(images, annotations.means(), architecture="2-L")
    with_images = find_issues(inverse, annotations).posterior.probabilities.argmax(axis=1)
    return [*accuracies(annotations, truth), float((with_images == truth).mean())]


if __name__ == "__main__":
    main()
