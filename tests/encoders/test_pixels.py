"""Images to pixels: one shape, right side up, the same scale."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from ntk_labelqa.encoders.pixels import LARGEST_SIDE, common_shape, encode_images, fit_images


def save(path, pixels, **options):
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path, **options)
    return str(path)


def test_small_grey_images_stay_as_they_are(tmp_path) -> None:
    pixels = np.random.default_rng(0).integers(256, size=(2, 9, 7))
    encoded = encode_images([save(tmp_path / f"{row}.png", grey) for row, grey in enumerate(pixels)])
    assert encoded.shape == (2, 9, 7, 1)
    assert np.abs(encoded[..., 0] * 255 - pixels).max() < 1e-3


def test_grey_among_colour_becomes_colour(tmp_path) -> None:
    grey = save(tmp_path / "grey.png", np.full((4, 4), 51))
    red = save(tmp_path / "red.png", np.full((4, 4, 3), (255, 0, 0)))
    encoded = encode_images([grey, red])
    assert encoded.shape == (2, 4, 4, 3)
    assert encoded[0, 0, 0] == pytest.approx([0.2, 0.2, 0.2])
    assert encoded[1, 0, 0].tolist() == [1, 0, 0]


def test_large_images_shrink_with_their_shape(tmp_path) -> None:
    assert common_shape(np.array([[100, 200]] * 3)) == (LARGEST_SIDE // 2, LARGEST_SIDE)
    halves = np.repeat([[0, 255]], 200, axis=0).repeat(100, axis=1)
    encoded = encode_images([save(tmp_path / "halves.png", halves)])
    assert encoded[0, :, : LARGEST_SIDE // 2].max() == 0
    assert encoded[0, :, LARGEST_SIDE // 2 :].min() == 1


def test_orientation_tags_and_transparency(tmp_path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # has to be turned a quarter to the right
    sideways = np.zeros((4, 8, 3), np.uint8)
    sideways[:, :4] = 255
    turned = encode_images([save(tmp_path / "turned.png", sideways, exif=exif)])
    assert turned.shape == (1, 8, 4, 3)
    assert turned[0, 0].min() == 1
    assert turned[0, -1].max() == 0
    clear = encode_images([save(tmp_path / "clear.png", np.zeros((3, 3, 4)))])
    assert clear.min() == 1


def test_sixteen_bits(tmp_path) -> None:
    Image.fromarray(np.full((3, 3), 32768, np.uint16)).save(tmp_path / "deep.png")
    assert encode_images([str(tmp_path / "deep.png")])[0, 0, 0, 0] == pytest.approx(0.5, abs=1e-4)


def test_further_images_become_like_those_fitted_on(tmp_path) -> None:
    random = np.random.default_rng(0)
    greys = [save(tmp_path / f"{row}.png", random.integers(256, size=(8, 6))) for row in range(3)]
    features, encode = fit_images(greys)
    assert np.array_equal(encode(greys[1:]), features[1:])
    white = np.full((16, 12, 4), (255, 255, 255, 255))
    white[:8] = (0, 0, 0, 0)  # transparent, so white as well
    other = encode([save(tmp_path / "colour.png", white)])
    assert other.shape == (1, 8, 6, 1)
    assert other.min() == 1


def test_crops_keep_their_aspect_and_images_of_one_shape_their_pixels(tmp_path) -> None:
    bar = save(tmp_path / "bar.png", np.zeros((10, 40, 3)))
    square = save(tmp_path / "square.png", np.zeros((20, 20, 3)))
    stretched = encode_images([bar, square])
    assert np.array_equal(stretched[0], stretched[1])
    fitted = encode_images([bar, square], keep_aspect=True)
    height, width = fitted.shape[1:3]
    dark = (fitted[..., 0] == 0).sum(axis=(1, 2))
    assert dark[0] == pytest.approx(width * width / 4, rel=0.15)
    assert dark[1] == pytest.approx(height * height, rel=0.15)
    assert set(np.unique(fitted)) == {0.0, 1.0}
    alone = encode_images([square, square], keep_aspect=True)
    assert np.array_equal(alone, encode_images([square, square]))
