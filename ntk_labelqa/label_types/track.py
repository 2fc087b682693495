"""Tracks: boxes that follow something through a video, from key frame to key frame."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ntk_labelqa.dataset import Control, LabeledDataset
from ntk_labelqa.encoders import frames
from ntk_labelqa.images import as_png
from ntk_labelqa.label_types.blocks import image_address, picture_block, side_by_side
from ntk_labelqa.label_types.box import Box
from ntk_labelqa.label_types.item_type import RegionType, Shown
from ntk_labelqa.label_types.place import Place, UnusableRegion, finite
from ntk_labelqa.thumbnails import thumbnail

LOOKED_AT = 4
"""Moments of a track that are looked at, set in a square of two by two."""
SIDE = 96
"""Pixels a side of each."""
MOST_KEY_FRAMES = 2_000
_TRACK = re.compile(r"#track=([-\d.e+,;]*)$")


@dataclass(frozen=True)
class KeyFrame:
    """Where the box is at a moment, in seconds; *visible* tells whether it is there from then on."""

    at: float
    box: Box
    visible: bool


@dataclass(frozen=True)
class Track(Place):
    """Boxes at key frames, in the order of time; between them the box moves evenly."""

    key_frames: tuple[KeyFrame, ...]

    @cached_property
    def _moments(self) -> list[float]:
        return [key.at for key in self.key_frames]

    def at(self, moment: float) -> Box | None:
        """The box at *moment*, in seconds; None where there is none."""
        after = bisect_right(self._moments, moment)
        if not after or not self.key_frames[after - 1].visible:
            return None
        before = self.key_frames[after - 1]
        if after == len(self.key_frames):
            return before.box
        following = self.key_frames[after]
        share = (moment - before.at) / (following.at - before.at) if following.at > before.at else 0.0
        sides = zip(_sides(before.box), _sides(following.box), strict=True)
        return _box([one + share * (other - one) for one, other in sides])

    def overlap(self, other: Place) -> float:
        """Intersection over union of both through time, 0 to 1: at the key frames of either."""
        if not isinstance(other, Track):
            return 0.0
        both = union = 0.0
        for moment in sorted({key.at for key in (*self.key_frames, *other.key_frames)}):
            mine, theirs = self.at(moment), other.at(moment)
            areas = [box.width * box.height if box else 0.0 for box in (mine, theirs)]
            share = mine.overlap(theirs) if mine and theirs else 0.0
            shared = share / (1 + share) * sum(areas)  # the intersection, from its share of the union
            both, union = both + shared, union + sum(areas) - shared
        return both / union if union else 0.0

    def row(self) -> dict[str, Any]:
        """Its shape: what tracks can be, the rules do not know."""
        return {"shape": "track"}

    def value(self, whole: str) -> str:
        """The item's value: the video's address with the key frames as a fragment."""
        keys = (
            ",".join(f"{part:.6g}" for part in (key.at, *_sides(key.box), float(key.visible)))
            for key in self.key_frames
        )
        return f"{whole}#track={';'.join(keys)}"

    def moments(self) -> list[float]:
        """A few moments at which it is there, evenly spread over its key frames."""
        seen = [key.at for key in self.key_frames if key.visible]
        places = {(2 * part + 1) * len(seen) // (2 * LOOKED_AT) for part in range(LOOKED_AT)}
        return [seen[place] for place in sorted(places)] if seen else []


class Tracks(RegionType):
    """Labelled tracks of a VideoRectangle."""

    kind = "crop"
    tags = frozenset({"Labels"})
    over = frozenset({"Video"})
    suffix = ".png"
    has_pictures = True

    def reads(self, control: Control) -> bool:
        """Tracks are what a VideoRectangle draws."""
        return super().reads(control) and bool(control.drawn_with)

    def read(self, result: Mapping[str, Any], data: Mapping[str, Any], control: Control) -> Track | None:
        """The track of a result's key frames."""
        value = result["value"]
        sequence = value.get("sequence")
        if not isinstance(sequence, list) or not 0 < len(sequence) <= MOST_KEY_FRAMES:
            return None
        length, count = finite(value.get("duration")), finite(value.get("framesCount"))
        second = length / count if length and count else 0.0
        keys = [_key_frame(key, second) for key in sequence]
        found = [key for key in keys if key is not None]
        if len(found) < len(keys) or not any(key.visible for key in found):
            return None
        return Track(tuple(sorted(found, key=lambda key: key.at)))

    def address(self, value: str) -> str:
        """The video's."""
        return split_track(value)[0]

    def reader(self, dataset: LabeledDataset) -> Callable[[str], Any]:
        """See :func:`ntk_labelqa.encoders.frames.reader`."""
        return frames.reader(dataset)

    def cut(self, whole: Any, value: str) -> tuple[bytes, None]:
        """A PNG of the boxes at a few moments, two by two."""
        from PIL import Image

        track = split_track(value)[1]
        moments = track.moments() if track else []
        canvas = Image.new("RGB", (2 * SIDE, 2 * SIDE), "white")
        cut = 0
        for image, moment in zip(frames.frames_at(str(whole), moments), moments, strict=False):
            box = track.at(moment) if track else None
            crop = box.cut(image) if box else None
            if crop is not None:
                crop.thumbnail((SIDE, SIDE))
                canvas.paste(crop, (cut % 2 * SIDE, cut // 2 * SIDE))
                cut += 1
        if not cut:
            raise UnusableRegion("track that is nowhere in its video")
        return as_png(canvas), None

    def picture(self, path: str) -> bytes | None:
        """The boxes at a few moments."""
        return thumbnail(path, longest_side=2 * SIDE)

    def page(self, item: Shown) -> dict[str, str]:
        """The boxes at a few moments."""
        return {"item_html": _block(item, "")}

    def small(self, items: Sequence[tuple[Shown, str]]) -> str:
        """The same, side by side."""
        return side_by_side([_block(item, words) for item, words in items])


def split_track(value: str) -> tuple[str, Track | None]:
    """The video's address and the track of an item's value; None for a value that is no track's."""
    found = _TRACK.search(value)
    if not found:
        return value, None
    rows = [tuple(map(float, key.split(","))) for key in found[1].split(";")]
    return value[: found.start()], Track(tuple(KeyFrame(row[0], _box(row[1:6]), bool(row[6])) for row in rows))


def _key_frame(key: object, second: float) -> KeyFrame | None:
    if not isinstance(key, Mapping):
        return None
    box, frame, at = Box.read(key, (0, 0)), finite(key.get("frame")), finite(key.get("time"))
    moment = at if at is not None else (frame * second if frame is not None and second else None)
    return None if box is None or moment is None else KeyFrame(moment, box, key.get("enabled") is not False)


def _box(sides: Sequence[float]) -> Box:
    x, y, width, height, rotation = sides
    return Box(x, y, width, height, rotation)


def _sides(box: Box) -> tuple[float, ...]:
    return box.x, box.y, box.width, box.height, box.rotation


def _block(item: Shown, words: str) -> str:
    address = image_address("", item.task_id, item.thumbnail, item.base_path)
    return picture_block(address, width=2 * SIDE, height=2 * SIDE, caption=words)
