"""A whole audit of data whose errors are known."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ntk_labelqa import find_label_issues, findings
from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.auditing import audit_features, check_auditable, run_audit
from ntk_labelqa.dataset import from_arrays
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.gram import inverse_plan
from ntk_labelqa.options import AuditOptions
from ntk_labelqa.progress import Stages
from tests.fixtures import digits_dataset, noisy_digits


@pytest.fixture(scope="module")
def audited() -> tuple[Audit, np.ndarray]:
    features, dataset, right = digits_dataset(700)
    options = AuditOptions(architecture="2-L")
    audit = audit_features(features, dataset, options, encoder="precomputed", stages=Stages())
    return audit, dataset.label_codes != right


def test_planted_errors_are_found(audited) -> None:
    audit, wrong = audited
    flagged = audit.findings["is_label_issue"].to_numpy()
    assert (flagged & wrong).sum() >= 0.95 * wrong.sum()
    assert (flagged & wrong).sum() >= 0.95 * flagged.sum()


def test_where_memory_allows_few_landmarks_as_many_are_taken_and_kept_for_updates(monkeypatch) -> None:
    monkeypatch.setattr(inverse_plan, "MOST_FEATURES", 1_000_000)  # as a million items would have it
    features, dataset, right = digits_dataset(700)
    audit = audit_features(features, dataset, AuditOptions(), encoder="precomputed", stages=Stages())
    assert audit.manifest["options"]["landmarks"] == 500
    wrong, flagged = dataset.label_codes != right, audit.findings["is_label_issue"].to_numpy()
    assert (flagged & wrong).sum() >= 0.95 * max(wrong.sum(), flagged.sum())


def test_findings_hold_what_the_columns_promise(audited) -> None:
    table = audited[0].findings
    assert table.columns.tolist() == list(findings.SCHEMAS["findings"])
    assert table["annotation_id"].tolist() == list(range(5000, 5700))
    assert (table["task_id"] == table["annotation_id"] - 4000).all()
    assert table["suggested_label"].notna().equals(table["is_label_issue"])
    flagged = table[table["is_label_issue"]]
    assert (flagged["suggested_label"] == flagged["predicted_label"]).all()
    assert (flagged["suggested_label"] != flagged["given_label"]).all()
    assert table["label_score"].to_numpy() == pytest.approx(1 - table["error_probability"].to_numpy())
    assert table["error_probability"].between(0, 1).all()


def test_evidence_never_names_the_item_itself(audited) -> None:
    audit = audited[0]
    pulls = audit.influences.merge(audit.findings, on="annotation_id")
    assert set(pulls["annotation_id"]) == set(audit.findings.loc[audit.findings["is_label_issue"], "annotation_id"])
    assert (pulls["other_task_id"] != pulls["task_id"]).all()
    assert ((pulls["toward"] == pulls["given_label"]) | (pulls["toward"] == pulls["suggested_label"])).all()
    assert (pulls["weight"] > 0).all()


def test_the_headline_is_near_the_truth_and_in_the_manifest(audited) -> None:
    audit, wrong = audited
    figures = audit.summary
    assert figures["error_rate_low"] <= wrong.mean() <= figures["error_rate_high"]
    assert figures["error_rate"] == pytest.approx(wrong.mean(), abs=0.02)
    assert figures["issues"] == audit.findings["is_label_issue"].sum()
    recall = figures["self_measurement"]["recall"]
    assert recall["value"] > 0.8
    assert 0 < recall["low"] < recall["value"] < recall["high"] <= 1
    assert audit.manifest["data"]["annotations"] == 700
    json.dumps(audit.manifest, allow_nan=False)


def test_class_figures_add_up(audited) -> None:
    audit = audited[0]
    assert audit.classes["items"].sum() == 700
    assert audit.classes["issues"].sum() == audit.summary["issues"]
    assert audit.classes["leave_one_out_accuracy"].between(0.7, 1).all()


def test_the_same_audit_twice_is_the_same(audited) -> None:
    features, dataset, _ = digits_dataset(700)
    again = audit_features(features, dataset, AuditOptions(architecture="2-L"), encoder="precomputed", stages=Stages())
    assert again.findings.equals(audited[0].findings)
    assert again.summary == audited[0].summary


def test_several_annotations_of_an_item_share_its_prediction() -> None:
    features, dataset, _ = digits_dataset(300, share=0.0)
    doubled = dataset.annotations.iloc[:50].assign(annotation_id=range(9000, 9050))
    doubled["label"] = (doubled["label"] + 1) % 10  # a second opinion that is wrong
    together = replace(dataset, annotations=pd.concat([dataset.annotations, doubled], ignore_index=True))
    found = audit_features(
        features, together, AuditOptions(architecture="2-L"), encoder="precomputed", stages=Stages()
    ).findings
    second = found[found["annotation_id"] >= 9000]
    first = found[:50]
    assert len(found) == 350
    assert second["is_label_issue"].mean() > 0.9
    assert first["is_label_issue"].mean() < 0.1
    assert second["predicted_label"].tolist() == first["predicted_label"].tolist()


def test_plain_arrays() -> None:
    features, given, right = noisy_digits(400)
    names = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
    table = find_label_issues(features, names[given], architecture="2-L")
    assert table["given_label"].tolist() == names[given].tolist()
    flagged = table["is_label_issue"].to_numpy()
    assert (flagged & (given != right)).sum() >= 0.9 * (given != right).sum()


@pytest.mark.parametrize(
    ("labels", "said"),
    [(["a"] * 4, "Every item is labelled 'a'"), ([], "no annotation")],
)
def test_labels_that_nothing_can_be_said_of(labels, said) -> None:
    with pytest.raises(InvalidInputError, match=said):
        check_auditable(from_arrays(labels))


def test_features_that_do_not_go_with_the_labels() -> None:
    with pytest.raises(InvalidInputError, match=r"shape \[3, 2\] do not go with 2 labels"):
        find_label_issues(np.ones((3, 2)), ["a", "b"])


def test_texts_are_encoded_and_blank_ones_listed() -> None:
    words = {"pets": ["dog", "cat", "bone", "barks", "purrs"], "cars": ["engine", "wheel", "road", "diesel", "fuel"]}
    random = np.random.default_rng(0)
    labels = [["pets", "cars"][row % 2] for row in range(80)]
    texts = [" ".join(random.choice(words[label], 4)) for label in labels]
    texts[7] = "  "
    labels[10] = "cars"
    plain = from_arrays(labels)
    audit = run_audit(replace(plain, kind="text", items=plain.items.assign(value=texts)))
    assert audit.manifest["data"]["left_out"] == [{"reason": "blank item", "of": "task", "count": 1, "ids": [7]}]
    assert audit.findings.loc[audit.findings["label_score"].idxmin(), "task_id"] == 10
