"""Plain numbers: what a table of them gives, from Python, from a features file and from the task data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.metrics import average_precision_score

from ntk_labelqa import AuditOptions, InvalidInputError, architecture_fit, find_label_issues, rank_schemes
from ntk_labelqa.auditing import run_audit
from ntk_labelqa.diagnostics.preparation_choice import choose_preparation
from ntk_labelqa.encoders.precomputed import write_features
from ntk_labelqa.inputs.preparation import FURTHEST, fit_preparation, plain_numbers
from tests.encoders.test_fields import of_tasks


def wrong_at_random(codes: np.ndarray, share: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """*codes* with *share* of them changed, and which."""
    random = np.random.default_rng(seed)
    wrong = random.random(len(codes)) < share
    others = (codes + random.integers(1, codes.max() + 1, size=len(codes))) % (codes.max() + 1)
    return np.where(wrong, others, codes), wrong


def of_two_correlated_columns(count: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two positive columns that rise together, and classes by how high they are."""
    random = np.random.default_rng(seed)
    height = random.normal(size=count)
    return np.c_[50 + 10 * height, 52 + 10 * height + random.normal(size=count)], (height > 0).astype(int)


@pytest.mark.parametrize("load", [load_wine, load_breast_cancer])
def test_tables_with_columns_of_different_units_are_judged_as_standardised(load) -> None:
    features, right = load(return_X_y=True)
    labels, wrong = wrong_at_random(right, 0.1)
    found = find_label_issues(features, labels, architecture="2-L")
    raw = find_label_issues(features, labels, architecture="2-L", preparation="none")
    assert found.attrs["preparation"] == "standardize"
    precision, before = (average_precision_score(wrong, table.error_probability) for table in (found, raw))
    assert precision > 0.9
    assert precision > before + 0.02


def test_two_columns_that_rise_together_mislead_no_longer() -> None:
    features, right = of_two_correlated_columns()
    labels, wrong = wrong_at_random(right, 0.06)
    found = find_label_issues(features, labels)
    assert (found.is_label_issue & wrong).sum() >= 0.8 * wrong.sum()
    assert (found.is_label_issue & ~wrong).sum() <= 2


def test_one_column_that_tells_the_classes_apart_is_enough() -> None:
    random = np.random.default_rng(1)
    right = random.integers(2, size=200)
    labels, wrong = wrong_at_random(right, 0.1)
    found = find_label_issues((20 + 5 * right + 0.5 * random.normal(size=200)).reshape(-1, 1), labels)
    assert found.is_label_issue.tolist() == wrong.tolist()


def test_what_tells_items_apart_by_direction_alone_stays_as_it_is() -> None:
    pixels, codes = load_digits(return_X_y=True)
    labels, _ = wrong_at_random(codes, 0.2)
    assert choose_preparation(pixels, np.eye(10)[labels], numbers=plain_numbers(pixels)).name == "none"


def test_words_and_directions_of_words_are_no_worse_off() -> None:
    """Rows of unit length, as embeddings and TF-IDF are: whatever is chosen, the same errors are found."""
    random = np.random.default_rng(2)
    centres = random.normal(size=(5, 60))
    codes = random.integers(5, size=600)
    rows = centres[codes] + 1.2 * random.normal(size=(600, 60))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    labels, wrong = wrong_at_random(codes, 0.15)
    by = {
        name: find_label_issues(rows, labels, architecture="2-L", preparation=name).is_label_issue
        for name in ("none", "auto")
    }
    hits = {name: (flagged & wrong).sum() - (flagged & ~wrong).sum() for name, flagged in by.items()}
    assert hits["auto"] >= hits["none"] - 2


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 10**6),
    st.floats(1e-3, 1e6),
    st.floats(-1e6, 1e6),
)
def test_units_and_offsets_of_a_column_do_not_matter(seed: int, unit: float, offset: float) -> None:
    column = np.random.default_rng(seed).normal(size=(50, 3))
    other = column * [unit, 1.0, 1.0] + [offset, 0.0, 0.0]
    first, second = (fit_preparation("standardize", each)(each) for each in (column, other))
    np.testing.assert_allclose(first, second, atol=1e-4)


def test_one_typing_error_changes_no_other_row() -> None:
    rows = np.random.default_rng(0).normal(size=(200, 2))
    wild = rows.copy()
    wild[3, 0] = 1e12
    prepared, other = (fit_preparation("standardize", each)(each) for each in (rows, wild))
    assert np.abs(other).max() < 3 * FURTHEST
    np.testing.assert_allclose(np.delete(prepared, 3, axis=0), np.delete(other, 3, axis=0), atol=0.25)


def test_truth_values_and_constant_columns_stay_and_a_constant_is_not_added_twice() -> None:
    rows = np.c_[np.arange(6.0), np.tile([0.0, 1.0], 3), np.full(6, 7.0)]
    prepared = fit_preparation("standardize", rows)(rows)
    assert prepared[:, 1].tolist() == rows[:, 1].tolist()
    assert prepared[:, 2].tolist() == [0.0] * 6
    assert prepared[:, 3].tolist() == [1.0] * 6
    assert fit_preparation("standardize", np.c_[np.ones(6), rows])(np.c_[np.ones(6), rows]).shape == (6, 4)


def test_rows_of_zeros_are_items_like_others() -> None:
    rows = np.r_[np.zeros((20, 2)), np.full((20, 2), 3.0)] + np.repeat([[0.0, 0.0], [0.1, 0.2]], 20, axis=0)
    labels = ["low"] * 20 + ["high"] * 20
    labels[2] = "high"
    found = find_label_issues(rows, labels, architecture="2-L")
    assert found.index[found.is_label_issue].tolist() == [2]
    with pytest.raises(InvalidInputError, match="zero"):
        find_label_issues(rows, labels, architecture="2-L", preparation="none")


def test_a_zero_row_anywhere_rules_out_rows_as_they_are() -> None:
    """Not in the sample alone by which that is chosen."""
    pixels, codes = load_digits(return_X_y=True)
    assert choose_preparation(pixels, np.eye(10)[codes], numbers=plain_numbers(pixels)).name == "none"
    judged = np.random.default_rng(0).permutation(len(pixels))[:1000]
    pixels[np.setdiff1d(np.arange(len(pixels)), judged)[0]] = 0.0
    choice = choose_preparation(pixels, np.eye(10)[codes], numbers=plain_numbers(pixels))
    assert choice.name != "none"
    assert "none" not in choice.errors


def test_truth_values_and_categories_with_none_of_them_true_are_items_like_others() -> None:
    random = np.random.default_rng(3)
    frame = pd.DataFrame(random.random((200, 6)) < 0.3)
    labels = np.where(frame[0], "yes", "no")
    found = find_label_issues(frame, labels, architecture="2-L")
    assert (found.predicted_label == labels).mean() > 0.95


@pytest.mark.parametrize("share", [0.03, 0.055, 0.08, 0.2])
def test_counts_that_are_mostly_zero_keep_their_size(share: float) -> None:
    random = np.random.default_rng(0)
    column = np.where(random.random(4000) < share, np.exp(1.5 * random.normal(size=4000)) * 100, 0.0)
    prepared = fit_preparation("standardize", column[:, None])(column[:, None])[:, 0]
    some = column > 0
    assert (prepared == prepared.max()).sum() < 0.1 * some.sum()


@pytest.mark.parametrize("size", [1e-300, 1e-9, 1e160, 1e300])
@pytest.mark.parametrize("name", ["center", "standardize"])
@pytest.mark.filterwarnings("error")
def test_sizes_do_not_matter(name: str, size: float) -> None:
    rows = np.random.default_rng(0).normal(size=(50, 2))
    prepared, other = (fit_preparation(name, each)(each) for each in (rows, rows * size))
    np.testing.assert_allclose(prepared, other, rtol=1e-6)


def test_a_constant_column_is_no_part_of_the_common_unit() -> None:
    rows = 1e-6 * np.random.default_rng(0).normal(size=(50, 2))
    beside = np.c_[rows, np.full(50, 5.0)]
    alone = fit_preparation("center", rows)(rows)
    assert np.abs(alone[:, :2]).mean() > 0.5
    np.testing.assert_allclose(fit_preparation("center", beside)(beside)[:, :2], alone[:, :2])


def test_further_rows_stay_within_what_was_fitted() -> None:
    rows = np.c_[np.arange(40.0), np.tile([0.0, 1.0], 20), np.zeros(40), np.full(40, 5.0)]
    prepare = fit_preparation("standardize", rows)
    wild = prepare(np.full((1, 4), 1e6))[0]
    assert wild[0] < 2 * FURTHEST
    assert wild[1:].tolist() == [1.0, 1.0, 0.0, 1.0]


def test_images_are_not_standardised_by_column() -> None:
    images = np.random.default_rng(0).random((12, 4, 4))
    with pytest.raises(InvalidInputError, match="no rows of numbers"):
        find_label_issues(images, ["a", "b"] * 6, architecture="2-L", preparation="standardize")
    assert find_label_issues(images, ["a", "b"] * 6, architecture="2-L").attrs["preparation"] == "none"


@pytest.mark.parametrize("wrong", ["scale", None, 1])
def test_a_preparation_that_there_is_none_of_is_refused(wrong: object) -> None:
    rows, labels = np.eye(4), ["a", "b", "a", "b"]
    for call in (
        lambda: find_label_issues(rows, labels, preparation=wrong),
        lambda: rank_schemes(rows, {"one": labels}, preparation=wrong),
        lambda: architecture_fit(rows, labels, preparation=wrong),
        lambda: AuditOptions(preparation=wrong),
    ):
        with pytest.raises(InvalidInputError, match="The option preparation is"):
            call()


def test_python_a_features_file_and_the_task_data_are_prepared_alike(tmp_path: Path) -> None:
    features, right = of_two_correlated_columns(160)
    labels, _ = wrong_at_random(right, 0.1)
    names = np.array(["low", "high"])[labels]
    from_python = find_label_issues(features, names, architecture="2-L", ridge=0.1)

    dataset = of_tasks([{"row": {"a": a, "b": b}} for a, b in features.tolist()])
    dataset = dataset.__class__(
        **{
            **vars(dataset),
            "class_names": ("low", "high"),
            "annotations": dataset.annotations.assign(label=labels.astype(np.int64)),
        }
    )
    write_features(tmp_path / "f.npz", dataset.items["task_id"].to_numpy(), features)
    options = AuditOptions(architecture="2-L", ridge=0.1)
    of_file = run_audit(dataset, AuditOptions(architecture="2-L", ridge=0.1, features=tmp_path / "f.npz"))
    of_fields = run_audit(dataset, options)
    for audit in (of_file, of_fields):
        assert audit.manifest["options"]["preparation"] == "standardize"
        assert set(audit.manifest["preparation_choice"]["errors"]) == {"none", "center", "standardize"}
        np.testing.assert_allclose(audit.findings["margin"], from_python["margin"], atol=1e-4)
    json.dumps(of_file.manifest)
    raw = run_audit(
        dataset, AuditOptions(architecture="2-L", ridge=0.1, preparation="none", features=tmp_path / "f.npz")
    )
    assert raw.manifest["options"]["preparation"] == "none"
    assert np.abs(raw.findings["margin"] - from_python["margin"]).max() > 0.05


def test_names_of_columns_make_no_difference() -> None:
    features, right = of_two_correlated_columns(120)
    frame = pd.DataFrame(features, columns=["a", "b"])
    one, other = (find_label_issues(each, right, architecture="2-L", ridge=0.1) for each in (features, frame))
    pd.testing.assert_frame_equal(one, other)
