"""Unusual data: each has an answer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ntk_labelqa import find_label_issues
from ntk_labelqa.auditing import audit_features
from ntk_labelqa.dataset import from_arrays
from ntk_labelqa.diagnostics import evidence
from ntk_labelqa.diagnostics.evidence import influences
from ntk_labelqa.diagnostics.label_issues import find_issues, find_label_issues_in
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.gram.choose import invert
from ntk_labelqa.label_model.annotations import Annotations
from ntk_labelqa.options import AuditOptions
from ntk_labelqa.progress import Stages
from tests import naive
from tests.fixtures import noisy_digits


def clouds(class_count: int = 3, each: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    codes = np.repeat(np.arange(class_count), each)
    spread = 0.4 * np.random.default_rng(seed).normal(size=(len(codes), class_count + 2))
    return 3 * np.eye(class_count + 2)[codes] + spread, codes


def test_one_class_is_refused_by_name_and_flags_nothing_within() -> None:
    features, _ = clouds()
    with pytest.raises(InvalidInputError, match="'only'"):
        find_label_issues(features, ["only"] * len(features))
    codes = np.zeros(len(features), int)
    issues = find_issues(invert(features, np.eye(1)[codes], architecture="2-L"), Annotations.of_codes(codes, 1))
    assert not issues.is_label_issue.any()
    assert issues.error_probability == pytest.approx(0)


def test_a_class_of_one_item() -> None:
    features, codes = clouds()
    lone = np.zeros((1, features.shape[1]))
    lone[0, -1] = 3
    table = find_label_issues(np.vstack([features, lone]), [*codes, 3], architecture="2-L")
    assert not table["is_label_issue"][: len(codes)].any()
    assert np.isfinite(table[["label_score", "margin", "bde_gain"]].to_numpy()).all()


def test_duplicates_that_disagree_are_found_and_shown_to_each_other() -> None:
    features, codes = clouds()
    twins = np.vstack([features, features[:3]])
    labels = np.concatenate([codes, [1, 2, 1]])
    dataset = from_arrays(labels)
    inverse = invert(twins, np.eye(3)[labels], architecture="2-L")
    issues = find_label_issues_in(dataset, inverse)
    assert np.flatnonzero(issues.is_label_issue).tolist() == [120, 121, 122]
    assert (issues.predicted[-3:] == 0).all()
    pulls = influences(dataset, inverse, issues)
    strongest = pulls[pulls["toward"] == "0"].groupby("annotation_id")["other_task_id"].first()
    assert strongest.to_dict() == {120: 0, 121: 1, 122: 2}


def test_duplicates_that_agree_are_left_alone() -> None:
    features, codes = clouds(each=15)
    table = find_label_issues(np.vstack([features] * 3), np.tile(codes, 3), architecture="2-L")
    assert not table["is_label_issue"].any()


def test_labels_that_are_all_wrong_the_same_way_are_consistent() -> None:
    features, codes = clouds()
    table = find_label_issues(features, (codes + 1) % 3, architecture="2-L")
    assert not table["is_label_issue"].any(), "renamed classes: no kernel can tell"


def test_labels_that_are_all_wrong_at_random_are_not_called_right() -> None:
    features, right = clouds(class_count=6, each=50)
    given = (right + np.random.default_rng(0).integers(1, 6, len(right))) % 6
    table = find_label_issues(features, given, architecture="2-L")
    assert not table["is_label_issue"].any()
    said = find_label_issues(features, np.random.default_rng(1).integers(0, 6, len(right)), architecture="2-L")
    assert not said.attrs["is_informative"]
    assert "beyond chance" in said.attrs["why_unknown"]


def test_almost_as_many_classes_as_items() -> None:
    features = np.random.default_rng(0).normal(size=(40, 8))
    table = find_label_issues(features, [*range(38), 0, 1], architecture="2-L")
    assert len(table) == 40
    assert table["is_label_issue"].mean() <= 0.1
    assert table["error_probability"].between(0, 1).all()


def test_features_that_are_all_the_same_tell_nothing() -> None:
    labels = np.arange(60) % 3
    table = find_label_issues(np.ones((60, 5)), labels, architecture="2-L")
    assert not table["is_label_issue"].any()


def test_several_annotations_that_agree_are_surer_than_one() -> None:
    features, codes = clouds()
    items = np.concatenate([np.arange(len(codes)), [0, 0]])
    labels, people = np.concatenate([codes, [codes[0]] * 2]), np.zeros(len(items), int)
    inverse = invert(features, np.eye(3)[codes], architecture="2-L")
    thrice = find_issues(inverse, Annotations(items, labels, people, len(codes), 3))
    once = find_issues(inverse, Annotations.of_codes(codes, 3))
    assert thrice.error_probability[0] <= once.error_probability[0]
    assert thrice.error_probability[[0, -1, -2]] == pytest.approx(thrice.error_probability[0])


def test_of_annotations_that_disagree_the_wrong_one_is_flagged() -> None:
    features, codes = clouds()
    items = np.concatenate([np.arange(len(codes)), [5]])
    labels = np.concatenate([codes, [2]])
    annotations = Annotations(items, labels, np.zeros(len(items), int), len(codes), 3)
    issues = find_issues(invert(features, annotations.means(), architecture="2-L"), annotations)
    assert np.flatnonzero(issues.is_label_issue).tolist() == [len(codes)]
    assert issues.predicted[[5, -1]].tolist() == [0, 0]


def test_a_margin_is_the_leave_one_out_prediction_of_real_refits() -> None:
    features, given, _ = noisy_digits(90)
    inverse = invert(features, np.eye(10)[given], architecture="2-L", ridge=0.1, dtype="float64")
    issues = find_issues(inverse, Annotations.of_codes(given, 10))
    predicted = naive.refitted_without(naive.relu_gram(features, 2), np.eye(10)[given], 0.1)
    others = np.where(np.eye(10, dtype=bool)[given], -np.inf, predicted)
    assert issues.margin == pytest.approx(others.max(axis=1) - predicted[np.arange(90), given], abs=1e-6)


def test_evidence_is_what_the_prediction_is_made_of() -> None:
    features, given, _ = noisy_digits(150, 0.1)
    dataset = from_arrays(given)
    inverse = invert(features, np.eye(10)[given], architecture="2-L", ridge=0.1, dtype="float64")
    issues = find_label_issues_in(dataset, inverse)
    pulls = influences(dataset, inverse, issues)
    solved = naive.inverse(naive.relu_gram(features, 2), 0.1)
    assert set(pulls["annotation_id"]) == set(np.flatnonzero(issues.is_label_issue))
    for pull in pulls.itertuples():
        i, j = pull.annotation_id, pull.other_task_id
        assert pull.weight == pytest.approx(-solved[i, j] / solved[i, i], abs=1e-6)
        assert pull.toward == str(given[j])
        assert i != j
    for annotation, shown in pulls.groupby("annotation_id"):
        toward = shown[shown["toward"] == str(issues.predicted[annotation])]
        every = -solved[annotation] / solved[annotation, annotation] * (given == issues.predicted[annotation])
        every[annotation] = 0
        assert toward["weight"].tolist() == pytest.approx(np.sort(every)[::-1][: len(toward)], abs=1e-6)


def test_of_many_flagged_labels_the_most_probable_errors_get_evidence(monkeypatch) -> None:
    features, given, _ = noisy_digits(150, 0.1)
    dataset = from_arrays(given)
    inverse = invert(features, np.eye(10)[given], architecture="2-L", ridge=0.1)
    issues = find_label_issues_in(dataset, inverse)
    every = influences(dataset, inverse, issues)
    worst = np.argsort(-issues.error_probability, kind="stable")[:5]
    monkeypatch.setattr(evidence, "ENTRIES", 5 * 150 * 2 // 10)
    assert len(np.flatnonzero(issues.is_label_issue)) > 5
    kept = every[every["annotation_id"].isin(worst)].reset_index(drop=True)
    pd.testing.assert_frame_equal(influences(dataset, inverse, issues), kept)


@pytest.mark.slow
def test_looks_that_cross_the_classes_say_nothing_by_pixels_and_are_taken_at_their_word_by_a_model() -> None:
    """Right labels; items are of forty looks, each shared by several classes: all votes name the commonest one."""
    rng = np.random.default_rng(0)
    look = rng.integers(40, size=1600)
    mostly = rng.integers(5, size=40)
    codes = np.where(rng.random(1600) < 0.3, mostly[look], rng.integers(5, size=1600))
    centres = rng.normal(size=(40, 12))
    features = centres[look] + rng.normal(0, 0.15, (1600, 12))
    dataset = from_arrays([f"class {code}" for code in codes])
    options = AuditOptions(architecture="2-L")
    by_pixels, by_model = (
        audit_features(features, dataset, options, encoder=encoder, stages=Stages()) for encoder in ("pixels", "clip")
    )
    assert by_model.findings["is_label_issue"].mean() > 0.1
    assert not by_pixels.findings["is_label_issue"].any()
    assert "By their pixels, only 4" in by_pixels.summary["self_measurement"]["why_unknown"]
