"""The label posterior on digits with planted noise: the figures it has to hold, and what it must not claim."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ntk_labelqa.diagnostics.label_issues import LabelIssues, find_issues
from ntk_labelqa.diagnostics.self_measurement import calibration_error
from ntk_labelqa.gram.choose import invert
from ntk_labelqa.gram.inverse import RegularizedInverse
from ntk_labelqa.gram.ridge import with_best_ridge
from ntk_labelqa.label_model.annotations import Annotations
from ntk_labelqa.label_model.label_model import label_posterior


@functools.cache
def digits() -> tuple[RegularizedInverse, np.ndarray]:
    features, right = load_digits(return_X_y=True)
    return invert(features, np.eye(10)[right], architecture="2-L", ridge=0.1), right


def planted(kind: str, share: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, LabelIssues]:
    """(given, right, issues) of the digits with *share* of the labels wrong."""
    inverse, right = digits()
    random, given = np.random.default_rng(seed), right.copy()
    wrong = random.choice(len(right), round(share * len(right)), replace=False)
    given[wrong] = (given[wrong] + (1 if kind == "pairwise" else random.integers(1, 10, len(wrong)))) % 10
    start = with_best_ridge(inverse, np.eye(10)[given])
    return given, right, find_issues(start, Annotations.of_codes(given, 10))


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "share", "accuracy", "precision"),
    [
        ("uniform", 0.1, 0.99, 0.99),
        ("uniform", 0.3, 0.98, 0.99),
        ("uniform", 0.7, 0.88, 0.99),
        ("pairwise", 0.2, 0.99, 0.99),
        ("pairwise", 0.4, 0.99, 0.99),
    ],
)
def test_planted_errors_are_found_mended_and_counted(
    kind: str, share: float, accuracy: float, precision: float
) -> None:
    rates, calibration_errors = [], []
    # Where 70 % are wrong, .028 more or fewer of the 270 anchors' labels are by chance: medians of three draws.
    for seed in range(3 if share > 0.5 else 1):
        given, right, issues = planted(kind, share, seed)
        after = np.where(issues.is_label_issue, issues.predicted, given)
        assert (after == right).mean() >= accuracy
        assert average_precision_score(given != right, issues.score_rank) >= precision
        rates.append(issues.error_probability.mean())
        calibration_errors.append(calibration_error(issues.error_probability, given != right))
    assert np.median(rates) == pytest.approx(share, abs=0.02)
    assert np.median(calibration_errors) <= 0.03


@pytest.mark.long
def test_nothing_planted_nothing_changed() -> None:
    _, _, issues = planted("uniform", 0.0)
    assert issues.is_label_issue.mean() <= 0.005


def at_the_boundary(seed: int, share: float = 0.1) -> tuple[np.ndarray, np.ndarray, LabelIssues]:
    """(given, right, issues) of the digits with a third of those wrong of which a forest is least sure."""
    inverse, right = digits()
    forest = ExtraTreesClassifier(100, bootstrap=True, oob_score=True, random_state=0)
    votes = forest.fit(load_digits().data, right).oob_decision_function_.copy()
    own = votes[np.arange(len(right)), right]
    votes[np.arange(len(right)), right] = -1
    unsure = np.argsort(np.abs(own - votes.max(axis=1)))[: round(3 * share * len(right))]
    wrong = np.random.default_rng(seed).choice(unsure, round(share * len(right)), replace=False)
    given = right.copy()
    given[wrong] = votes.argmax(axis=1)[wrong]
    return given, right, find_issues(with_best_ridge(inverse, np.eye(10)[given]), Annotations.of_codes(given, 10))


@pytest.mark.long
def test_errors_where_classes_meet_break_hardly_a_right_label() -> None:
    for seed in range(2):
        given, right, issues = at_the_boundary(seed)
        after = np.where(issues.is_label_issue, issues.predicted, given)
        assert (after == right).mean() >= (given == right).mean()
        assert average_precision_score(given != right, issues.score_rank) > 0.9


def of_few_pixels() -> tuple[np.ndarray, np.ndarray]:
    """Digits told apart badly enough for labels to confirm themselves."""
    pixels, right = load_digits(return_X_y=True)
    telling = np.argsort(-pixels.var(axis=0))[:8]
    return np.column_stack([pixels[:, telling], np.full(len(right), 8.0)]), right


def of_few_items() -> tuple[np.ndarray, np.ndarray]:
    """Digits that seem to gain by corrections, by chance."""
    pixels, right = load_digits(return_X_y=True)
    some = np.random.default_rng(10).permutation(len(right))[:450]
    return pixels[some], right[some]


@pytest.mark.long
@pytest.mark.parametrize("sample", [of_few_pixels, of_few_items])
def test_right_labels_are_left_alone(sample: Callable[[], tuple[np.ndarray, np.ndarray]]) -> None:
    features, right = sample()
    issues = find_issues(invert(features, np.eye(10)[right], architecture="2-L"), Annotations.of_codes(right, 10))
    assert issues.is_label_issue.mean() <= 0.005


@pytest.mark.long
@pytest.mark.parametrize("seed", [2, 3])
def test_hardly_a_right_label_is_flagged_where_classes_overlap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    right, centres = rng.integers(6, size=2000), np.random.default_rng(99).normal(size=(6, 8))
    features = np.column_stack([centres[right] + rng.normal(size=(2000, 8)), np.full(2000, 2.0)])
    issues = find_issues(invert(features, np.eye(6)[right], architecture="2-L"), Annotations.of_codes(right, 6))
    overlap = (issues.posterior.rounds[0].predictions.values.argmax(axis=1) != right).mean()
    assert overlap > 0.15  # All labels are right, and this many items nearer to another class.
    assert issues.is_label_issue.mean() <= 0.06


@pytest.mark.long
@pytest.mark.parametrize("seed", [21, 22])
def test_of_many_classes_as_many_flags_are_right_as_is_said(seed: int) -> None:
    random = np.random.default_rng(seed)
    right = random.integers(0, 100, 5000)
    features = 0.6 * random.normal(size=(100, 32))[right] + random.normal(size=(5000, 32))
    wrong = random.random(5000) < 0.05
    given = np.where(wrong, (right + random.integers(1, 100, 5000)) % 100, right)
    inverse = invert(features, np.eye(100)[given], architecture="2-L", landmarks=500)
    issues = find_issues(inverse, Annotations.of_codes(given, 100))
    flagged = issues.is_label_issue
    assert flagged.sum() > 130
    assert wrong[flagged].mean() == pytest.approx(issues.error_probability[flagged].mean(), abs=0.07)


def as_people_err(features: np.ndarray, right: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Labels of which *share* are wrong, most where a model of an eighth of the pixels doubts, and as it would."""
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    guess = cross_val_predict(model, features[:, 4::8], right, cv=5, method="predict_proba")
    random, rows = np.random.default_rng(seed), np.arange(len(right))
    doubt = 1 - guess[rows, right]
    wrong = random.choice(rows, round(share * len(right)), replace=False, p=doubt / doubt.sum())
    guess[rows, right] = 0
    given = right.copy()
    up_to = guess[wrong].cumsum(axis=1)
    given[wrong] = (up_to < random.random((len(wrong), 1)) * up_to[:, -1:]).sum(axis=1)
    return given


def test_errors_as_people_make_them_are_found_and_counted() -> None:
    inverse, right = digits()
    for seed in range(2):
        given = as_people_err(load_digits().data, right, 0.2, seed)
        issues = find_issues(with_best_ridge(inverse, np.eye(10)[given]), Annotations.of_codes(given, 10))
        wrong = given != right
        assert f1_score(wrong, issues.is_label_issue) > 0.82
        assert issues.error_probability.mean() == pytest.approx(0.2, abs=0.06)
        assert calibration_error(issues.error_probability, wrong) <= 0.06
        assert issues.posterior.rates.slope > 0.5


@pytest.mark.long
def test_splits_dealt_anew_say_nearly_the_same() -> None:
    inverse, right = digits()
    given = as_people_err(load_digits().data, right, 0.2, 0)
    start = with_best_ridge(inverse, np.eye(10)[given])
    issues = [find_issues(start, Annotations.of_codes(given, 10, seed=seed)) for seed in range(5)]
    assert np.std([each.error_probability.mean() for each in issues]) <= 0.005
    flagged = [each.is_label_issue.sum() for each in issues]
    assert np.std(flagged) <= 0.05 * np.mean(flagged)


def test_errors_whose_rate_differs_by_class() -> None:
    inverse, right = digits()
    random, given = np.random.default_rng(0), right.copy()
    wrong = np.flatnonzero(random.random(len(right)) < np.linspace(0, 0.5, 10)[right])
    given[wrong] = (given[wrong] + random.integers(1, 10, len(wrong))) % 10
    issues = find_issues(with_best_ridge(inverse, np.eye(10)[given]), Annotations.of_codes(given, 10))
    after = np.where(issues.is_label_issue, issues.predicted, given)
    assert (after == right).mean() >= 0.98
    rates = issues.posterior.rates.by_class.mean(axis=1)
    assert rates[9] > rates[0] + 0.2


def test_the_posterior_is_bayes_rule_on_prior_and_channel() -> None:
    given, _, issues = planted("pairwise", 0.3)
    answer = issues.posterior.answer
    joint = np.exp(answer.log_prior() + answer.channel.log_likelihood(Annotations.of_codes(given, 10)))
    assert answer.posterior() == pytest.approx(joint / joint.sum(axis=1, keepdims=True), abs=1e-9)
    assert answer.posterior().sum(axis=1) == pytest.approx(1)


def test_every_further_round_makes_the_labels_more_likely() -> None:
    _, _, issues = planted("pairwise", 0.4)
    evidence = [round_.log_evidence.mean() for round_ in issues.posterior.rounds]
    assert len(evidence) > 1
    assert (np.diff(evidence) > 0).all()


@pytest.mark.long
def test_items_do_not_confirm_themselves() -> None:
    rates = []
    for seed in range(3):
        given, right, issues = planted("uniform", 0.4, seed)
        rates.append(issues.error_probability.mean())
        assert issues.error_probability[given == right].mean() < 0.05
    assert np.mean(rates) == pytest.approx(0.4, abs=0.02)


def two_clouds(share: float, seed: int = 0) -> tuple[RegularizedInverse, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    right = np.arange(600) % 2
    features = np.column_stack([3.0 * (2 * right - 1), np.ones(600)]) + random.normal(size=(600, 2))
    given = np.where(random.permutation(600) < share * 600, 1 - right, right)
    return invert(features, np.eye(2)[given], architecture="2-L"), given, right


def test_two_classes() -> None:
    inverse, given, right = two_clouds(0.2)
    issues = find_issues(inverse, Annotations.of_codes(given, 2))
    assert (np.where(issues.is_label_issue, issues.predicted, given) == right).mean() > 0.97
    assert len(issues.posterior.rounds) == 1


def test_to_have_a_label_is_no_evidence_of_which() -> None:
    told = []
    for seed in range(8):
        random = np.random.default_rng(seed)
        features = random.normal(size=(400, 5))
        features[200:, 0] += 4.0  # not labelled
        labels = random.integers(2, size=200)
        annotations = Annotations(np.arange(200), labels, np.zeros(200, np.int64), item_count=400, class_count=2)
        told.append(find_issues(invert(features, annotations.means(), architecture="2-L"), annotations))
    assert not any(issues.posterior.is_informative for issues in told)


def test_half_of_two_classes_wrong_is_said_to_tell_nothing() -> None:
    inverse, given, _ = two_clouds(0.5)
    issues = find_issues(inverse, Annotations.of_codes(given, 2))
    assert not issues.posterior.is_informative
    assert not issues.is_label_issue.any()


def test_several_annotations_of_an_item_are_weighed_by_who_gave_them() -> None:
    inverse, right = digits()
    random, count = np.random.default_rng(0), len(right)
    rates = (0.02, 0.3, 0.6)
    labels = np.concatenate(
        [np.where(random.random(count) < rate, (right + random.integers(1, 10, count)) % 10, right) for rate in rates]
    )
    annotations = Annotations(np.tile(np.arange(count), 3), labels, np.repeat([0, 1, 2], count), count, 10)
    issues = find_issues(with_best_ridge(inverse, annotations.means()), annotations)
    by_person = issues.error_probability.reshape(3, count).mean(axis=1)
    assert by_person == pytest.approx(rates, abs=0.02)
    assert (issues.posterior.probabilities.argmax(axis=1) == right).mean() > 0.995
    assert (issues.predicted.reshape(3, count) == issues.predicted[:count]).all(), "one answer an item"


def test_an_item_without_a_label_still_has_a_prediction() -> None:
    inverse, right = digits()
    rows = np.arange(len(right))[20:]
    annotations = Annotations(rows, right[20:], np.zeros(len(rows), int), len(right), 10)
    posterior = label_posterior(with_best_ridge(inverse, annotations.means()), annotations)
    assert (posterior.probabilities[:20].argmax(axis=1) == right[:20]).mean() >= 0.9


@pytest.mark.long
@pytest.mark.parametrize("shares", [[0.9, 0.1], [0.5, *[0.5 / 9] * 9]], ids=["two classes", "ten classes"])
def test_rarer_classes_are_not_called_errors_where_nothing_but_the_commonest_is_predicted(shares: list[float]) -> None:
    random, k = np.random.default_rng(2), len(shares)
    right = random.choice(k, 2000, p=shares)
    centres = random.normal(size=(k, 8))
    features = random.normal(size=(2000, 8)) + 0.7 * (centres / np.linalg.norm(centres, axis=1)[:, None])[right]
    inverse = invert(np.c_[features, np.ones(2000)], np.eye(k)[right], architecture="10-L")
    issues = find_issues(inverse, Annotations.of_codes(right, k))
    assert "commonest" in issues.posterior.why_unknown
    assert not issues.is_label_issue.any()
