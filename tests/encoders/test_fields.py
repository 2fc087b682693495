"""Rows of the task data as features: numbers, categories, texts, and what is missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ntk_labelqa.dataset import Control, LabeledDataset, from_arrays
from ntk_labelqa.encoders.choose import encode
from ntk_labelqa.encoders.fields import encode_fields
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.inputs.preparation import fit_preparation


def of_tasks(data: list[dict], kind: str = "row", key: str = "row") -> LabeledDataset:
    """Items with this task data."""
    plain = from_arrays(["a", "b"] * (len(data) // 2))
    return replace(plain, kind=kind, items=plain.items.assign(data=data), control=Control("c", "t", value_key=key))


def test_columns_are_told_apart() -> None:
    rows = [
        {"age": 30 + i, "price": f"{i}.5", "town": "AB"[i % 2], "note": f"word{i} and more", "same": 1, "tags": [1]}
        for i in range(8)
    ]
    _, columns = encode_fields(rows)
    assert (columns.numbers, columns.categories, columns.texts) == (("age", "price"), ("town",), ("note",))


def test_missing_values_are_kept_apart_and_change_no_other_row() -> None:
    rows = [{"age": float(i), "town": "AB"[i % 2]} for i in range(10)]
    full, _ = encode_fields(rows)
    holes = [{**rows[0], "age": None}, {**rows[1], "town": ""}, {"age": float("nan"), "town": None}, *rows[3:]]
    features, _ = encode_fields(holes)
    assert np.isfinite(features).all()
    assert features.shape[1] > full.shape[1]
    assert not features[2].any()
    assert len({tuple(row) for row in features}) == 10


def prepared(rows: list[dict]) -> np.ndarray:
    """Features as a kernel is to see them."""
    features, columns = encode_fields(rows)
    numbers = np.arange(1, 1 + len(columns.numbers))
    return fit_preparation("standardize", features, numbers=np.isin(np.arange(features.shape[1]), numbers))(features)


def test_scale_and_unit_do_not_matter_and_a_typing_error_does_not_rule() -> None:
    grams = [{"weight": 1000.0 * i, "size": float(-i)} for i in range(6)]
    kilos = [{"weight": 1.0 * i, "size": float(-i)} for i in range(6)]
    assert np.allclose(prepared(grams), prepared(kilos), atol=1e-6)
    wild = prepared([{"weight": float(i)} for i in range(60)] + [{"weight": 1e12}])
    assert np.abs(wild).max() <= 5.0


def test_rows_that_all_say_the_same_are_an_error() -> None:
    with pytest.raises(InvalidInputError, match=r"None of the 2 fields.*distinguishes two items"):
        encode_fields([{"a": 1, "b": [1, 2]}] * 4)


def test_the_row_that_the_task_shows_is_taken_and_said() -> None:
    encoded = encode(of_tasks([{"row": {"age": i, "town": "AB"[i % 2]}, "id": i} for i in range(6)]))
    assert encoded.encoder == "fields"
    assert "numbers age; categories town" in encoded.dataset.provenance.notes[-1]


def test_a_vector_in_every_task_goes_first_and_is_said() -> None:
    data = [{"text": "hello", "embedding": [float(i), 1.0, 0.0]} for i in range(4)]
    encoded = encode(of_tasks(data, "text", "text"))
    assert (encoded.encoder, encoded.features.shape) == ("vector", (4, 3))
    assert "'embedding'" in encoded.dataset.provenance.notes[-1]
    assert encode(of_tasks(data, "text", "text"), encoder="vector:embedding").features.tolist()[2] == [2, 1, 0]


def test_tasks_without_the_vector_asked_for_are_named() -> None:
    data = [{"v": [1.0, 2.0]}, {"v": [1.0, float("nan")]}, {"v": [1.0, 2.0, 3.0]}, {}]
    with pytest.raises(InvalidInputError, match=r"3 of 4 tasks have no vector of 3 numbers under 'v': 0, 1, 3"):
        encode(of_tasks(data), encoder="vector:v")
