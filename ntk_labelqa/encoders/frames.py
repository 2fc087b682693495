"""Videos: a few of their frames, what they show on average, and where they change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ntk_labelqa.dataset import ItemKind, LabeledDataset
from ntk_labelqa.encoders.encoder import EncodeBatch, Encoding, Model, Progress, paths_of
from ntk_labelqa.encoders.files import Extra, UnreadableFile
from ntk_labelqa.images import MOST_PIXELS

if TYPE_CHECKING:
    from PIL import Image

VIDEO = Extra("video", ("av",), "Videos")
FRAMES = 8
"""Frames that are looked at, evenly spread over the video."""
SIDE = 32
"""Pixels a side of each, as many as :mod:`ntk_labelqa.encoders.pixels` takes of images."""
LONGER_SIDE = 384
"""Pixels of the longer side of frames as they are read: more than pretrained models look at."""
FAR_SECONDS = 10.0
"""Of video that are skipped by jumping, where that much lies before the next frame; less is decoded."""
_OPENED_AS = {
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,ogg,flv,asf,gif,wav,mp3,flac,aac",
    "protocol_whitelist": "file",
}
"""What FFmpeg may take a file for: no playlist, which names other files and addresses that it would then open."""
_AT_A_TIME = 32
"""Frames that a model is given at once."""


class Frames:
    """The average frame of a video, and how much each of its pixels changes."""

    name = "frames"
    kinds: frozenset[ItemKind] = frozenset({"video"})

    def encode(self, dataset: LabeledDataset, *, seed: int = 0, progress: Progress | None = None) -> Encoding:
        """See :func:`encode_videos`."""
        VIDEO.check()
        note = f"Features are mean and deviation of {FRAMES} frames of each video, {SIDE} pixels a side."
        return Encoding(encode_videos(paths_of(dataset), progress=progress), note)


class FramesModel:
    """A model of pictures, made one of videos: the mean of what it makes of :data:`FRAMES` frames.

    Args:
        model: that reads images; see :class:`ntk_labelqa.encoders.encoder.Model`.
    """

    kinds: frozenset[ItemKind] = frozenset({"video"})

    def __init__(self, model: Model) -> None:
        self.model = model
        self.identity = f"{FRAMES} frames of {LONGER_SIDE} by {model.identity}"

    def load(self) -> EncodeBatch:
        """Bring the model into memory. What it makes is given the frames of each video, a list of RGB images."""
        of_images = self.model.load()

        def encode(videos: Sequence[Any]) -> np.ndarray:
            frames = [frame for video in videos for frame in video]
            parts = [of_images(frames[start : start + _AT_A_TIME]) for start in range(0, len(frames), _AT_A_TIME)]
            starts = np.cumsum([0, *(len(video) for video in videos[:-1])])
            counts = np.array([len(video) for video in videos])
            return np.add.reduceat(np.concatenate(parts), starts, axis=0) / counts[:, None]

        return encode


def reader(_dataset: LabeledDataset) -> Callable[[str], list[Image.Image]]:
    """What reads a video, see :func:`frames_of`; raises InvalidInputError where a library is missing."""
    VIDEO.check()
    return frames_of


def encode_videos(paths: Sequence[str], *, progress: Progress | None = None) -> np.ndarray:
    """Features of the video files, float32[N, 6 * SIDE²]: the mean of the frames' pixels, and their deviation.

    Pixels are RGB, 0 to 1. The row of a video that shows one colour throughout is zero.

    Cost: decoding up to the last of the frames, or between a few of them where the video is long.
    """
    features = np.zeros((len(paths), 6 * SIDE**2), np.float32)
    for row, path in enumerate(paths):
        frames = frames_of(path)
        if not are_blank(frames):
            pixels = np.stack(list(map(_pixels, frames)))
            features[row] = np.concatenate([pixels.mean(axis=0).ravel(), pixels.std(axis=0).ravel()])
        if progress:
            progress(row + 1, len(paths))
    return features


def are_blank(frames: Sequence[Image.Image]) -> bool:
    """Whether all of *frames* show the same one colour."""
    colours = [frame.getcolors(1) for frame in frames]  # None where there is a second colour
    return colours[0] is not None and all(found == colours[0] for found in colours)


def frames_of(path: str) -> list[Image.Image]:
    """:data:`FRAMES` frames of the video, fewer of a shorter one, evenly spread, RGB, at most :data:`LONGER_SIDE`.

    Raises UnreadableFile where there is no picture in it, and what PyAV raises for damaged files.
    """
    import av

    with av.open(path, options=_OPENED_AS) as container:
        stream = _pictures_of(container)
        moments = sorted(packet.pts for packet in container.demux(stream) if packet.pts is not None)
        places = dict.fromkeys((2 * part + 1) * len(moments) // (2 * FRAMES) for part in range(FRAMES))
        wanted = [moments[place] for place in places] if moments else []
        frames = list(map(_image, _frames_at(container, stream, wanted)))
    if not frames:
        raise UnreadableFile("file without a video")
    return frames


def frames_at(path: str, seconds: Sequence[float]) -> list[Image.Image]:
    """The frames of the video that are shown at *seconds*, ascending, RGB, in full size; fewer where it ends before.

    Raises as :func:`frames_of`.
    """
    import av

    with av.open(path, options=_OPENED_AS) as container:
        stream = _pictures_of(container)
        first = stream.start_time or 0
        assert stream.time_base is not None  # of a stream that was opened
        moments = [first + int(second / stream.time_base) for second in seconds]
        return [_upright(frame) for frame in _frames_at(container, stream, moments)]


def _pictures_of(container: Any) -> Any:
    """The stream of pictures; raises UnreadableFile where there is none, or they are too large to be decoded."""
    if not container.streams.video:
        raise UnreadableFile("file without a video")
    stream = container.streams.video[0]
    if stream.width * stream.height > MOST_PIXELS:
        raise UnreadableFile(f"video of more than {MOST_PIXELS // 10**6} megapixels")
    return stream


def _frames_at(container: Any, stream: Any, moments: Sequence[int]) -> Iterator[Any]:
    """The first frame at or after each of *moments*, in the stream's unit of time, ascending."""
    frames: Iterator[Any] = iter(())
    last = None
    for moment in moments:
        if last is None or (moment - last) * stream.time_base > FAR_SECONDS:
            container.seek(moment, stream=stream)
            frames = container.decode(stream)
        found = next((frame for frame in frames if frame.pts is None or frame.pts >= moment), None)
        if found is None:
            return
        last = moment
        yield found


def _image(frame: Any) -> Image.Image:
    """The frame at the size in which it is looked at."""
    image = _upright(frame)
    image.thumbnail((LONGER_SIDE, LONGER_SIDE))
    return image


def _upright(frame: Any) -> Image.Image:
    """The frame as its display matrix turns it: telephones film on their side."""
    image: Image.Image = frame.to_image()
    return image.rotate(frame.rotation, expand=True) if frame.rotation else image


def _pixels(image: Image.Image) -> np.ndarray:
    """float32[SIDE, SIDE, 3], 0 to 1, whatever the shape of the frame."""
    from PIL import Image

    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX), np.float32) / 255.0
