"""``auto``: the architecture that fits, among those that can be afforded."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from ntk_labelqa.diagnostics import architecture_choice
from ntk_labelqa.diagnostics.architecture_choice import choose_architecture
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.kernels.architectures import NAMES


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    images, labels = load_digits(return_X_y=True)
    return images[:120].reshape(-1, 8, 8), np.eye(10)[labels[:120]]


@pytest.mark.long
def test_every_architecture_that_takes_images_is_tried(digits) -> None:
    choice = choose_architecture(*digits)
    assert set(choice.errors) == set(NAMES)
    assert choice.name == min(choice.errors, key=choice.errors.__getitem__)
    assert choice.errors["linear"] > choice.errors["CNN-2"]


def test_convolutions_are_left_out_of_vectors_and_it_is_said(digits) -> None:
    images, labels = digits
    choice = choose_architecture(images.reshape(len(images), -1), labels)
    assert set(choice.errors) == {"linear", "2-L", "10-L"}
    assert "are no images" in choice.left_out["CNN-1"]


def test_what_would_take_too_long_is_left_out_and_it_is_said(digits, monkeypatch) -> None:
    images, labels = digits
    monkeypatch.setattr(architecture_choice, "MOST_WORK", 1e7)
    choice = choose_architecture(images, labels)
    assert set(choice.errors) == {"linear", "2-L", "10-L"}
    assert "too slow for 120 items" in choice.left_out["CNN-3"]


class Repeated:
    """As many rows as are said, in the memory of a few."""

    def __init__(self, rows: np.ndarray, count: int) -> None:
        self.rows, self.count = rows, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, key: slice | np.ndarray) -> np.ndarray:
        return self.rows[key] if isinstance(key, slice) else self.rows[key % len(self.rows)]


@pytest.mark.parametrize("items", [10**6, 10**7])
def test_of_any_number_of_items_dense_kernels_are_judged(digits, items: int) -> None:
    images, labels = digits
    choice = choose_architecture(Repeated(images.reshape(len(images), -1), items), Repeated(labels, items))
    assert set(choice.errors) == {"linear", "2-L", "10-L"}


def test_targets_that_are_linear_in_the_features_get_the_linear_kernel() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(120, 10))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    assert choose_architecture(features, features @ random.normal(size=(10, 2))).name == "linear"


def test_features_that_no_architecture_takes() -> None:
    with pytest.raises(InvalidInputError, match="No architecture takes"):
        choose_architecture(np.full((5, 3), np.nan), np.eye(5))
