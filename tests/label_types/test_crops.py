"""Regions of images, cut out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from ntk_labelqa.dataset import Control, LabeledDataset, Provenance
from ntk_labelqa.label_types.box import Box
from ntk_labelqa.label_types.crop import Crops, split_crop
from ntk_labelqa.label_types.place import same_regions
from ntk_labelqa.labelstudio.media.regions import cut_regions


def gradient() -> Image.Image:
    """20 wide, 10 high; each pixel says where it is."""
    return Image.fromarray((np.arange(20)[None, :] + 20 * np.arange(10)[:, None]).astype(np.uint8))


def test_a_box_is_cut_where_it_is() -> None:
    crop = Box(50, 20, 10, 30).cut(gradient())
    assert crop is not None
    assert np.asarray(crop).tolist() == [[50, 51], [70, 71], [90, 91]]


def test_a_turned_box_is_turned_back_about_its_upper_left_corner() -> None:
    crop = Box(50, 0, 20, 40, 90).cut(gradient())
    assert crop is not None
    upright = np.asarray(gradient())[0:4, 6:10]
    assert np.asarray(crop).tolist() == np.rot90(upright).tolist()


def test_boxes_beyond_the_image_are_cut_off_and_specks_are_none() -> None:
    crop = Box(90, 80, 50, 50).cut(gradient())
    assert crop is not None
    assert crop.size == (2, 2)
    assert Box(50, 50, 1, 50).cut(gradient()) is None


def test_each_region_gets_a_file_of_its_own_and_specks_are_left_out(tmp_path: Path) -> None:
    gradient().save(tmp_path / "a.png")
    boxes = [Box(0, 0, 50, 50), Box(50, 50, 50, 50), Box(1, 1, 1, 1)]
    items = pd.DataFrame(
        {"task_id": [4] * 3, "value": [b.value("a.png") for b in boxes], "region_id": list("abc")}
    ).assign(path=str(tmp_path / "a.png"))
    table = pd.DataFrame({"annotation_id": [9] * 3, "item": range(3), "label": 0, "region_id": list("abc")})
    dataset = LabeledDataset(items, table, ("x",), "crop", Provenance("test"), Control("c", "i", "RectangleLabels"))
    for _again in range(2):
        cropped = cut_regions(dataset, Crops(), tmp_path / "crops")
        assert [np.asarray(Image.open(path))[0, 0] for path in cropped.items["path"]] == [0, 110]
        assert cropped.annotations["region_id"].tolist() == ["a", "b"]
        assert (cropped.left_out[0].ids, cropped.left_out[0].of) == ((9,), "region")


def test_a_value_gives_back_its_address_and_box() -> None:
    box = Box(1.5, 2, 30.25, 4, 359, 640, 480)
    assert split_crop(box.value("s3://pets/#1.png?x=1")) == ("s3://pets/#1.png?x=1", box)
    assert split_crop("a.png#top") == ("a.png#top", None)


def test_regions_are_matched_once_each_and_the_best_first() -> None:
    known = [Box(0, 0, 10, 10), Box(2, 0, 10, 10)]
    assert same_regions(known, [Box(1.5, 0, 10, 10), Box(0, 0, 10, 10), Box(50, 0, 5, 5)]) == [1, 0, None]
