"""How often reviewers agreed with the audit: its probabilities, held against people."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ntk_labelqa.diagnostics.scheme_ranking import wilson_interval
from ntk_labelqa.findings import of_labels

EDGES = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
"""Bands of the error probability that the audit stated; the last one is closed on both sides."""


def hit_rates(decisions: pd.DataFrame) -> pd.DataFrame:
    """The reviewers' verdicts by band of the audit's error probability, one row a band that has any, and one of all.

    Args:
        decisions: ``error_probability`` (0 to 1) and ``decision``: ``accept`` (the suggestion is right), ``other``
            (the label is wrong, and so is the suggestion), ``keep`` (the label is right); anything else is undecided.

    Returns:
        DataFrame: ``low, high`` of the band, ``decided``, ``accepted``, ``other``, ``kept``, ``stated`` (mean error
        probability of the decided ones), ``wrong`` (share whose label reviewers call wrong) with its 95 % interval
        ``wrong_low, wrong_high``, and ``hit_rate`` (share whose suggestion they accept). Well calibrated means that
        ``stated`` lies within the interval.
    """
    decided = of_labels(decisions)
    decided = decided[decided["decision"].isin(("accept", "other", "keep"))]
    bands = pd.cut(decided["error_probability"], list(EDGES), right=False, labels=False).fillna(len(EDGES) - 2)
    rows = [
        _row(EDGES[int(band)], EDGES[int(band) + 1], decided[bands == band]) for band in np.unique(bands.to_numpy(int))
    ]
    if len(decided):
        rows.append(_row(EDGES[0], EDGES[-1], decided))
    columns = ("low", "high", "decided", "accepted", "other", "kept", "stated", "wrong", "wrong_low", "wrong_high")
    return pd.DataFrame(rows, columns=[*columns, "hit_rate"])


def _row(low: float, high: float, decided: pd.DataFrame) -> dict[str, float]:
    counts = decided["decision"].value_counts()
    accepted, other, kept = (int(counts.get(decision, 0)) for decision in ("accept", "other", "keep"))
    total = accepted + other + kept
    wrong_low, wrong_high = wilson_interval(accepted + other, total)
    return {
        "low": low,
        "high": high,
        "decided": total,
        "accepted": accepted,
        "other": other,
        "kept": kept,
        "stated": float(decided["error_probability"].mean()),
        "wrong": (accepted + other) / total,
        "wrong_low": wrong_low,
        "wrong_high": wrong_high,
        "hit_rate": accepted / total,
    }
