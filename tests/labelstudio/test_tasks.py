"""Exported tasks to a data set: nothing is attached to the wrong item, and nothing leaves without a reason."""

from __future__ import annotations

from typing import Any

import pytest

from ntk_labelqa.dataset import LabeledDataset, Provenance
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.label_types import control_type
from ntk_labelqa.labelstudio.reading import tasks as reading
from ntk_labelqa.labelstudio.reading.tasks import build_dataset
from tests.labelstudio.samples import TOPIC, annotation, choice, task


def build(*tasks: dict[str, Any], annotators: dict[int, str] | None = None) -> LabeledDataset:
    """The data set of *tasks* under the control ``topic``."""
    return build_dataset(tasks, TOPIC, Provenance("test"), annotators=annotators)


def left_out(dataset: LabeledDataset) -> dict[str, tuple[int, ...]]:
    """Ids by reason."""
    return {gone.reason: gone.ids for gone in dataset.left_out}


def given(dataset: LabeledDataset) -> list[tuple[int, str, str]]:
    """(task, annotator, label) of each annotation."""
    rows = zip(dataset.annotations["item"], dataset.annotations["annotator"], dataset.label_codes, strict=True)
    return [(dataset.items["task_id"][item], by, dataset.class_names[code]) for item, by, code in rows]


def test_items_come_in_the_order_of_their_ids_each_with_its_own_annotations() -> None:
    dataset = build(
        task(30, annotation(3, choice("cars"))),
        task(4, annotation(1, choice("space")), annotation(2, choice("sport"), completed_by=2)),
        task(100, annotation(9, choice("sport"))),
    )
    assert dataset.items["task_id"].tolist() == [4, 30, 100]
    assert dataset.items["value"].tolist() == ["text 4", "text 30", "text 100"]
    assert given(dataset) == [
        (4, "user 1", "space"),
        (4, "user 2", "sport"),
        (30, "user 1", "cars"),
        (100, "user 1", "sport"),
    ]
    assert dataset.annotations["annotation_id"].tolist() == [1, 2, 3, 9]
    assert dataset.annotations["updated_at"][0] == "2025-05-01T10:00:00Z"
    assert dataset.left_out == ()


def test_everything_left_out_is_listed_by_reason() -> None:
    dataset = build(
        task(1, annotation(1, choice("space")), annotation(2, was_cancelled=True)),
        task(2, annotation(3, choice("boats")), annotation(4, choice("boats")), annotation(5, choice("trains"))),
        task(3, annotation(6, choice("space", "cars")), annotation(7, choice("space"), choice("cars"))),
        task(4, annotation(8, choice("space", control="mood")), annotation(9)),
        task(5),
        task(6, annotation(10, choice())),
    )
    assert left_out(dataset) == {
        reading.SKIPPED: (2,),
        reading.UNKNOWN_LABEL: (3, 4, 5),
        control_type.SEVERAL_CHOICES: (6, 7),
        control_type.NO_CHOICE: (8, 9, 10),
        reading.UNANNOTATED: (2, 3, 4, 5, 6),
    }
    assert {gone.reason: gone.of for gone in dataset.left_out}[reading.UNANNOTATED] == "task"
    assert given(dataset) == [(1, "user 1", "space")]
    assert any("'boats' (2), 'trains' (1)" in note for note in dataset.provenance.notes)


@pytest.mark.parametrize(
    ("completed_by", "name"),
    [
        (3, "three@example.org"),
        (4, "user 4"),
        ({"id": 3, "email": "somebody@example.org"}, "somebody@example.org"),
        ({"id": 3}, "user 3"),
        ("somebody@example.org", "somebody@example.org"),
        (None, "unknown"),
    ],
)
def test_annotators_are_named_as_well_as_can_be(completed_by: object, name: str) -> None:
    dataset = build(
        task(1, annotation(1, choice("cars"), completed_by=completed_by)), annotators={3: "three@example.org"}
    )
    assert dataset.annotations["annotator"].tolist() == [name]


def test_predictions_of_models_are_kept_and_our_own_and_bare_ids_are_not() -> None:
    def predicted(version: str | None, label: str) -> dict[str, Any]:
        return {"id": 1, "model_version": version, "result": [choice(label)]}

    dataset = build(
        task(1, annotation(1, choice("cars")), predictions=[17, 18]),
        task(
            2,
            annotation(2, choice("space")),
            predictions=[
                predicted("resnet", "cars"),
                predicted("ntk-labelqa 0.1", "sport"),
                predicted(None, "space"),
                predicted("resnet", "boats"),
            ],
        ),
        task(3, predictions=[predicted("resnet", "cars")]),
    )
    assert dataset.predictions.to_numpy().tolist() == [[1, "resnet", 2], [1, "prediction", 1]]


@pytest.mark.parametrize(
    "result", [None, [], ["text"], [{"from_name": "topic"}], [{"from_name": "topic", "value": None}]]
)
def test_damaged_results_are_left_out(result: object) -> None:
    dataset = build(task(1, annotation(1, choice("cars"))), task(2, annotation(2) | {"result": result}))
    assert left_out(dataset) == {control_type.NO_CHOICE: (2,), reading.UNANNOTATED: (2,)}


def test_a_missing_value_is_empty_and_not_the_word_none() -> None:
    dataset = build(
        task(1, annotation(1, choice("cars")), data={"text": None}), task(2, annotation(2, choice("cars")), data={})
    )
    assert dataset.items["value"].tolist() == ["", ""]


def test_no_annotation_at_all_says_why() -> None:
    with pytest.raises(InvalidInputError, match=r"None of the 2 tasks.*1 annotations: skipped.*2 tasks: no annotation"):
        build(task(1, annotation(1, was_cancelled=True)), task(2))
    with pytest.raises(InvalidInputError, match="There is no task"):
        build()
