"""How near landmarks come to the exact kernel is said, and more are taken while that changes findings."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.datasets import load_digits

from ntk_labelqa.diagnostics import audit_plan
from ntk_labelqa.diagnostics.fitted_kernel import fit_kernel
from ntk_labelqa.gram import inverse_plan
from ntk_labelqa.gram.choose import invert
from ntk_labelqa.gram.inverse import leave_one_out
from ntk_labelqa.gram.landmark_error import SETTLED, LandmarkError, contradicted, landmark_error
from ntk_labelqa.gram.matrix import gram_matrix, prepare
from ntk_labelqa.gram.nystrom import nystrom_inverse
from ntk_labelqa.options import KernelOptions
from tests import naive

RIDGE = 0.1


@pytest.fixture
def starts_at_25(monkeypatch: pytest.MonkeyPatch) -> None:
    """Landmarks of auto, as if these were very many items."""
    monkeypatch.setattr(inverse_plan, "LANDMARKS", 25)
    monkeypatch.setattr(inverse_plan, "FEWEST", 24)


@pytest.fixture(scope="module")
def labelled() -> tuple[np.ndarray, np.ndarray]:
    """Features, and labels of which a fifth is wrong, one-hot."""
    features, right = load_digits(return_X_y=True)
    random = np.random.default_rng(0)
    given = np.where(random.random(len(right)) < 0.2, random.integers(0, 10, len(right)), right)
    return features[:800], np.eye(10)[given[:800]]


def error_of(features: np.ndarray, labels: np.ndarray, landmarks: int) -> LandmarkError:
    kernel, inputs = prepare(features, "2-L", "float64")
    inverse = nystrom_inverse(kernel, inputs, landmarks=landmarks, ridge=RIDGE)
    return landmark_error(kernel, inputs, labels, inverse, landmarks)


def test_with_all_items_as_landmarks_nothing_is_off(labelled) -> None:
    found = error_of(*labelled, len(labelled[0]))
    assert (found.landmarks, found.features) == (800, 800)
    assert found.kernel < 1e-5
    assert found.changed == 0


def test_fewer_landmarks_are_farther_off(labelled) -> None:
    few, more = (error_of(*labelled, count) for count in (20, 200))
    assert few.kernel > 2 * more.kernel
    assert few.changed > more.changed
    assert few.overlap < more.overlap
    assert "20 landmarks" in str(few)
    assert f"{few.changed:.1%} of the predictions" in str(few)


def test_contradicted_labels_are_those_of_the_refits(labelled) -> None:
    features, labels = labelled[0][:60], labelled[1][:60]
    kernel, inputs = prepare(features, "2-L", "float64")
    inverse = nystrom_inverse(kernel, inputs, landmarks=60, ridge=RIDGE)
    refitted = naive.refitted_without(gram_matrix(features, architecture="2-L"), labels, RIDGE)
    assert (contradicted(inverse, labels) == (refitted.argmax(axis=1) != labels.argmax(axis=1))).all()


def said(labelled, **options: object) -> tuple[list[LandmarkError], np.ndarray]:
    """What was announced of landmarks, and the predictions."""
    heard: list[object] = []
    inverse = invert(*labelled, architecture="2-L", announce=heard.append, **options)
    return [one for one in heard if isinstance(one, LandmarkError)], leave_one_out(inverse, labelled[1])


@pytest.mark.usefixtures("starts_at_25")
def test_auto_takes_more_until_findings_settle(labelled) -> None:
    exact = said(labelled, landmarks="all")[1].argmax(axis=1)
    heard, predictions = said(labelled, landmarks="auto")
    assert [one.landmarks for one in heard] == [25 * 2**step for step in range(len(heard))]
    assert len(heard) > 1
    assert all(one.overlap < SETTLED for one in heard[:-1])
    assert heard[-1].overlap >= SETTLED
    few = said(labelled, landmarks=25)[1].argmax(axis=1)
    assert (predictions.argmax(axis=1) != exact).mean() < 0.5 * (few != exact).mean()


@pytest.mark.usefixtures("starts_at_25")
def test_memory_ends_it(labelled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inverse_plan, "MOST_FEATURES", 800 * 60 * 4)
    assert [one.landmarks for one in said(labelled, landmarks="auto")[0]] == [25, 50]


@pytest.mark.usefixtures("starts_at_25")
def test_so_does_memory_for_the_rest_of_the_audit(labelled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_plan, "LANDMARKS", 25)
    plan = audit_plan.plan_audit(labelled[0], 10, 800)
    assert plan.grown.landmarks == 50
    monkeypatch.setattr(audit_plan, "usable_memory", lambda: plan.grown.memory - 1)
    heard: list[object] = []
    stages = SimpleNamespace(stage=lambda _: nullcontext(), note=heard.append)
    fit_kernel(*labelled, KernelOptions(architecture="2-L", preparation="none"), stages=stages)
    errors = [one for one in heard if isinstance(one, LandmarkError)]
    assert [one.landmarks for one in errors] == [25]
    assert not errors[-1].is_settled


def test_a_number_asked_for_is_kept(labelled) -> None:
    assert [one.landmarks for one in said(labelled, landmarks=25)[0]] == [25]


@pytest.mark.usefixtures("starts_at_25")
def test_a_kernel_of_few_dimensions_asks_for_no_more(labelled) -> None:
    few = labelled[0][:, 20:24] + np.arange(4)
    heard: list[object] = []
    invert(few, labelled[1], architecture="linear", landmarks="auto", announce=heard.append)
    errors = [one for one in heard if isinstance(one, LandmarkError)]
    assert [(one.landmarks, one.features <= 5) for one in errors] == [(25, True)]
