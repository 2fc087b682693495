"""Factors kept from audit to audit: the same answers, for the same items alone, within a size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ntk_labelqa.gram import choose
from ntk_labelqa.gram.choose import invert
from ntk_labelqa.gram.factor_cache import FactorCache


@pytest.fixture
def features() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(80, 6))


@pytest.fixture
def labels(features: np.ndarray) -> np.ndarray:
    return np.eye(2)[(features[:, 0] > 0).astype(int)]


def no_kernel(*_args: object, **_options: object) -> None:
    raise AssertionError("a kernel was computed")


@pytest.mark.parametrize("landmarks", ["all", 30])
def test_other_labels_of_the_same_items_need_no_kernel(features, labels, landmarks, tmp_path, monkeypatch) -> None:
    cache = FactorCache(tmp_path)
    invert(features, labels, architecture="2-L", landmarks=landmarks, cache=cache)
    swapped = labels[:, ::-1]
    fresh = invert(features, swapped, architecture="2-L", landmarks=landmarks)
    monkeypatch.setattr(choose, "exact_inverse", no_kernel)
    monkeypatch.setattr(choose, "nystrom_inverse", no_kernel)
    again = invert(features, swapped, architecture="2-L", landmarks=landmarks, cache=cache)
    assert again.ridge == fresh.ridge
    assert np.array_equal(again.apply(swapped), fresh.apply(swapped))


@pytest.mark.parametrize("change", ["an item", "architecture", "landmarks", "seed", "dtype"])
def test_anything_else_that_changes_is_computed_anew(features, labels, change, tmp_path) -> None:
    cache = FactorCache(tmp_path)
    invert(features, labels, architecture="2-L", landmarks=30, cache=cache)
    options: dict = {"architecture": "2-L", "landmarks": 30}
    options |= {"architecture": {"architecture": "10-L"}, "landmarks": {"landmarks": 31}}.get(change, {})
    options |= {"seed": {"seed": 1}, "dtype": {"dtype": "float64"}}.get(change, {})
    other = features + (change == "an item") * np.eye(80, 6)
    cached, fresh = (invert(other, labels, cache=at, **options) for at in (cache, None))
    assert np.array_equal(cached.diagonal(), fresh.diagonal())
    assert len(list(tmp_path.iterdir())) == 2


def test_those_unused_for_longest_make_room(features, labels, tmp_path: Path) -> None:
    size = 80 * 30 * 4
    cache = FactorCache(tmp_path, most_bytes=int(2.5 * size))
    for seed in range(4):
        invert(features, labels, architecture="2-L", landmarks=30, seed=seed, cache=cache)
    assert 1 <= len(list(tmp_path.iterdir())) <= 2
    invert(features, labels, architecture="2-L", landmarks=30, cache=FactorCache(tmp_path / "small", most_bytes=10))
    assert list((tmp_path / "small").iterdir()) == []


def test_a_damaged_entry_is_computed_anew(features, labels, tmp_path: Path) -> None:
    cache = FactorCache(tmp_path)
    whole = invert(features, labels, architecture="2-L", landmarks=30, cache=cache)
    (entry,) = tmp_path.iterdir()
    (entry / "features.npy").write_bytes(b"")
    again = invert(features, labels, architecture="2-L", landmarks=30, cache=cache)
    assert np.array_equal(again.diagonal(), whole.diagonal())
    assert (entry / "features.npy").stat().st_size > 80 * 29 * 4


def test_a_folder_that_cannot_be_written_costs_time_alone(features, labels, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cached = invert(features, labels, architecture="2-L", cache=FactorCache(tmp_path / "file" / "below"))
    assert np.array_equal(cached.diagonal(), invert(features, labels, architecture="2-L").diagonal())
