"""What is said before memory is spent, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from ntk_labelqa.errors import MemoryBudgetError
from ntk_labelqa.gram.inverse_plan import FEWEST, usual_landmarks
from ntk_labelqa.gram.matrix import gram_matrix, prepare
from ntk_labelqa.gram.plan import plan_gram, timed
from ntk_labelqa.gram.tiles import upper_tiles


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(60, 8))


def test_bytes_and_tiles_are_those_spent(features) -> None:
    kernel, inputs = prepare(features, "2-L", "float32")
    plan = plan_gram(kernel, inputs, memory_limit=60**2 * 4 + 49 * kernel.bytes_per_pair(inputs))
    assert (plan.result_bytes, plan.side) == (60**2 * 4, 7)
    assert plan.working_bytes == 49 * kernel.bytes_per_pair(inputs)
    assert plan.tiles == len(list(upper_tiles(60, 7)))
    assert "60 items: 14.1 KiB" in str(plan)


def test_time_is_extrapolated_from_a_tile(features) -> None:
    kernel, inputs = prepare(features, "2-L", "float32")
    plan = timed(plan_gram(kernel, inputs), kernel, inputs)
    assert plan.tile_seconds is not None
    assert plan.seconds == plan.tile_seconds * plan.tiles > 0


def test_a_small_budget_gives_small_tiles_and_the_same_values(features) -> None:
    whole = gram_matrix(features, dtype="float32")
    limit = 60**2 * 4 + 12 * 9
    assert np.abs(gram_matrix(features, dtype="float32", memory_limit=limit) - whole).max() < 1e-6


@pytest.mark.parametrize("limit", [60**2 * 4, 1000, 0])
def test_what_does_not_fit_is_refused_with_the_way_out(features, limit: int) -> None:
    with pytest.raises(MemoryBudgetError, match=r"60 items needs 14.1 KiB .*landmarks.*gram_file"):
        gram_matrix(features, dtype="float32", memory_limit=limit)


def test_more_than_the_machine_has_is_refused_before_it_is_allocated() -> None:
    with pytest.raises(MemoryBudgetError, match=r"3,000,000 items needs 6.71e\+04 GiB"):
        gram_matrix(np.ones((3_000_000, 1)))


@pytest.mark.parametrize(("items", "taken"), [(2000, "auto"), (200_000, "auto"), (10**6, 671), (10**8, FEWEST)])
def test_landmarks_get_fewer_where_features_of_all_items_would_be_large(items: int, taken: int | str) -> None:
    assert usual_landmarks(items, 4) == taken
