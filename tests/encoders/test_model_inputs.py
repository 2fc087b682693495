"""What models of pictures are given, by settings of every form that the Hub has."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ntk_labelqa.encoders.model_inputs import picture_inputs
from ntk_labelqa.errors import InvalidInputError

TAKEN = SimpleNamespace(name="pixels", shape=("n", 3, "height", "width"), type="tensor(float)")
SQUARE = {"height": 32, "width": 32}


def images() -> list[Image.Image]:
    """A landscape and a portrait, whose middle is white."""
    made = []
    for height, width in ((60, 100), (90, 60)):
        pixels = np.zeros((height, width, 3), np.uint8)
        pixels[height // 4 : -height // 4, width // 4 : -width // 4] = 255
        made.append(Image.fromarray(pixels))
    return made


def given(settings: dict[str, Any], taken: Any = TAKEN) -> np.ndarray:
    return picture_inputs(settings, taken)(images())[taken.name]


@pytest.mark.parametrize(
    "settings",
    [
        {"size": 32},
        {"size": SQUARE},
        {"size": {"shortest_edge": 32}},
        {"size": {"shortest_edge": 40}, "crop_size": 32},
        {"size": 40, "crop_size": SQUARE, "do_center_crop": True},
        {"size": 40, "crop_size": {"shortest_edge": 32}},
        {"size": {"shortest_edge": 32}, "crop_size": 20, "do_center_crop": False},
        {"size": {"shortest_edge": 32}, "crop_pct": 0.875},
        {"size": SQUARE, "resample": None, "rescale_factor": None, "image_mean": None, "image_std": None},
        {"size": SQUARE, "do_resize": None, "do_rescale": None, "do_normalize": None, "crop_size": None},
        {"size": SQUARE, "image_mean": [0.0], "image_std": [1.0]},
    ],
)
def test_pictures_of_any_shape_come_out_in_one_size_and_range(settings: dict[str, Any]) -> None:
    pixels = given(settings)
    assert pixels.shape == (2, 3, 32, 32)
    assert (pixels[:, :, 16, 16] == 1).all()
    assert (pixels.min(), pixels.max()) == (0, 1)


def test_without_a_size_it_is_that_which_the_model_takes() -> None:
    fixed = SimpleNamespace(name="pixels", shape=(1, 3, 32, 48), type="tensor(float)")
    assert given({}, fixed).shape == (2, 3, 32, 48)
    last = SimpleNamespace(name="pixels", shape=(1, 32, 48, 3), type="tensor(float16)")
    assert (given({}, last).shape, given({}, last).dtype) == ((2, 32, 48, 3), np.float16)
    with pytest.raises(InvalidInputError, match=r"different sizes.*Set `size`"):
        given({})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"size": "large"}, "large"),
        ({"size": [32, 32]}, "list"),
        ({"size": {"longest_edge": 32}}, "height"),
        ({"size": {"height": 0, "width": 32}}, "a size of 0 x 32"),
        ({"size": SQUARE, "resample": 77}, "77"),
        ({"size": SQUARE, "image_mean": [0.5] * 4}, "shape"),
        ({"size": SQUARE, "image_std": [0, 0, 0]}, "image_std is 0"),
    ],
)
def test_settings_that_cannot_be_followed_are_named(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=rf"preprocessor_config\.json.*{said}.*Correct the file"):
        given(settings)
