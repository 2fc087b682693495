"""The label model over an accelerator's arrays, for which jax's own on a processor stand here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import jax
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

from ntk_labelqa import Audit, LabelAudit
from ntk_labelqa.diagnostics.label_issues import LabelIssues, find_issues
from ntk_labelqa.gram import arrays, rows_there
from ntk_labelqa.gram.choose import invert
from ntk_labelqa.label_model import label_model
from ntk_labelqa.label_model.annotations import Annotations

LANDMARKS = 150


def labelled(items: int, classes: int = 10) -> tuple[np.ndarray, Annotations]:
    """Digits, a quarter of whose labels is another digit's; two thirds have a second label by someone else."""
    features, right = load_digits(n_class=classes, return_X_y=True)
    random = np.random.default_rng(1)
    given = np.where(random.random(items) < 0.25, (right[:items] + 1) % classes, right[:items])
    again = np.flatnonzero(np.arange(items) % 3)
    return features[:items], Annotations(
        np.concatenate([np.arange(items), again]),
        np.concatenate([given, right[again]]),
        np.repeat([0, 1], [items, len(again)]),
        items,
        classes,
    )


def judged(features: np.ndarray, annotations: Annotations) -> LabelIssues:
    return find_issues(
        invert(features, annotations.means(), architecture="2-L", landmarks=LANDMARKS, dtype="float64"), annotations
    )


@contextmanager
def crossings(items: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What crosses of arrays of as many rows as there are items, or of more, while nothing crosses unasked."""
    found: list[str] = []

    def counted(name: str):
        cross = getattr(jax, name)

        def crossing(values, *args):
            if any(np.ndim(one) and len(one) >= items for one in jax.tree.leaves(values)):
                found.append(name)
            return cross(values, *args)

        return crossing

    with monkeypatch.context() as patch, jax.transfer_guard("disallow"):
        patch.setattr(arrays, "on_accelerator", lambda: True)
        for name in ("device_put", "device_get"):
            patch.setattr(jax, name, counted(name))
        yield found


def assert_alike(found: LabelIssues, expected: LabelIssues) -> None:
    np.testing.assert_allclose(found.error_probability, expected.error_probability, atol=1e-5)
    np.testing.assert_allclose(found.margin, expected.margin, atol=1e-5)
    np.testing.assert_allclose(found.score_rank, expected.score_rank, atol=1e-3)
    np.testing.assert_allclose(found.bde_gain, expected.bde_gain, rtol=1e-4, atol=1e-12)
    clear = abs(expected.error_probability - 0.5) > 1e-5
    assert (found.is_label_issue == expected.is_label_issue)[clear].all()
    assert (found.predicted == expected.predicted).mean() > 0.999
    assert found.is_label_issue.any()


@pytest.mark.slow
@pytest.mark.parametrize("items", [900, 1500])
def test_findings_are_those_of_the_processor_and_few_arrays_cross(items: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = judged(*labelled(items))
    assert len(expected.posterior.rounds) > 1
    with crossings(items, monkeypatch) as crossed:
        found = judged(*labelled(items))
    assert_alike(found, expected)
    assert len(crossed) <= 12, crossed


@pytest.mark.slow
@pytest.mark.parametrize("share", [rows_there.SHARE, 2**40], ids=["there", "with the host"])
def test_panels_change_no_finding_wherever_they_lie(share: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_model, "FITTED_TO", 500)
    monkeypatch.setattr(label_model, "SAMPLED", 6000)
    expected = judged(*labelled(700))
    monkeypatch.setattr(arrays, "on_accelerator", lambda: True)
    monkeypatch.setattr(rows_there, "ACCELERATOR_PANEL", 10_000)
    monkeypatch.setattr(rows_there, "SHARE", share)
    with jax.transfer_guard("disallow"):
        found = judged(*labelled(700))
    assert len(found.posterior.answer.log_evidence) == 600
    assert_alike(found, expected)


@pytest.mark.slow
def test_a_whole_audit_is_that_of_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    features, annotations = labelled(600)

    def audited() -> tuple[np.ndarray, Audit]:
        found = LabelAudit(architecture="2-L", landmarks=LANDMARKS, dtype="float64")
        found.fit(features, annotations.labels[:600])
        return found.predict_proba(features[:7]), found.audit()

    probabilities, expected = audited()
    with crossings(600, monkeypatch):
        by_accelerator, found = audited()
    np.testing.assert_allclose(by_accelerator, probabilities, atol=1e-5)
    for name in ("findings", "influences", "classes", "schemes"):
        pd.testing.assert_frame_equal(getattr(found, name), getattr(expected, name), atol=1e-5)
