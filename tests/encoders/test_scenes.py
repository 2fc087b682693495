"""Scenes: places are where they should be, features are those of the places, and what is empty stays empty."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ntk_labelqa.encoders.image_scenes import SIDE, ImageScene, _cells, _integral, image_scenes, usual_shapes
from ntk_labelqa.encoders.places import apart, overlaps, touching
from ntk_labelqa.encoders.text_scenes import TextScene, text_scenes

BOXES = np.array([[10.0, 10.0, 20.0, 20.0], [60.0, 50.0, 20.0, 20.0]])


@pytest.fixture
def images(tmp_path: Path) -> list[ImageScene]:
    """Two images of unlike shapes, one without regions, and one too small for any window."""
    rng = np.random.default_rng(5)
    sizes = [(120, 160), (90, 60), (1, 1)]
    paths = [str(tmp_path / f"{number}.png") for number in range(3)]
    for path, (height, width) in zip(paths, sizes, strict=True):
        Image.fromarray(rng.integers(0, 256, (height, width, 3)).astype(np.uint8)).save(path)
    none = np.empty((0, 4))
    empty = np.empty(0, np.int64)
    return image_scenes([7, 3, 9], paths, sizes, [BOXES, none, none], [np.array([0, 1]), empty, empty])


def texts() -> list[TextScene]:
    given = ["Emma went to Oslo, by train.", "", "!!!", "Oslo is cold in winter"]
    spans = [np.array([[0, 4], [13, 17]]), np.empty((0, 2)), np.empty((0, 2)), np.array([[0, 4]])]
    labels = [np.array([0, 1]), np.empty(0, int), np.empty(0, int), np.array([1])]
    return text_scenes([1, 2, 3, 4], given, spans, labels)


def test_boxes_overlap_by_their_shared_area() -> None:
    others = np.array([[20.0, 10.0, 20.0, 20.0], [12.0, 12.0, 4.0, 4.0], [80.0, 10.0, 5.0, 5.0]])
    assert overlaps(BOXES[:1], others)[0] == pytest.approx([1 / 3, 16 / 400, 0.0])
    assert touching(BOXES[:1], others)[0].tolist() == [True, True, False]


def test_spans_touch_where_they_share_a_character() -> None:
    spans, others = np.array([[0, 5]]), np.array([[5, 8], [4, 8], [0, 5]])
    assert touching(spans, others)[0].tolist() == [False, True, True]
    assert overlaps(spans, others)[0] == pytest.approx([0.0, 1 / 8, 1.0])


def test_the_best_places_are_kept_apart() -> None:
    places = np.array([[0.0, 0, 10, 10], [1, 1, 10, 10], [50, 50, 10, 10]])
    assert apart(places, np.array([0.1, 0.9, 0.5]), 5).tolist() == [1, 2]
    assert apart(places, np.array([0.1, 0.9, 0.5]), 1).tolist() == [1]
    assert len(apart(places[:0], np.empty(0), 5)) == 0


def test_cells_are_mean_colours() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE * 2, SIDE * 4, 3)).astype(np.uint8)
    cells = _cells(_integral(pixels), np.array([[0.0, 0.0, 50.0, 100.0]])).reshape(SIDE, SIDE, 3)
    expected = pixels[:, : SIDE * 2].reshape(SIDE, 2, SIDE, 2, 3).mean(axis=(1, 3)) / 255
    np.testing.assert_allclose(cells, expected, atol=1e-6)


def test_usual_shapes_are_few_and_cover_what_was_drawn() -> None:
    rng = np.random.default_rng(0)
    drawn = np.concatenate([np.exp(rng.normal(np.log(side), 0.03, (50, 2))) for side in ([0.1, 0.1], [0.4, 0.2])])
    assert len(usual_shapes(drawn)) == 2


def test_windows_lie_within_the_image_and_have_the_drawn_shape(images: list[ImageScene]) -> None:
    for scene in images[:2]:
        windows = scene.candidates()
        assert len(windows)
        assert windows[:, :2].min() >= 0
        assert (windows[:, :2] + windows[:, 2:]).max() <= 100 + 1e-9
    wide, high = images[1].candidates()[0, 2:] / 100 * np.array([60, 90])
    assert wide / high == pytest.approx(32 / 24, rel=1e-6)


def test_background_is_beside_the_regions(images: list[ImageScene]) -> None:
    rng = np.random.default_rng(1)
    empty = images[0].nowhere(rng, 5)
    assert len(empty)
    assert overlaps(empty, BOXES).max() < 0.1
    moved, source = images[0].moved(rng)
    shared = overlaps(moved, BOXES)[np.arange(len(moved)), source]
    assert ((shared > 0.1) & (shared < 0.6)).all()


def test_variants_hold_the_place_itself(images: list[ImageScene]) -> None:
    around = images[0].around(BOXES, 0)
    assert around.shape == (2, 27, 4)
    assert np.isclose(around, BOXES[:, None]).all(axis=2).any(axis=1).all()


def test_features_of_images_have_one_width_and_tiny_images_are_no_trouble(images: list[ImageScene]) -> None:
    widths = {scene.features(scene.candidates()).shape[1] for scene in images}
    assert len(widths) == 1
    assert np.isfinite(images[2].features(BOXES)).all()


def test_without_any_region_there_are_no_scenes() -> None:
    none, empty = np.empty((0, 4)), np.empty(0, np.int64)
    assert image_scenes([1], ["nowhere.png"], [(10, 10)], [none], [empty]) == []
    assert text_scenes([1], ["a b"], [none[:, :2]], [empty]) == []


def test_runs_of_tokens_begin_and_end_with_words() -> None:
    scene = texts()[0]
    strings = [scene.text[start:end] for start, end in scene.candidates()]
    assert "Oslo" in strings
    assert not any(string.startswith((",", ".")) or string.endswith((",", ".")) for string in strings)


def test_empty_texts_have_no_candidates() -> None:
    for scene in texts()[1:3]:
        assert scene.candidates().shape == (0, 2)
        assert scene.nowhere(np.random.default_rng(0), 3).shape == (0, 2)
        assert scene.features(scene.candidates()).shape[0] == 0


def test_the_record_of_a_string_leaves_its_own_text_out() -> None:
    scenes = texts()
    elsewhere = scenes[0]._common.records(scenes[0], scenes[0].places)[:, 0]
    assert elsewhere[0] == 0.0  # Emma is a span in no other text
    assert elsewhere[1] > 0.4


def test_moved_spans_differ_at_one_end() -> None:
    scene = texts()[0]
    moved, source = scene.moved(np.random.default_rng(0))
    assert ((moved != scene.places[source]).sum(axis=1) == 1).all()
