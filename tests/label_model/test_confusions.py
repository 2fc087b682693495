"""Classes that are taken for each other, against labels drawn with known confusions and against a plain optimiser."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import log_softmax, logsumexp
from sklearn.metrics import average_precision_score

from ntk_labelqa.diagnostics.label_issues import find_issues
from ntk_labelqa.gram.choose import invert
from ntk_labelqa.label_model import confusions
from ntk_labelqa.label_model.annotations import FOLDS, Annotations
from ntk_labelqa.label_model.calibration import Link
from tests import naive


def fit_confusions(log_prior: np.ndarray, labels: np.ndarray) -> np.ndarray | None:
    plain = Link(1.0, np.zeros(log_prior.shape[1]))
    return confusions.fit_confusions(plain, log_prior, labels, np.arange(len(labels)) % FOLDS)


TRUE = np.array([[0.0, 2.0, -2.0, -2.0], [2.0, 0.0, -2.0, -2.0], [-2.0, -2.0, 0.0, 1.0], [-2.0, -2.0, 1.0, 0.0]])


def priors(items: int, seed: int, classes: int = 4) -> np.ndarray:
    """log s, float64[N, K]."""
    return log_softmax(2 * np.random.default_rng(seed).normal(size=(items, classes)), axis=1)


def sharpened(log_prior: np.ndarray, table: np.ndarray) -> np.ndarray:
    return log_softmax(log_prior + np.exp(log_prior) @ table, axis=1)


def drawn(log_prior: np.ndarray, seed: int, flip: float = 0.2) -> np.ndarray:
    """log p(label | class), float64[N, K], of labels drawn and then swapped in the share *flip*."""
    random, k = np.random.default_rng(seed), log_prior.shape[1]
    truth = (np.exp(log_prior).cumsum(axis=1) < random.random((len(log_prior), 1))).sum(axis=1).clip(max=k - 1)
    given = np.where(random.random(len(truth)) < flip, (truth + random.integers(1, k, len(truth))) % k, truth)
    channel = np.full((k, k), flip / (k - 1))
    np.fill_diagonal(channel, 1 - flip)
    return np.log(channel[:, given].T)


def test_the_fit_is_the_most_likely_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confusions, "STRENGTHS", np.array([20.0]))
    monkeypatch.setattr(confusions, "STEPS", 2000)
    log_prior = priors(800, 0)
    labels = drawn(sharpened(log_prior, TRUE), 1)
    found = fit_confusions(log_prior, labels)
    assert found is not None
    assert found == pytest.approx(naive.confusions(log_prior, labels, strength=20.0), abs=0.01)


def test_a_fit_predicts_new_labels_as_well_as_what_they_were_drawn_with() -> None:
    log_prior, unseen = priors(6000, 2), priors(6000, 3)
    found = fit_confusions(log_prior, drawn(sharpened(log_prior, TRUE), 4))
    assert found is not None
    labels = drawn(sharpened(unseen, TRUE), 5)

    def evidence(prior: np.ndarray) -> float:
        return float(logsumexp(prior + labels, axis=1).mean())

    best, least = evidence(sharpened(unseen, TRUE)), evidence(unseen)
    assert best - least > 0.02
    assert evidence(sharpened(unseen, found)) > best - 0.1 * (best - least)


def test_nothing_is_added_to_a_prior_that_is_right() -> None:
    added = [fit_confusions(priors(1000, seed), drawn(priors(1000, seed), 100 + seed)) for seed in range(20)]
    assert sum(table is not None for table in added) <= 1


def _too_few(log_prior: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return log_prior[:199], labels[:199]


def _hardly_any_labelled(log_prior: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return log_prior, np.where(np.arange(len(labels))[:, None] < 199, labels, 0.0)


@pytest.mark.parametrize("left", [_too_few, _hardly_any_labelled])
def test_few_labels_are_not_asked(left: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]) -> None:
    log_prior = priors(4000, 6)
    assert fit_confusions(*left(log_prior, drawn(sharpened(log_prior, TRUE), 7, flip=0.0001))) is None


@pytest.mark.parametrize("impossible", [-5.0, -400.0, -np.inf])
def test_a_class_that_no_item_is_of_keeps_all_numbers_finite(impossible: float) -> None:
    log_prior = priors(2000, 8)
    labels = drawn(sharpened(log_prior, TRUE), 9, flip=1e-9)
    nowhere = np.full((2000, 1), impossible)
    unused = np.concatenate([log_prior, np.maximum(nowhere, -1000)], axis=1), np.concatenate([labels, nowhere], axis=1)
    found = fit_confusions(*unused)
    assert found is not None
    assert np.isfinite(found).all()
    assert found[:4, :4] == pytest.approx(fit_confusions(log_prior, labels), abs=0.3)


def test_labels_known_for_certain_are_taken() -> None:
    log_prior = priors(2000, 10)
    known = np.where(drawn(sharpened(log_prior, TRUE), 11, flip=1e-9) > np.log(0.5), 0.0, -np.inf)
    found = fit_confusions(log_prior, known)
    assert found is not None
    assert found[0, 1] > 1 > 0 > found[0, 2]


def test_items_that_look_like_two_classes_alike_stay_between_them() -> None:
    link = Link(5.0, np.zeros(4), confusions=TRUE)
    tied, nearly = link.log_prior(np.array([[0.3, 0.3, 0.0, 0.0], [0.3 + 1e-9, 0.3, 0.0, 0.0]]))
    assert tied[0] == pytest.approx(tied[1])
    assert nearly == pytest.approx(tied, abs=1e-6)
    assert np.exp(tied).sum() == pytest.approx(1)


def test_errors_between_unlike_classes_are_found_where_like_ones_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three pairs of clouds, the two of a pair overlapping, and every tenth label wrong in any way."""

    random = np.random.default_rng(0)
    centres = np.repeat(6 * random.normal(size=(3, 8)), 2, axis=0)
    centres[1::2, 0] += 1.5
    right = random.integers(6, size=1000)
    features = centres[right] + random.normal(size=(1000, 8))
    wrong = random.random(1000) < 0.1
    given = np.where(wrong, (right + random.integers(1, 6, 1000)) % 6, right)
    inverse = invert(features, np.eye(6)[given], architecture="2-L")

    issues = find_issues(inverse, Annotations.of_codes(given, 6))
    monkeypatch.setattr(confusions, "SURELY", np.inf)
    without = find_issues(inverse, Annotations.of_codes(given, 6))
    found, found_without = (average_precision_score(wrong, each.score_rank) for each in (issues, without))
    assert found > found_without + 0.05
    # Rounds are compared by what makes them better, and not by how many numbers they were fitted with.
    evidence, evidence_without = (each.posterior.rounds[0].log_evidence for each in (issues, without))
    assert issues.posterior.rounds[0].link.confusions is not None
    assert (evidence == evidence_without).all()
