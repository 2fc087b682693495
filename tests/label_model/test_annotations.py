"""Folds: a function of the item and the seed alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from ntk_labelqa.dataset import from_arrays
from ntk_labelqa.label_model.annotations import FOLDS, Annotations


def test_one_item_more_leaves_the_others_in_their_folds() -> None:
    few, more = (Annotations.of_codes(np.zeros(count, int), 2).folds() for count in (1000, 1001))
    assert (more[:1000] == few).all()


def test_the_order_of_the_items_does_not_matter() -> None:
    dataset = from_arrays(["a", "b"] * 100)
    items = pd.DataFrame({"task_id": 7 + 3 * np.arange(200), "value": [""] * 200})
    order = np.random.default_rng(0).permutation(200)
    folds, shuffled = (
        Annotations.of_dataset(replace(dataset, items=some)).folds()
        for some in (items, items.iloc[order].reset_index(drop=True))
    )
    assert (folds[order] == shuffled).all()


def test_regions_of_a_task_are_items_of_their_own() -> None:
    dataset = from_arrays(["a", "b"] * 100)
    items = pd.DataFrame({"task_id": np.full(200, 5), "value": "", "region_id": [f"r{row}" for row in range(200)]})
    assert len(set(Annotations.of_dataset(replace(dataset, items=items)).folds())) == FOLDS


def test_folds_are_about_equal_and_the_seed_deals_them_anew() -> None:
    first, second = (Annotations.of_codes(np.zeros(5000, int), 2, seed=seed).folds() for seed in (0, 1))
    assert np.bincount(first, minlength=FOLDS).min() > 900
    assert (first == second).mean() < 0.25
