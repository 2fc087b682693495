"""What reviewers said, and what they say together."""

from __future__ import annotations

import pandas as pd
import pytest

from ntk_labelqa.labelstudio.review.decisions import COLUMNS, save_decisions
from tests.labelstudio.reviews import answer, review_task, said, table_of


def decided(*annotations, **data) -> dict:
    return table_of([review_task(103, *annotations, **data)]).iloc[0].to_dict()


@pytest.mark.parametrize(
    ("result", "decision", "label"),
    [
        (answer("accept"), "accept", "space"),
        (answer("keep"), "keep", "sport"),
        (answer("other", "cars"), "other", "cars"),
        (answer("other", "cars", taxonomy=True), "other", "cars"),
        (answer("other", "space"), "accept", "space"),
        (answer("other", "sport"), "keep", "sport"),
        (answer("unsure"), "unsure", None),
        (answer("other"), "unreadable", None),
        ([], "unreadable", None),
    ],
)
def test_one_reviewer(result, decision, label) -> None:
    row = decided(said(1, 4, result))
    assert (row["decision"], row["final_label"]) == (decision, label)
    assert row["reviewers"] == "reviewer-1@example.org"


def test_nobody_has_answered() -> None:
    row = decided()
    assert (row["decision"], row["final_label"], row["reviewers"]) == ("open", None, "")


def test_a_skip_is_no_answer() -> None:
    assert decided(said(1, 4, answer("accept"), was_cancelled=True))["decision"] == "skipped"


def test_two_reviewers_agree_by_the_label_they_mean() -> None:
    row = decided(said(1, 4, answer("accept")), said(2, 5, answer("other", "space")))
    assert (row["decision"], row["final_label"]) == ("accept", "space")
    assert row["reviewers"] == "reviewer-1@example.org, reviewer-2@example.org"


def test_reviewers_who_disagree_are_a_conflict_whatever_the_majority() -> None:
    row = decided(said(1, 1, answer("accept")), said(2, 4, answer("accept")), said(3, 5, answer("keep")))
    assert (row["decision"], row["final_label"]) == ("conflict", None)
    assert row["votes"].endswith("reviewer-1@example.org: accept; reviewer-2@example.org: keep")


def test_two_other_labels_are_a_conflict() -> None:
    row = decided(said(1, 4, answer("other", "cars")), said(2, 5, answer("accept")))
    assert row["decision"] == "conflict"
    assert "other 'cars'" in row["votes"]


@pytest.mark.parametrize("abstains", [said(2, 5, answer("unsure")), said(2, 5, was_cancelled=True)])
def test_who_abstains_outvotes_nobody(abstains) -> None:
    assert decided(said(1, 4, answer("accept")), abstains)["decision"] == "accept"


def test_the_last_word_of_a_reviewer_counts() -> None:
    late, early = "2025-06-02T00:00:00Z", "2025-06-01T00:00:00Z"
    row = decided(said(1, 4, answer("keep"), at=late), said(2, 4, answer("accept"), at=early))
    assert (row["decision"], row["decided_at"]) == ("keep", late)


def test_comments_say_whose_they_are() -> None:
    row = decided(said(1, 4, answer("keep", comment="blurred")), said(2, 5, answer("keep")))
    assert row["comment"] == "reviewer-1@example.org: blurred"


def test_tasks_that_ask_the_same_are_one_decision() -> None:
    tasks = [review_task(103, said(1, 4, answer("accept"))), review_task(103, said(2, 5, answer("keep")), number=9)]
    table = table_of(tasks)
    assert table["decision"].tolist() == ["conflict"]


def test_the_table_has_its_columns_and_goes_by_probability(tmp_path) -> None:
    tasks = [review_task(103, error_probability=0.7), review_task(104, error_probability=0.95)]
    save_decisions(table_of(tasks), tmp_path)
    table = pd.read_parquet(tmp_path / "decisions.parquet")
    assert table.columns.tolist() == list(COLUMNS)
    assert table["annotation_id"].tolist() == [104, 103]
    assert [path.name for path in tmp_path.iterdir()] == ["decisions.parquet"]


def test_a_project_without_review_tasks_gives_an_empty_table(tmp_path) -> None:
    table = table_of([])
    assert (len(table), table.columns.tolist()) == (0, list(COLUMNS))
