"""Probabilities put right by reviewers' verdicts: found again where they are known, and careful where there are few."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from ntk_labelqa.auditing import audit_features
from ntk_labelqa.diagnostics.recalibration import FEWEST, Recalibration
from ntk_labelqa.options import AuditOptions
from ntk_labelqa.progress import Stages
from tests.fixtures import digits_dataset


def verdicts(stated: np.ndarray, wrong: np.ndarray, **columns) -> pd.DataFrame:
    decisions = np.where(wrong, "accept", "keep")
    return pd.DataFrame({"error_probability": stated, "decision": decisions, **columns})


def drawn(slope: float, shift: float, count: int, seed: int = 0) -> pd.DataFrame:
    """Verdicts of reviewers whose truth is the stated log-odds times *slope* plus *shift*."""
    random = np.random.default_rng(seed)
    stated = random.uniform(0.5, 0.999, count)
    return verdicts(stated, random.random(count) < expit(slope * logit(stated) + shift))


@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (0.6, 0.0), (1.0, -1.5), (1.2, 0.8)])
def test_what_many_reviewers_know_is_found(slope: float, shift: float) -> None:
    found = Recalibration.of_decisions(drawn(slope, shift, 20_000))
    assert found is not None
    stated = np.array([0.5, 0.7, 0.9, 0.99])
    assert found(stated) == pytest.approx(expit(slope * logit(stated) + shift), abs=0.03)


def test_of_unflagged_labels_only_the_shift_is_believed() -> None:
    found = Recalibration.of_decisions(drawn(0.4, 0.0, 20_000))
    assert found is not None
    assert found(np.array([0.001]))[0] == pytest.approx(0.001, rel=0.2)
    rarer = Recalibration.of_decisions(drawn(1.0, -1.5, 20_000))
    assert rarer is not None
    assert rarer(np.array([0.001]))[0] == pytest.approx(0.001 * np.exp(-1.5), rel=0.2)


def test_a_few_verdicts_change_nothing() -> None:
    assert Recalibration.of_decisions(drawn(1.0, -3.0, FEWEST - 1)) is None
    undecided = drawn(1.0, -3.0, 200).assign(decision="unsure")
    assert Recalibration.of_decisions(undecided) is None


@pytest.mark.parametrize("wrong", [True, False])
def test_reviewers_of_one_mind_do_not_make_it_certain(wrong: bool) -> None:
    found = Recalibration.of_decisions(verdicts(np.full(60, 0.9), np.full(60, wrong)))
    assert found is not None
    assert 0.02 < found(np.array([0.9]))[0] < 0.995


def test_one_slip_on_a_certain_finding_hardly_matters() -> None:
    stated = np.full(200, 1.0 - 1e-12)
    found = Recalibration.of_decisions(verdicts(stated, np.arange(200) > 0))
    assert found is not None
    assert found(np.array([0.999]))[0] > 0.97


def test_the_order_stays_and_so_do_the_ends() -> None:
    for seed in range(5):
        found = Recalibration.of_decisions(drawn(0.1, -2.0, 100, seed))
        assert found is not None
        mapped = found(np.linspace(0.0, 1.0, 200))
        assert (np.diff(mapped) >= 0).all()
        assert (mapped >= 0).all()
        assert (mapped <= 1).all()


def test_what_was_put_right_once_is_not_put_right_twice() -> None:
    raw = drawn(1.0, -1.5, 5000)
    first = Recalibration.of_decisions(raw)
    assert first is not None
    stated = first(raw["error_probability"].to_numpy())
    again = raw.assign(model_probability=raw["error_probability"], error_probability=stated)
    assert Recalibration.of_decisions(again) == first
    missing = again.assign(model_probability=np.nan, error_probability=raw["error_probability"])
    assert Recalibration.of_decisions(missing) == first


@pytest.mark.long
def test_an_audit_whose_findings_reviewers_kept_believes_less() -> None:
    features, dataset, _ = digits_dataset(300)
    features = features + np.random.default_rng(0).normal(
        scale=0.8 * features.std(), size=features.shape
    )  # so as to doubt
    kept = verdicts(np.linspace(0.5, 0.99, 100), np.zeros(100, bool))
    before, after = (
        audit_features(
            features,
            dataset,
            AuditOptions(architecture="2-L"),
            encoder="precomputed",
            decisions=decisions,
            stages=Stages(quiet=True),
        )
        for decisions in (None, kept)
    )
    assert after.summary["issues"] < before.summary["issues"]
    assert (after.findings["error_probability"] < before.findings["error_probability"]).all()
    assert after.findings["model_probability"].tolist() == before.findings["error_probability"].tolist()
    assert before.findings["model_probability"].isna().all()
    assert after.findings.loc[~after.findings["is_label_issue"], "suggested_label"].isna().all()
    assert (after.manifest["recalibration"]["verdicts"], before.manifest["recalibration"]) == (100, None)
    assert np.allclose(after.findings["label_score"], 1 - after.findings["error_probability"])
