"""Small data sets with known answers, for tests of any room."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.auditing import audit_features
from ntk_labelqa.dataset import Control, LabeledDataset, Provenance, from_arrays
from ntk_labelqa.options import AuditOptions
from ntk_labelqa.progress import Stages


def noisy_digits(count: int = 400, share: float = 0.08, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(features [N, 64], given labels, right labels) of scikit-learn's digits with *share* of the labels wrong."""
    from sklearn.datasets import load_digits

    features, right = load_digits(return_X_y=True)
    features, right = features[:count], right[:count]
    random = np.random.default_rng(seed)
    given = right.copy()
    wrong = random.choice(count, round(share * count), replace=False)
    given[wrong] = (given[wrong] + random.integers(1, 10, size=len(wrong))) % 10
    return features, given, right


def digits_dataset(count: int = 400, **options) -> tuple[np.ndarray, LabeledDataset, np.ndarray]:
    """(features, data set of texts standing for the digits, right labels): as if pulled from project 7 of a server."""
    features, given, right = noisy_digits(count, **options)
    plain = from_arrays(given.tolist())
    return (
        features,
        replace(
            plain,
            kind="text",
            items=pd.DataFrame({"task_id": 1000 + np.arange(count), "value": [f"digit {row}" for row in range(count)]}),
            annotations=plain.annotations.assign(
                annotation_id=5000 + np.arange(count), annotator=[f"annotator-{row % 3 + 1}" for row in range(count)]
            ),
            control=Control("digit", "text", "Choices", "text"),
            provenance=Provenance("http://127.0.0.1:1", 7, "Digits", "http://127.0.0.1:1"),
        ),
        right,
    )


def digits_audit(count: int = 400) -> Audit:
    """A whole audit of :func:`digits_dataset`."""
    features, dataset, _ = digits_dataset(count)
    return audit_features(features, dataset, AuditOptions(architecture="2-L"), encoder="precomputed", stages=Stages())
