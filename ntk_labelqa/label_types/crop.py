"""Regions of images, of any shape, cut out: once that is done, a crop is an image like any other."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ntk_labelqa.dataset import Control
from ntk_labelqa.images import as_png, decoded, eight_bit, shape_of
from ntk_labelqa.label_types.blocks import TILE, crop_block, image_address, place_block, side_by_side, tiles
from ntk_labelqa.label_types.box import Box
from ntk_labelqa.label_types.ellipse import Ellipse
from ntk_labelqa.label_types.item_type import RegionType, Shown
from ntk_labelqa.label_types.key_point import KeyPoint
from ntk_labelqa.label_types.mask import Mask
from ntk_labelqa.label_types.place import Place, UnusableRegion
from ntk_labelqa.label_types.polygon import Polygon
from ntk_labelqa.label_types.shape import MOST_SIDE, Shape, Window, size_said
from ntk_labelqa.thumbnails import thumbnail

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image

    from ntk_labelqa.diagnostics.region_presence import Scene

SHAPES: tuple[type[Shape], ...] = (Polygon, Mask, Ellipse, Box, KeyPoint)
"""Those that more fields tell come first: a point has fields that boxes have as well."""
_NAMED = {shape.NAME: shape for shape in SHAPES}
_FRAGMENT = re.compile(
    r"#xywh=percent:([-\d.e+]+),([-\d.e+]+),([-\d.e+]+),([-\d.e+]+)&rotate=([-\d.e+]+)&size=(\d+)x(\d+)"
    r"(?:&([a-z]+)=([^&#]*))?$"
)
CROP = 210
"""Pixels: the largest side of the crop that is asked about; beside its image, both fit a page of 1280 pixels."""
PLACE_WIDTH, PLACE_HEIGHT = 240, 300
MARKED = 192
"""Pixels: the longer side of an image in which a region is marked."""


class Crops(RegionType):
    """Labelled shapes in an Image."""

    kind = "crop"
    noun = "image"
    has_pictures = True
    tags = frozenset({"RectangleLabels", "PolygonLabels", "EllipseLabels", "BrushLabels", "KeyPointLabels", "Labels"})
    over = frozenset({"Image"})
    suffix = ".png"

    def read(self, result: Mapping[str, Any], data: Mapping[str, Any], control: Control) -> Shape | None:
        """The first shape whose fields the result's value has."""
        value = result["value"]
        shape = next((shape for shape in SHAPES if all(field in value for field in shape.FIELDS)), None)
        return shape.read(value, size_said(result)) if shape else None

    scanned = frozenset({"box", "polygon", "ellipse", "mask"})

    def scenes(self, wholes: pd.DataFrame, drawn: pd.DataFrame, *, seed: int) -> Sequence[Scene]:
        """Images; regions by the upright windows around them."""
        from ntk_labelqa.encoders.image_scenes import image_scenes

        if "path" not in wholes:
            return ()
        windows = [split_crop(value)[1] for value in drawn["value"]]
        bounds = np.array([_sides(shape.bounds) for shape in windows if shape is not None]).reshape(-1, 4)
        of_task = drawn.groupby("task_id").indices
        rows = [of_task.get(task, np.empty(0, np.int64)) for task in wholes["task_id"]]
        codes = drawn["code"].to_numpy(np.int64)
        return image_scenes(
            wholes["task_id"].tolist(),
            wholes["path"].tolist(),
            [shape_of(path)[:2] for path in wholes["path"]],
            [bounds[of] for of in rows],
            [codes[of] for of in rows],
            seed=seed,
        )

    def can_add(self, control: Control) -> bool:
        """Boxes."""
        return control.tag in ("RectangleLabels", "Labels")

    def placed(self, place: Sequence[float], whole: Any) -> tuple[Place, dict[str, Any]]:
        """A box."""
        height, width, _ = shape_of(whole.path)
        x, y, wide, high = map(float, place)
        box = Box(x, y, wide, high, 0.0, width, height)
        about = {"original_width": width, "original_height": height, "image_rotation": 0}
        return box, {**about, "value": {**_fields(place), "rotation": 0}}

    def marked(self, path: str, value: str) -> bytes | None:
        """The whole image, small, with the region outlined."""
        from PIL import ImageDraw

        shape = split_crop(value)[1]
        image = eight_bit(decoded(path, about=2 * MARKED)).convert("RGB")
        image.thumbnail((MARKED, MARKED))
        corners = [(x / 100 * image.width, y / 100 * image.height) for x, y in shape.outline()] if shape else []
        if corners:
            pen = ImageDraw.Draw(image)
            pen.line([*corners, corners[0]], fill="white", width=4)
            pen.line([*corners, corners[0]], fill=(238, 0, 0), width=2)
        buffer = io.BytesIO()
        image.quantize(128).save(buffer, "PNG", optimize=True)
        return buffer.getvalue()

    def can_move(self, shape: str) -> bool:
        """Boxes can."""
        return shape == "box"

    def moved_to(self, place: Sequence[float], region: Any, whole: Any) -> dict[str, Any]:
        """The sides of an upright box."""
        turned = {"rotation": 0} if region.rotation else {}
        return {"value": {**_fields(place), **turned}}

    def address(self, value: str) -> str:
        """The image's."""
        return split_crop(value)[0]

    def completed(self, value: str, path: str) -> str:
        """With the image's size, where Label Studio does not know it: imported regions lack it."""
        address, shape = split_crop(value)
        if shape is None or (shape.image_width and shape.image_height):
            return value
        height, width, _ = shape_of(path)
        return replace(shape, image_width=width, image_height=height).value(address)  # type: ignore[type-var] # of dataclasses

    def opened(self, source: str, control: Control) -> Any:
        """The image, decoded."""
        return decoded(source)

    def cut(self, whole: Image.Image, value: str) -> tuple[bytes, None]:
        """A PNG of the region."""
        shape = split_crop(value)[1]
        crop = None if shape is None else shape.cut(whole)
        if crop is None:
            raise UnusableRegion("region smaller than 2 pixels, or outside its image")
        return as_png(crop), None

    def picture(self, path: str) -> bytes | None:
        """See :func:`ntk_labelqa.thumbnails.thumbnail`."""
        return thumbnail(path)

    def page(self, item: Shown) -> dict[str, str]:
        """The crop, and beside it the whole image with the region marked."""
        address, shape = _browsable(item)
        if shape is None:
            return {"item_html": tiles([(address, "")])}
        crop = crop_block(address, shape, side=CROP)
        return {"item_html": side_by_side([crop, place_block(address, shape, width=PLACE_WIDTH, height=PLACE_HEIGHT)])}

    def small(self, items: Sequence[tuple[Shown, str]]) -> str:
        """Crops side by side."""
        return side_by_side([self._small(item, words) for item, words in items])

    def _small(self, item: Shown, words: str) -> str:
        address, shape = _browsable(item)
        return tiles([(address, words)]) if shape is None else crop_block(address, shape, side=TILE, caption=words)


def _sides(window: Window) -> tuple[float, float, float, float]:
    return window.left, window.top, window.right - window.left, window.bottom - window.top


def _fields(place: Sequence[float]) -> dict[str, float]:
    return {name: round(float(side), 4) for name, side in zip(("x", "y", "width", "height"), place, strict=True)}


def _browsable(item: Shown) -> tuple[str, Shape | None]:
    """The image and the shape in it, where a browser can fetch the image and cut it; else the thumbnail, and None."""
    address, shape = split_crop(item.value)
    address = image_address(address, item.task_id, None, item.base_path)
    if shape is None or not _can_be_shown(shape) or address.startswith("data:image/svg"):
        return image_address("", item.task_id, item.thumbnail, item.base_path), None
    return address, shape


def _can_be_shown(shape: Shape) -> bool:
    """Whether a browser can cut it out: of an image of known size, and of a pixel a side at least."""
    _x, _y, wide, high, _rotation = shape.frame
    width, height = shape.size
    return min(wide * width, high * height) >= 100.0 and max(wide, high) <= MOST_SIDE


def split_crop(value: str) -> tuple[str, Shape | None]:
    """The image's address and the shape of a crop's value; None for a value that is no crop's."""
    found = _FRAGMENT.search(value)
    if not found:
        return value, None
    try:
        return value[: found.start()], _parsed(found)
    except ValueError:  # an address that only looks like it
        return value, None


def _parsed(found: re.Match[str]) -> Shape:
    x, y, wide, high, rotation = map(float, found.groups()[:5])
    size = int(found[6]), int(found[7])
    shape, text = _NAMED.get(found[8] or "", Box), found[9]
    if shape is Box:
        return Box(x, y, wide, high, rotation, *size)
    return shape.parse(text, Window(x, y, x + wide, y + high), size)
