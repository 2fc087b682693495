"""People compared: their error rates, their mistakes, the label they agree on, and who should look again."""

from __future__ import annotations

import tracemalloc
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

from ntk_labelqa.dataset import LabeledDataset, Provenance
from ntk_labelqa.diagnostics.annotators import annotators_table, consensus_table
from ntk_labelqa.diagnostics.consensus import consensus_of, soft_counts
from ntk_labelqa.diagnostics.label_issues import LabelIssues, find_label_issues_in
from ntk_labelqa.gram.choose import invert
from ntk_labelqa.label_model.annotations import Annotations

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
RATES = {"ann": 0.02, "bob": 0.1, "cy": 0.35}


@pytest.fixture(scope="module")
def labelled() -> tuple[LabeledDataset, np.ndarray]:
    """600 digits, each labelled by two of three people; cy takes threes for eights besides."""
    _, truth = load_digits(return_X_y=True)
    truth = truth[:600]
    random, rows = np.random.default_rng(0), []
    for item, right in enumerate(truth):
        for who in random.permutation(list(RATES))[:2]:
            label = random.integers(10) if random.random() < RATES[who] else right
            label = 8 if who == "cy" and right == 3 else label
            rows.append((len(rows), item, who, label, ""))
    dataset = LabeledDataset(
        items=pd.DataFrame({"task_id": 1000 + np.arange(600), "value": [""] * 600}),
        annotations=pd.DataFrame(rows, columns=["annotation_id", "item", "annotator", "label", "updated_at"]),
        class_names=NAMES,
        kind="features",
        provenance=Provenance(source="test"),
    )
    return dataset, truth


@pytest.fixture(scope="module")
def issues(labelled) -> LabelIssues:
    dataset, _ = labelled
    images = load_digits(return_X_y=True)[0][:600]
    return find_label_issues_in(dataset, invert(images, Annotations.of_dataset(dataset).means(), architecture="2-L"))


def true_rates(dataset: LabeledDataset, truth: np.ndarray) -> pd.Series:
    wrong = dataset.label_codes != truth[dataset.item_of_annotation]
    return pd.Series(wrong).groupby(dataset.annotations["annotator"].to_numpy()).mean()


def test_error_rates_are_those_of_the_truth(labelled, issues) -> None:
    table = annotators_table(labelled[0], issues).set_index("annotator")
    assert table.index.tolist() == ["cy", "bob", "ann"]
    for who, rate in true_rates(*labelled).items():
        assert table.loc[who, "error_low"] <= rate <= table.loc[who, "error_high"]
        assert abs(table.loc[who, "error_rate"] - rate) < 0.02


def test_the_commonest_mistake_is_named(labelled, issues) -> None:
    worst = annotators_table(labelled[0], issues).iloc[0]
    assert (worst["annotator"], worst["true_label"], worst["mistaken_for"]) == ("cy", "three", "eight")
    assert worst["mistakes"] > 20


def test_the_consensus_is_right_where_the_majority_is_a_tie(labelled, issues) -> None:
    dataset, truth = labelled
    table = consensus_table(dataset, issues)
    tied = (table["majority_label"] == "").to_numpy()
    assert tied.sum() > 50
    right = table["consensus_label"].to_numpy() == np.asarray(NAMES)[truth]
    assert right[tied].mean() > 0.95
    assert table["consensus_probability"][tied].mean() == pytest.approx(right[tied].mean(), abs=0.05)


def test_a_person_who_has_not_seen_it_and_knows_the_class_looks_again(labelled, issues) -> None:
    dataset, _ = labelled
    table = consensus_table(dataset, issues).set_index("task_id")
    flagged = dataset.annotations[issues.is_label_issue]
    for item, people in dataset.annotations.groupby("item")["annotator"]:
        asked = table["relabel_by"][1000 + item]
        assert asked not in set(people)
        assert (asked != "") <= (item in set(flagged["item"]))
    assert (table["relabel_by"] == "ann").sum() > (table["relabel_by"] == "cy").sum()


class TestWithoutFeatures:
    def crowd(self, seed: int) -> tuple[Annotations, np.ndarray]:
        random = np.random.default_rng(seed)
        truth, rates = random.integers(4, size=800), np.linspace(0.05, 0.6, 12)
        who = np.stack([random.permutation(12)[:3] for _ in truth]).ravel()
        items = np.repeat(np.arange(800), 3)
        wrong = random.random(2400) < rates[who]
        return Annotations(items, np.where(wrong, random.integers(4, size=2400), truth[items]), who, 800, 4), truth

    @pytest.mark.parametrize("seed", range(3))
    def test_better_than_the_majority_and_as_sure_as_it_is_right(self, seed: int) -> None:
        annotations, truth = self.crowd(seed)
        consensus = consensus_of(annotations)
        right = consensus.labels == truth
        assert right.mean() > (annotations.means().argmax(axis=1) == truth).mean() + 0.01
        assert consensus.probabilities.max(axis=1).mean() == pytest.approx(right.mean(), abs=0.04)

    def test_people_are_told_apart(self) -> None:
        annotations, _ = self.crowd(0)
        skill = np.trace(consensus_of(annotations).channels, axis1=1, axis2=2)
        assert np.corrcoef(skill, np.arange(12))[0, 1] < -0.9

    def test_where_all_agree_they_are_right(self) -> None:
        items = np.repeat(np.arange(50), 2)
        labels = items % 3
        consensus = consensus_of(Annotations(items, labels, np.tile([0, 1], 50), 50, 3))
        assert (consensus.labels == np.arange(50) % 3).all()
        assert consensus.probabilities.max(axis=1).min() > 0.9

    def test_one_person_is_believed(self) -> None:
        labels = np.arange(30) % 2
        assert (consensus_of(Annotations.of_codes(labels, 2)).labels == labels).all()


def test_many_people_and_classes_are_counted_one_after_the_other() -> None:
    random, people, classes, items = np.random.default_rng(0), 100, 150, 2000
    labels, probabilities = random.integers(0, classes, items), random.dirichlet(np.ones(classes), items)
    who = np.concatenate([np.arange(people), random.integers(0, people, items - people)])
    dataset = LabeledDataset(
        items=pd.DataFrame({"task_id": np.arange(items), "value": [""] * items}),
        annotations=pd.DataFrame(
            {
                "annotation_id": np.arange(items),
                "item": np.arange(items),
                "annotator": [f"{code:03d}" for code in who],
                "label": labels,
                "updated_at": "",
            }
        ),
        class_names=tuple(f"{code:03d}" for code in range(classes)),
        kind="features",
        provenance=Provenance(source="test"),
    )
    judged = SimpleNamespace(
        posterior=SimpleNamespace(probabilities=probabilities),
        error_probability=1 - probabilities[np.arange(items), labels],
        is_label_issue=random.random(items) < 0.1,
    )
    tracemalloc.start()
    table = annotators_table(dataset, judged).set_index("annotator")
    consensus_table(dataset, judged)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < people * classes**2 * 8 / 2
    counts = soft_counts(Annotations.of_dataset(dataset), probabilities)
    for person in (0, 57, 99):
        wrong = counts[person] * (1 - np.eye(classes))
        true, given = np.unravel_index(wrong.argmax(), wrong.shape)
        found = table.loc[f"{person:03d}"]
        assert (found["true_label"], found["mistaken_for"]) == (f"{true:03d}", f"{given:03d}")
        assert found["mistakes"] == pytest.approx(wrong.max())
