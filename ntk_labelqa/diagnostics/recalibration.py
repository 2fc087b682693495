r"""Error probabilities put right by what reviewers said of earlier ones.

.. math::
    \operatorname{logit} p' = \operatorname{logit} p + (a - 1) \max(\operatorname{logit} p, 0) + b

Source: Platt (1999), with priors that hold a at 1 and b at 0 until verdicts say otherwise. b says by which factor
errors are rarer or more frequent than was thought, a how much the audit's evidence weighs. Reviewers see flagged labels
alone: below one half, where they have seen none, b is carried over and a is not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit, log_expit, logit

from ntk_labelqa.diagnostics.label_issues import LabelIssues
from ntk_labelqa.findings import of_labels

FEWEST = 30
"""Verdicts below which nothing is concluded from them."""
SLOPE_SPREAD, SHIFT_SPREAD = 0.25, 1.0
"""Standard deviations of the priors of a and b."""
SUREST = 1e-4
"""Verdicts count as if on probabilities at least this far from 0 and 1: one slip must not outweigh all others."""
WRONG, DECIDED = ("accept", "other"), ("accept", "other", "keep")


@dataclass(frozen=True)
class Recalibration:
    """An increasing map of error probabilities.

    Attributes:
        slope, shift: a and b.
        verdicts: on how many labels reviewers had decided.
        stated: mean error probability of these labels, before.
        wrong: share of them that reviewers call wrong.
    """

    slope: float
    shift: float
    verdicts: int
    stated: float
    wrong: float

    @classmethod
    def of_decisions(cls, decisions: pd.DataFrame) -> Recalibration | None:
        """The most probable a and b; None where fewer than :data:`FEWEST` labels are decided.

        Args:
            decisions: see :mod:`ntk_labelqa.labelstudio.review.decisions`; its ``model_probability`` where it has one,
                so that what was put right once is not put right twice.
        """
        labels = of_labels(decisions)
        decided = labels[labels["decision"].isin(DECIDED)]
        if len(decided) < FEWEST:
            return None
        stated = decided["error_probability"]
        if "model_probability" in decided:
            stated = decided["model_probability"].fillna(stated)
        wrong = decided["decision"].isin(WRONG).to_numpy(float)
        log_odds = logit(np.clip(stated.to_numpy(float), SUREST, 1.0 - SUREST))
        slope, shift = _fitted(log_odds, wrong)
        return cls(slope, shift, len(decided), float(stated.mean()), float(wrong.mean()))

    def __call__(self, probabilities: np.ndarray) -> np.ndarray:
        """p' of p, both float64[A] from 0 to 1."""
        with np.errstate(divide="ignore"):  # what is certain stays so
            return expit(_score(logit(probabilities), self.slope, self.shift))

    def __str__(self) -> str:
        return (
            f"Error probabilities re-calibrated by {self.verdicts} verdicts of reviewers: of labels that were stated "
            f"{self.stated:.0%} wrong on average, they called {self.wrong:.0%} wrong."
        )


def recalibrated(issues: LabelIssues, recalibration: Recalibration) -> LabelIssues:
    """*issues* with error probabilities put right; what is more probably right by them is not flagged.

    Nothing is flagged that was not: reviewers have not said what it should be.
    """
    after = recalibration(issues.error_probability)
    return replace(issues, error_probability=after, is_label_issue=issues.is_label_issue & (after > 0.5))


def _score(log_odds: np.ndarray, slope: float, shift: float) -> np.ndarray:
    return np.where(log_odds > 0, slope * log_odds, log_odds) + shift


def _fitted(log_odds: np.ndarray, wrong: np.ndarray) -> tuple[float, float]:
    """The mode of the posterior of a and b; a is kept from 0 on, so that the order stays."""

    def loss(parameters: np.ndarray) -> float:
        slope, shift = parameters
        score = _score(log_odds, slope, shift)
        surprise = -(wrong * log_expit(score) + (1.0 - wrong) * log_expit(-score)).sum()
        return surprise + ((slope - 1.0) / SLOPE_SPREAD) ** 2 / 2 + (shift / SHIFT_SPREAD) ** 2 / 2

    found = minimize(loss, np.array([1.0, 0.0]), bounds=[(0.05, None), (None, None)], method="L-BFGS-B")
    return float(found.x[0]), float(found.x[1])
