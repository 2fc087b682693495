"""The audit's probabilities, held against what reviewers decided."""

from __future__ import annotations

import pandas as pd
import pytest

from ntk_labelqa.diagnostics.hit_rate import hit_rates


def table(*rows: tuple[float, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["error_probability", "decision"])


def test_counts_by_band_and_in_all() -> None:
    rates = hit_rates(table((0.99, "accept"), (1.0, "accept"), (0.995, "other"), (0.6, "keep"), (0.55, "accept")))
    assert rates["low"].tolist() == [0.5, 0.99, 0.0]
    assert rates["decided"].tolist() == [2, 3, 5]
    assert rates["hit_rate"].tolist() == pytest.approx([0.5, 2 / 3, 0.6])
    assert rates["wrong"].tolist() == pytest.approx([0.5, 1.0, 0.8])
    assert rates["stated"].tolist() == pytest.approx([0.575, 0.995, 0.827])
    assert (rates["wrong_low"] <= rates["wrong"]).all()
    assert (rates["wrong"] <= rates["wrong_high"]).all()


@pytest.mark.parametrize("decision", ["unsure", "skipped", "conflict", "open", "unreadable"])
def test_what_is_undecided_says_nothing(decision) -> None:
    rates = hit_rates(table((0.9, decision), (0.95, "accept")))
    assert rates["decided"].tolist() == [1, 1]


def test_nothing_decided_is_an_empty_table() -> None:
    assert len(hit_rates(table((0.9, "open")))) == 0
    assert len(hit_rates(table())) == 0
