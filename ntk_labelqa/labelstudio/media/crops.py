"""The regions of images, cut out: once that is done, a crop is an image like any other."""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ntk_labelqa.dataset import LabeledDataset
from ntk_labelqa.images import decoded, save, shape_of
from ntk_labelqa.labelstudio.reading.regions import Box, split_crop

if TYPE_CHECKING:
    from PIL import Image

DECODED = 2
"""Version of how images are decoded; crops that were cut otherwise are cut anew."""
SMALLEST = 2
"""Pixels a side that a region has to have within its image."""


def cut_regions(dataset: LabeledDataset, folder: Path) -> LabeledDataset:
    """*dataset* with ``path`` naming a file for each crop, in *folder*, where it named the whole image.

    Regions of less than :data:`SMALLEST` pixels a side are left out. What is in *folder* already is not cut again.

    Cost: one decoding an image.
    """
    folder.mkdir(parents=True, exist_ok=True)
    places = [split_crop(value)[1] for value in dataset.items["value"]]
    wanted = [_target(folder, path, place) for path, place in zip(dataset.items["path"], places, strict=True)]
    kept = np.zeros(len(dataset), bool)
    for path, rows in dataset.items.groupby("path", sort=False).indices.items():
        image = None
        for row in rows:
            place = places[row]
            if place is None or wanted[row].exists():
                kept[row] = place is not None
                continue
            image = image or decoded(str(path))
            crop = cut(image, place)
            kept[row] = crop is not None
            if crop is not None:
                _save(crop, wanted[row])
    items = dataset.items.assign(path=[str(path) for path in wanted], value=_with_sizes(dataset))
    return replace(dataset, items=items).keep_items(kept, "region smaller than 2 pixels")


def _with_sizes(dataset: LabeledDataset) -> list[str]:
    """The items' values, with the images' sizes where Label Studio does not know them: imported regions lack them."""
    values = []
    for value, path in zip(dataset.items["value"], dataset.items["path"], strict=True):
        address, box = split_crop(value)
        if box is not None and not (box.image_width and box.image_height):
            height, width, _ = shape_of(path)
            value = replace(box, image_width=width, image_height=height).value(address)
        values.append(value)
    return values


def cut(image: Image.Image, box: Box) -> Image.Image | None:
    """The part of *image* in *box*, turned upright; None where less than :data:`SMALLEST` pixels a side are left."""
    from PIL import Image

    left, top = box.x / 100 * image.width, box.y / 100 * image.height
    width, height = box.width / 100 * image.width, box.height / 100 * image.height
    if box.rotation % 360:
        if min(width, height) < SMALLEST:
            return None
        cos, sin = math.cos(math.radians(box.rotation)), math.sin(math.radians(box.rotation))
        right, down = (width * cos, width * sin), (-height * sin, height * cos)
        corners = (
            *(left, top),
            *(left + down[0], top + down[1]),
            *(left + down[0] + right[0], top + down[1] + right[1]),
            *(left + right[0], top + right[1]),
        )
        return image.transform((round(width), round(height)), Image.Transform.QUAD, corners)
    edges = (max(0, round(left)), max(0, round(top)), round(left + width), round(top + height))
    inside = (*edges[:2], min(edges[2], image.width), min(edges[3], image.height))
    if inside[2] - inside[0] < SMALLEST or inside[3] - inside[1] < SMALLEST:
        return None
    return image.crop(inside)


def _target(folder: Path, path: str, place: Box | None) -> Path:
    """Cached images are named by their content, others change in place: hence their time of change."""
    about = f"{DECODED}|{path}|{os.stat(path).st_mtime_ns}|{place}"
    return folder / f"{hashlib.sha256(about.encode()).hexdigest()[:32]}.png"


def _save(crop: Image.Image, path: Path) -> None:
    beside = path.with_name(f".{path.name}.partial-{os.getpid()}")
    save(crop, beside)
    os.replace(beside, path)
