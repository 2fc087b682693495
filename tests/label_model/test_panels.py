"""Labels judged a panel at a time are judged as all at once; and a sample is enough to fit the channel to."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from ntk_labelqa import row_store
from ntk_labelqa.diagnostics.label_issues import LabelIssues, find_issues
from ntk_labelqa.gram.choose import invert
from ntk_labelqa.gram.inverse import RegularizedInverse
from ntk_labelqa.label_model import label_model
from ntk_labelqa.label_model.annotations import Annotations


@pytest.fixture(scope="module")
def labelled() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, labels of which a tenth is wrong, and which those are."""
    features, right = load_digits(return_X_y=True)
    random = np.random.default_rng(3)
    wrong = random.random(len(right)) < 0.1
    return features, np.where(wrong, (right + random.integers(1, 10, len(right))) % 10, right), wrong


def several_people(given: np.ndarray) -> Annotations:
    """Two labels of each third item and none of each seventh, in no order."""
    items = np.concatenate([np.flatnonzero(np.arange(len(given)) % 7), np.arange(0, len(given), 3)])
    order = np.random.default_rng(0).permutation(len(items))
    people = (np.arange(len(items)) % 3)[order]
    return Annotations(items[order], given[items[order]], people, len(given), 10)


def judged(features: np.ndarray, annotations: Annotations, landmarks: int | str) -> LabelIssues:
    inverse: RegularizedInverse = invert(features, annotations.means(), architecture="2-L", landmarks=landmarks)
    return find_issues(inverse, annotations)


@pytest.mark.parametrize("landmarks", [300, "all"])
def test_panels_and_files_change_no_finding(labelled, landmarks: int | str, monkeypatch: pytest.MonkeyPatch) -> None:
    features, given, _ = labelled
    annotations = several_people(given)
    whole = judged(features, annotations, landmarks)
    monkeypatch.setattr(row_store, "PANEL_NUMBERS", 5000)
    monkeypatch.setattr(row_store, "HELD", 10_000)
    monkeypatch.setattr(row_store, "STORED", 10_000)
    parts = judged(features, annotations, landmarks)
    np.testing.assert_allclose(parts.error_probability, whole.error_probability, atol=1e-5)
    np.testing.assert_allclose(parts.bde_gain, whole.bde_gain, atol=1e-9)
    np.testing.assert_allclose(parts.margin, whole.margin, atol=1e-5)
    assert (parts.suggested == whole.suggested).all()
    assert (parts.is_label_issue == whole.is_label_issue).all()


def test_a_sample_tells_of_the_channel_what_all_items_do(labelled, monkeypatch: pytest.MonkeyPatch) -> None:
    features, given, wrong = labelled
    annotations = Annotations.of_codes(given, 10)
    whole = judged(features, annotations, 300)
    monkeypatch.setattr(label_model, "SAMPLED", 9000)
    monkeypatch.setattr(label_model, "FITTED_TO", 600)
    sampled = judged(features, annotations, 300)
    assert len(sampled.posterior.answer.log_evidence) == 900
    assert len(sampled.posterior.probabilities) == len(given)
    assert (sampled.is_label_issue != whole.is_label_issue).mean() < 0.01
    assert (sampled.is_label_issue & wrong).sum() >= 0.95 * wrong.sum()


def test_one_item_more_changes_one_of_the_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_model, "SAMPLED", 300)
    monkeypatch.setattr(label_model, "FITTED_TO", 50)
    some = label_model.Sample.of(Annotations.of_codes(np.zeros(1000, int), 3)).rows
    more = label_model.Sample.of(Annotations.of_codes(np.zeros(1001, int), 3)).rows
    assert len(some) == len(more) == 100
    assert len(np.setdiff1d(more, some)) <= 1
