"""Texts encoded as those that an encoder was fitted on."""

from __future__ import annotations

import numpy as np
import pytest

from ntk_labelqa.encoders.text import encode_texts, fit_texts

TEXTS = ["the red car", "a red car stops", "our dog barks", "that dog barks loudly", "the car stops", "a loud dog"]


def test_a_fitted_encoder_gives_further_texts_the_features_of_those_it_knows() -> None:
    features, encode = fit_texts(TEXTS)
    assert np.array_equal(features, encode_texts(TEXTS))
    assert encode(TEXTS[::-1]) == pytest.approx(features[::-1], abs=1e-5)
    known = encode(["red car, red car!", "xylophone", ""])
    assert known[0] @ features[0] > known[0] @ features[2]
    assert not known[1:].any(), "a text without a known word has no direction"


@pytest.mark.parametrize("texts", [["hello"], ["hello", "hello"], ["", " "], ["!?", "..."]])
def test_however_little_there_is_the_features_have_one_width(texts: list[str]) -> None:
    features, encode = fit_texts(texts)
    assert np.array_equal(features, encode_texts(texts))
    assert encode(["hello", "other"]).shape == (2, features.shape[1])
