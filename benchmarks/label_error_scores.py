"""What is measured of each method in ``label_errors.py``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from ntk_labelqa.diagnostics.self_measurement import calibration_error

DOUBTED = 0.05
"""Calibration is measured over all items, and again over those with a larger ``error_probability`` than this."""


@dataclass(frozen=True)
class Verdict:
    """What a method says of each label.

    Attributes:
        score: float[N], high = suspect.
        flagged: bool[N].
        corrected: int[N], the labels once its suggestions are applied.
        error_probability: float[N], or None where the method gives none.
    """

    score: np.ndarray
    flagged: np.ndarray
    corrected: np.ndarray
    error_probability: np.ndarray | None = None


def measured(verdict: Verdict, given: np.ndarray, right: np.ndarray) -> dict[str, float]:
    """Shares in 0..1; NaN where nothing was planted or nothing is given to judge by.

    *missed*: of the wrong labels, by whoever looks at as many as are wrong, the most suspect first.
    """
    wrong = given != right
    figures = {"auroc": np.nan, "ap": np.nan, "missed": np.nan, "f1": np.nan, "corrected": np.nan}
    if wrong.any():
        hit = (verdict.flagged & wrong).sum()
        figures["auroc"] = roc_auc_score(wrong, verdict.score)
        figures["ap"] = average_precision_score(wrong, verdict.score)
        looked_at = np.argsort(-verdict.score, kind="stable")[: wrong.sum()]
        figures["missed"] = 1 - wrong[looked_at].mean()
        figures["f1"] = 2 * hit / (verdict.flagged.sum() + wrong.sum())
        figures["corrected"] = (verdict.corrected == right)[wrong].mean()
    figures["broken"] = (verdict.corrected != given)[~wrong].mean()
    figures["accuracy"] = (verdict.corrected == right).mean()
    figures["ece"] = figures["ece05"] = figures["brier"] = np.nan
    if verdict.error_probability is not None:
        p = verdict.error_probability
        doubted = p > DOUBTED
        figures["ece"] = calibration_error(p, wrong)
        figures["ece05"] = calibration_error(p[doubted], wrong[doubted]) if doubted.any() else 0.0
        figures["brier"] = np.square(p - wrong).mean()
    return figures
