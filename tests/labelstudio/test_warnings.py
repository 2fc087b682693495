"""Class warnings as review tasks: what they show, what a new audit does to them, and what reviewers say of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import pytest

from ntk_labelqa import findings
from ntk_labelqa.audit_folder import FORMAT, Audit
from ntk_labelqa.labelstudio.review.project import ReviewTask
from ntk_labelqa.labelstudio.review.push_warnings import WarningPlan, plan_warnings
from ntk_labelqa.labelstudio.review.warning_config import warning_config
from ntk_labelqa.labelstudio.review.warning_decisions import warning_decisions_table
from ntk_labelqa.labelstudio.review.warning_tasks import warning_key, warning_tasks
from tests.labelstudio.reviews import PEOPLE, answer, said

PROJECT, LATER = 7, "2025-06-03T00:00:00+00:00"
CONTROL = {"name": "topic", "tag": "Choices", "to_name": "text"}
CLASSES = ("football", "soccer", "<b>space</b>")


def audit_with(cause: str = "classes", *, title: str = "Topics") -> Audit:
    """Thirty texts of three classes in turn; football and soccer overlap, texts 1 and 4, 2 and 5 the most."""
    rows = range(30)
    given = [CLASSES[row % 3] for row in rows]
    found = pd.DataFrame(
        {
            "task_id": [row + 1 for row in rows],
            "annotation_id": [row + 101 for row in rows],
            "annotator": "ann",
            "given_label": given,
            "predicted_label": given,
            "suggested_label": None,
            "label_score": 0.9,
            "error_probability": 0.1,
            "is_label_issue": False,
            "margin": [-row / 30 for row in rows],
            "bde_gain": 0.0,
        }
    )
    found.loc[3, ["suggested_label", "is_label_issue"]] = ["soccer", True]
    pairs = pd.DataFrame(
        {
            "class_a": ["football", "football"],
            "class_b": ["soccer", "<b>space</b>"],
            "coupling": [0.8, 0.1],
            "overlap": [0.62, 0.03],
            "overlap_low": [0.5, 0.0],
            "overlap_high": [0.74, 0.1],
            "overlap_refurbished": [0.58 if cause == "classes" else 0.04, 0.03],
            "q_value": [0.001, 0.9],
            "is_warned": [True, False],
            "cause": [cause, ""],
            "items_a": ["4 1", ""],
            "items_b": ["2 5", ""],
        }
    )
    tables = {name: findings.empty(name) for name in findings.SCHEMAS}
    tables |= {
        "findings": findings.conform("findings", found),
        "entanglement": findings.conform("entanglement", pairs),
    }
    data = {"project_id": PROJECT, "project_title": title, "kind": "text", "control": CONTROL}
    manifest = {"format": FORMAT, "created_at": LATER, "data": data, "summary": {}}
    texts = [f"text <{row + 1}>" for row in rows]
    items = pd.DataFrame({"task_id": found["task_id"], "value": texts, "thumbnail": None})
    return Audit(manifest, items=items, **tables)


def current(audit: Audit, **changed: str | None) -> dict[tuple[int, str], str]:
    """The labels as audited, but those of the annotations a101 … that are named; None: gone."""
    labels: dict[tuple[int, str], Any] = {
        (int(row.annotation_id), ""): row.given_label for row in audit.findings.itertuples()
    }
    labels |= {(int(name[1:]), ""): label for name, label in changed.items()}
    return {key: label for key, label in labels.items() if label is not None}


def one_task(audit: Audit, **changed: str | None) -> dict[str, Any]:
    (task,) = warning_tasks(audit, current(audit, **changed), project_id=PROJECT)
    return task["data"]


def shown_in(column: str) -> list[int]:
    """The tasks that a column names in its captions, in order."""
    return [int(part.split(":", 1)[0]) for part in column.split(">task ")[1:]]


def test_only_warned_pairs_become_tasks_each_with_its_doubtful_items_before_typical_ones() -> None:
    data = one_task(audit_with())
    assert (data["class_a"], data["class_b"]) == ("football", "soccer")
    assert shown_in(data["class_a_html"]) == [4, 1, 28, 25, 22, 19]
    assert shown_in(data["class_b_html"]) == [2, 5, 29, 26, 23, 20]
    assert "text &lt;4&gt;" in data["class_a_html"]
    assert "probably “\u2068soccer\u2069”" in data["class_a_html"]
    assert 'href="/projects/7/data?task=4"' in data["class_a_html"]
    assert "football" not in data["class_b_html"].split("Least like")[1].split(":</div>")[1]


@pytest.mark.parametrize(("cause", "words"), [("classes", "do not explain it"), ("labels", "labels explain it")])
def test_the_figure_and_its_cause_are_told_in_words(cause: str, words: str) -> None:
    told = one_task(audit_with(cause))["figure_html"]
    assert "<b>62 %</b> (95 %: 50 % to 74 %)" in told
    assert words in told


def test_items_whose_label_has_changed_since_or_is_gone_are_not_shown() -> None:
    data = one_task(audit_with(), a104="soccer", a128=None)
    assert shown_in(data["class_a_html"]) == [1, 25, 22, 19, 16]


def test_no_warning_no_task() -> None:
    audit = audit_with()
    calm = replace(audit, entanglement=audit.entanglement.assign(is_warned=False))
    assert warning_tasks(calm, current(calm), project_id=PROJECT) == []


def test_class_names_are_escaped() -> None:
    audit = audit_with()
    odd = replace(audit, entanglement=audit.entanglement.assign(is_warned=[False, True], items_a="1", items_b="3"))
    data = one_task(odd)
    assert "&lt;b&gt;space&lt;/b&gt;" in data["class_b_html"]
    assert "<b>space" not in data["class_a_html"] + data["class_b_html"] + data["figure_html"]


def test_the_key_is_the_pair_whichever_comes_first() -> None:
    assert warning_key(7, "topic", "a", "b") == warning_key(7, "topic", "b", "a")
    others = [(8, "topic", "a", "b"), (7, "tone", "a", "b"), (7, "topic", "a", "c")]
    assert warning_key(7, "topic", "a", "b") not in {warning_key(*other) for other in others}


def test_the_page_preselects_nothing_and_shows_every_field() -> None:
    page = ElementTree.fromstring(warning_config())
    assert [choice.get("hotkey") for choice in page.iter("Choice")] == ["g", "m", "r", "f"]
    assert not any(choice.get("selected") for choice in page.iter("Choice"))
    fields = {element.get("value", "")[1:] for element in page.iter() if element.get("value", "").startswith("$")}
    assert fields <= set(one_task(audit_with()))


def there(*answers: Any, number: int = 1, round: int = 1, **data: Any) -> ReviewTask:
    """The task of football and soccer as an earlier push left it."""
    base = one_task(audit_with()) | {"audited_at": "2025-05-01T00:00:00+00:00"} | data
    key = base["review_key"] + (f"~{round}" if round > 1 else "")
    return ReviewTask(number, key, bool(answers), base | {"review_key": key}, answers)


def plan(tasks: list[ReviewTask], audit: Audit) -> WarningPlan:
    wanted = warning_tasks(audit, current(audit), project_id=PROJECT)
    return plan_warnings(tasks, wanted, audited_at=LATER, control="topic")


def test_the_same_warning_changes_nothing() -> None:
    same = plan([there()], audit_with())
    assert (same.removed, same.withdrawn) == ([], 0)
    assert [task["data"]["review_key"] for task in same.wanted] == [there().key]


@pytest.mark.parametrize("change", [{"overlap": 0.4}, {"cause": "labels"}])
def test_an_unanswered_warning_that_tells_another_figure_is_made_anew(change) -> None:
    assert plan([there(**change)], audit_with()).removed == [1]


def test_an_answered_warning_stays_unless_the_overlap_has_grown() -> None:
    answered = said(1, 4, answer("fine"))
    assert plan([there(answered)], audit_with()).wanted == []
    (again,) = plan([there(answered, overlap=0.3)], audit_with()).wanted
    assert again["data"]["review_key"] == f"{there().key}~2"
    assert plan([there(answered, overlap=0.3), there(number=2, round=2)], audit_with()).removed == []


def test_only_unanswered_warnings_of_this_labelling_and_earlier_audits_are_withdrawn() -> None:
    calm = audit_with()
    calm = replace(calm, entanglement=calm.entanglement.assign(is_warned=False))
    assert plan([there()], calm).removed == [1]
    kept = [
        there(said(1, 4, answer("merge"))),
        there(source_control="tone"),
        there(audited_at="2025-07-01T00:00:00+00:00"),
    ]
    assert plan(kept, calm).removed == []


@pytest.mark.parametrize(
    ("answers", "decision"),
    [
        ([], "open"),
        ([said(1, 4, answer("guideline", comment="say when"))], "guideline"),
        ([said(1, 4, answer("fine")), said(2, 5, answer("merge"))], "conflict"),
        ([said(1, 4, answer("fine")), said(2, 5, [], was_cancelled=True)], "fine"),
        ([said(1, 4, [], was_cancelled=True)], "skipped"),
        ([said(1, 4, answer("nonsense"))], "unreadable"),
        (
            [
                said(1, 4, answer("fine"), at="2025-06-01T10:00:00Z"),
                said(2, 4, answer("relabel"), at="2025-06-02T10:00:00Z"),
            ],
            "relabel",
        ),
    ],
)
def test_what_reviewers_decide_together(answers, decision: str) -> None:
    (row,) = warning_decisions_table([there(*answers)], PEOPLE).to_dict("records")
    assert row["decision"] == decision
    assert (row["class_a"], row["class_b"], row["overlap"]) == ("football", "soccer", 0.62)
    if decision == "guideline":
        assert row["comment"] == "reviewer-1@example.org: say when"


def test_a_warning_raised_again_counts_as_it_was_raised_last() -> None:
    tasks = [there(number=2, round=2), there(said(1, 4, answer("fine")))]
    assert warning_decisions_table(tasks, PEOPLE)["decision"].tolist() == ["open"]
