"""The encoder that fits, and items that carry nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ntk_labelqa.dataset import LabeledDataset, from_arrays
from ntk_labelqa.encoders.choose import encode
from ntk_labelqa.encoders.text import encode_texts
from ntk_labelqa.errors import InvalidInputError


def texts(values: list[str]) -> LabeledDataset:
    plain = from_arrays(["a", "b"] * (len(values) // 2))
    return replace(plain, kind="text", items=plain.items.assign(value=values))


def test_texts_without_a_word_are_left_out() -> None:
    encoded = encode(texts(["a red car", "", "a blue car", "  !?  ", "my dog", "your dog"]))
    assert encoded.encoder == "text"
    assert encoded.dataset.items["task_id"].tolist() == [0, 2, 4, 5]
    assert encoded.dataset.left_out[0].ids == (1, 3)
    assert encoded.features.shape[0] == 4


def test_texts_of_one_topic_are_alike() -> None:
    features = encode_texts(["the red car", "a red car stops", "our dog barks", "that dog barks loudly"])
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    assert (unit @ unit.T)[0, 1] > (unit @ unit.T)[0, 2] + 0.1


def test_a_single_text_and_one_word_have_features() -> None:
    assert encode_texts(["hello"]).any()
    assert encode_texts(["hello", "hello"]).any(axis=1).all()


def test_nothing_but_blanks_is_an_error() -> None:
    with pytest.raises(InvalidInputError, match="Every item is blank"):
        encode(texts(["", " "]))


def test_an_encoder_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(InvalidInputError, match="'pixels' does not fit items of kind 'text'"):
        encode(texts(["a", "b"]), encoder="pixels")
    with pytest.raises(InvalidInputError, match="does not fit items of kind 'features'"):
        encode(from_arrays(["a", "b"]))


def test_precomputed_features_go_before_any_encoder(tmp_path) -> None:
    np.savez(tmp_path / "f.npz", ids=np.arange(4), features=np.array([[1.0], [0], [2], [3]]))
    encoded = encode(texts(["a", "b", "c", "d"]), features_file=tmp_path / "f.npz")
    assert encoded.encoder == "precomputed"
    assert encoded.features.tolist() == [[1], [2], [3]]
    assert encoded.dataset.left_out[0].ids == (1,)


def test_images_of_one_colour_are_left_out(tmp_path) -> None:
    from PIL import Image

    plain = from_arrays(["a", "b"])
    for name, pixels in (("0", np.full((4, 4), 9)), ("1", np.eye(4) * 9)):
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / f"{name}.png")
    items = pd.DataFrame({"task_id": [0, 1], "value": "", "path": [str(tmp_path / f"{i}.png") for i in range(2)]})
    encoded = encode(replace(plain, kind="image", items=items))
    assert encoded.features.shape == (1, 4, 4, 1)
    assert encoded.dataset.left_out[0].ids == (0,)
