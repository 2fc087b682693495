"""Which of two labellings is better by more than chance, and each task's label where several people labelled it."""

from __future__ import annotations

import pandas as pd
import pytest
from scipy.stats import binomtest

from ntk_labelqa.gate.comparisons import coin_tail, is_better, labels_by_task


@pytest.mark.parametrize(("heads", "tosses"), [(1, 1), (3, 3), (5, 6), (60, 100), (5100, 10_000), (30_200, 60_000)])
def test_the_tail_is_that_of_the_sign_test(heads: int, tosses: int) -> None:
    assert coin_tail(heads, tosses) == pytest.approx(binomtest(heads, tosses, alternative="greater").pvalue, rel=1e-8)


@pytest.mark.parametrize(
    ("theirs", "ours", "better"),
    [(0, 0, False), (4, 0, False), (5, 0, True), (0, 5, False), (12, 8, False), (16, 4, True)],
)
def test_better_means_by_more_than_chance(theirs: int, ours: int, better: bool) -> None:
    alike = [True] * 50 + [False] * 50
    a = pd.Series([*alike, *([True] * theirs), *([False] * ours)])
    b = pd.Series([*alike, *([False] * theirs), *([True] * ours)])
    assert is_better(a, b) is better


def test_a_tasks_label_is_the_most_frequent_one() -> None:
    table = pd.DataFrame({"task_id": [2, 1, 1, 1, 2], "given_label": ["b", "x", "y", "x", "a"]})
    assert labels_by_task(table).to_dict() == {1: "x", 2: "a"}
