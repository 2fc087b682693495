"""Items, annotations, and what happens to both when items are left out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ntk_labelqa.dataset import LabeledDataset, Provenance, encode_labels, from_arrays, label_means
from ntk_labelqa.errors import InvalidInputError


@pytest.fixture
def dataset() -> LabeledDataset:
    return LabeledDataset(
        items=pd.DataFrame({"task_id": [10, 11, 12], "value": ["x", "y", "z"]}),
        annotations=pd.DataFrame(
            {
                "annotation_id": [1, 2, 3, 4],
                "item": [0, 0, 1, 2],
                "annotator": ["ann", "bob", "ann", "bob"],
                "label": [0, 1, 1, 2],
                "updated_at": [""] * 4,
            }
        ),
        class_names=("a", "b", "c"),
        kind="text",
        provenance=Provenance("test"),
        predictions=pd.DataFrame({"item": [1, 2], "model_version": ["m", "m"], "label": [0, 2]}),
    )


def test_annotations_of_one_item_share_its_row_of_y(dataset) -> None:
    assert label_means(dataset).tolist() == [[0.5, 0.5, 0], [0, 1, 0], [0, 0, 1]]


def test_annotations_follow_their_items_when_others_are_left_out(dataset) -> None:
    kept = dataset.keep_items(np.array([True, False, True]), "blank item")
    assert kept.items["task_id"].tolist() == [10, 12]
    assert kept.annotations[["annotation_id", "item"]].to_numpy().tolist() == [[1, 0], [2, 0], [4, 1]]
    assert kept.predictions[["item", "label"]].to_numpy().tolist() == [[1, 2]]
    assert kept.left_out[0].ids == (11,)
    assert len(dataset) == 3


def test_the_fingerprint_tells_changed_data(dataset) -> None:
    relabelled = dataset.annotations.assign(label=[0, 1, 1, 1])
    changed = LabeledDataset(dataset.items, relabelled, dataset.class_names, "text", Provenance("elsewhere"))
    same = LabeledDataset(dataset.items, dataset.annotations, dataset.class_names, "text", Provenance("elsewhere"))
    assert same.fingerprint() == dataset.fingerprint() != changed.fingerprint()


def test_labels_keep_their_input_order() -> None:
    codes, names = encode_labels(["b", "a", "b"])
    assert (codes.tolist(), names) == ([1, 0, 1], ["a", "b"])
    assert encode_labels([3, 1], classes=[1, 2, 3])[0].tolist() == [2, 0]


@pytest.mark.parametrize(
    ("labels", "classes", "said"),
    [
        (["a", None], None, "1 of 2 labels are missing, the first at position 1"),
        (["a", "z"], ["a"], "not among.*: 'z'"),
    ],
)
def test_labels_without_a_class_are_refused(labels, classes, said) -> None:
    with pytest.raises(InvalidInputError, match=said):
        encode_labels(labels, classes)


def test_plain_labels_of_any_type() -> None:
    assert from_arrays(np.array([2, 7, 2])).class_names == ("2", "7")
    assert from_arrays([True, False]).class_names == ("False", "True")
