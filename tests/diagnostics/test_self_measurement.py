"""What an audit says of itself, against the truth that it does not know."""

from __future__ import annotations

import numpy as np
import pytest

from ntk_labelqa.dataset import LabeledDataset, from_arrays
from ntk_labelqa.diagnostics.evidence import influences
from ntk_labelqa.diagnostics.label_issues import LabelIssues, find_label_issues_in
from ntk_labelqa.diagnostics.recalibration import Recalibration, recalibrated
from ntk_labelqa.diagnostics.self_measurement import SelfMeasurement, measure, share
from ntk_labelqa.gram.choose import invert
from ntk_labelqa.gram.inverse import RegularizedInverse
from tests.fixtures import noisy_digits


def audited(features: np.ndarray, labels: np.ndarray) -> tuple[LabeledDataset, RegularizedInverse, LabelIssues]:
    dataset = from_arrays(labels)
    inverse = invert(features, np.eye(labels.max() + 1)[labels], architecture="2-L")
    return dataset, inverse, find_label_issues_in(dataset, inverse)


def measured(features: np.ndarray, labels: np.ndarray) -> tuple[SelfMeasurement, LabelIssues]:
    dataset, inverse, issues = audited(features, labels)
    return measure(dataset, inverse, issues), issues


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.1, 0.25])
def test_recall_precision_and_error_rate_are_near_the_truth(noise: float) -> None:
    features, given, right = noisy_digits(1500, noise)
    said, issues = measured(features, given)
    wrong = given != right
    dataset, inverse, _ = audited(features, given)
    plantings = [measure(dataset, inverse, issues, seed=seed) for seed in range(3)]
    recalls = np.mean([each.recall.value for each in plantings])
    assert recalls == pytest.approx(issues.is_label_issue[wrong].mean(), abs=0.06)
    assert np.mean([each.recall_hard.value for each in plantings]) < recalls, "where items are hard they are missed"
    assert said.precision.value == pytest.approx(wrong[issues.is_label_issue].mean(), abs=0.05)
    assert said.error_rate_low <= wrong.mean() <= said.error_rate_high
    assert said.error_rate == pytest.approx(wrong.mean(), abs=0.02)
    assert said.calibration_error < 0.05
    assert said.is_informative


@pytest.mark.long
def test_planting_does_not_make_the_noise_stronger() -> None:
    random, right = np.random.default_rng(1), np.arange(1500) % 2
    features = random.normal(size=(1500, 6))
    features[:, 0] += 3.0 * right
    wrong = random.random(1500) < 0.3
    said, issues = measured(features, (right + wrong) % 2)
    assert said.recall.value == pytest.approx(issues.is_label_issue[wrong].mean(), abs=0.1)


def test_nothing_planted_reaches_the_findings() -> None:
    features, given, _ = noisy_digits(300, 0.1)
    dataset, inverse, issues = audited(features, given)
    before = issues.error_probability.copy(), issues.is_label_issue.copy(), dataset.label_codes.copy()
    shown = influences(dataset, inverse, issues)
    measure(dataset, inverse, issues)
    assert (issues.error_probability == before[0]).all()
    assert (issues.is_label_issue == before[1]).all()
    assert (dataset.label_codes == before[2]).all()
    again = find_label_issues_in(dataset, inverse)
    assert (again.error_probability == before[0]).all()
    assert influences(dataset, inverse, again).equals(shown)


@pytest.mark.long
def test_the_same_seed_plants_the_same_errors() -> None:
    dataset, inverse, issues = audited(*noisy_digits(300, 0.1)[:2])
    first, same, other = (measure(dataset, inverse, issues, seed=seed) for seed in (0, 0, 1))
    assert first == same != other
    assert first.planted == other.planted == 50


@pytest.mark.long
def test_labels_without_any_doubt_are_measured_too() -> None:
    labels = np.arange(600) % 3
    said, issues = measured(np.random.default_rng(0).normal(size=(600, 3)) + 30.0 * np.eye(3)[labels], labels)
    assert issues.error_probability.sum() < 1e-300, "small enough for a quotient by it to overflow"
    assert said.recall.value > 0.5
    assert said.error_rate == 0.0


@pytest.mark.long
def test_what_reviewers_taught_is_measured_with_it() -> None:
    features, given, _ = noisy_digits(600, 0.2)
    dataset, inverse, issues = audited(features, given)
    taught = Recalibration(slope=0.05, shift=-4.0, verdicts=100, stated=0.9, wrong=0.0)
    doubted = recalibrated(issues, taught)
    said = measure(dataset, inverse, doubted, recalibration=taught)
    assert doubted.is_label_issue.sum() == 0
    assert said.recall.value == pytest.approx(0.0, abs=0.05)


def test_where_nothing_can_be_told_the_interval_is_the_widest() -> None:
    random = np.random.default_rng(0)
    said, issues = measured(random.normal(size=(300, 4)), random.integers(2, size=300))
    assert not said.is_informative
    assert (said.error_rate_low, said.error_rate_high) == (0.0, 1.0)
    assert not issues.is_label_issue.any()


@pytest.mark.long
def test_a_set_with_errors_at_the_boundary_is_not_called_clean() -> None:
    from sklearn.linear_model import LogisticRegression

    features, _, right = noisy_digits(1000, 0.0)
    scores = LogisticRegression(max_iter=300).fit(features[::2] / 16, right[::2]).decision_function(features / 16)
    own = scores[np.arange(1000), right]
    scores[np.arange(1000), right] = -np.inf
    hardest = np.argsort(own - scores.max(axis=1))[:100]
    given = right.copy()
    given[hardest] = scores.argmax(axis=1)[hardest]
    said, _ = measured(features, given)
    assert said.error_rate_high >= 0.05
    assert said.contradicted >= 0.05


def test_a_share_has_wilsons_interval() -> None:
    found = share(np.array([1.0] * 8 + [0.0] * 2))
    assert (found.value, found.low, found.high) == pytest.approx((0.8, 0.4902, 0.9433), abs=1e-4)
    assert share(np.array([])).value is None
