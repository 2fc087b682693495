"""Videos: which frames are looked at, whatever the codec, and how a pretrained model of images reads them."""

from __future__ import annotations

import errno
import struct
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_sample_images

from ntk_labelqa.dataset import LabeledDataset, from_arrays
from ntk_labelqa.encoders import frames as module
from ntk_labelqa.encoders.choose import encode
from ntk_labelqa.encoders.encoder import PICTURES
from ntk_labelqa.encoders.files import UnreadableFile
from ntk_labelqa.encoders.frames import FRAMES, SIDE, FramesModel, encode_videos, frames_of
from ntk_labelqa.encoders.pretrained import Embeddings
from tests.media_files import save_sound, save_video

GREY = {"mp4": "mpeg4", "mkv": "libx264", "webm": "libvpx", "avi": "mpeg4"}
"""Codecs by the ending of a file."""


def brightening(count: int, height: int = 32, width: int = 48) -> np.ndarray:
    """Frames from black to white, uint8[count, H, W, 3]."""
    return np.broadcast_to(np.linspace(0, 255, count)[:, None, None, None], (count, height, width, 3)).astype(np.uint8)


def shades(path: Path) -> np.ndarray:
    return np.array([np.asarray(frame).mean() for frame in frames_of(str(path))])


def middles(count: int) -> np.ndarray:
    """Shades of the frames in the middle of each of FRAMES stretches of :func:`brightening`."""
    places = np.unique((2 * np.arange(FRAMES) + 1) * count // (2 * FRAMES))
    return np.linspace(0, 255, count)[places]


@pytest.mark.parametrize("ending", GREY)
@pytest.mark.parametrize("count", [1, 5, 8, 30, 61])
def test_frames_are_spread_evenly(tmp_path: Path, ending: str, count: int) -> None:
    path = tmp_path / f"a.{ending}"
    save_video(path, brightening(count), GREY[ending])
    np.testing.assert_allclose(shades(path), middles(count), atol=8)


def test_jumps_lead_to_the_same_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_video(tmp_path / "a.mp4", brightening(61))
    decoded = shades(tmp_path / "a.mp4")
    monkeypatch.setattr(module, "FAR_SECONDS", 0.0)
    np.testing.assert_array_equal(shades(tmp_path / "a.mp4"), decoded)


def test_large_frames_are_made_smaller_in_their_shape(tmp_path: Path) -> None:
    save_video(tmp_path / "a.mp4", brightening(8, 400, 800))
    assert {frame.size for frame in frames_of(str(tmp_path / "a.mp4"))} == {(384, 192)}


NOT_TURNED = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
CLOCKWISE = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
"""Display matrices as an MP4 file has them."""


def test_a_video_that_was_filmed_on_its_side_stands_upright(tmp_path: Path) -> None:
    filmed = np.zeros((10, 32, 64, 3), np.uint8)
    filmed[:, :, :32] = 255  # left, which a quarter turn clockwise brings to the top
    save_video(tmp_path / "a.mp4", filmed)
    film, track, rest = (tmp_path / "a.mp4").read_bytes().split(NOT_TURNED)
    (tmp_path / "a.mp4").write_bytes(film + NOT_TURNED + track + CLOCKWISE + rest)
    shown = np.asarray(frames_of(str(tmp_path / "a.mp4"))[0]).mean(axis=2)
    assert shown.shape == (64, 32)
    assert shown[:28].min() > 200
    assert shown[36:].max() < 50


def test_mean_and_deviation_are_those_of_the_frames(tmp_path: Path) -> None:
    save_video(tmp_path / "a.mp4", brightening(40))
    mean, spread = encode_videos([str(tmp_path / "a.mp4")])[0].reshape(2, SIDE, SIDE, 3)
    np.testing.assert_allclose(mean, middles(40).mean() / 255, atol=0.03)
    np.testing.assert_allclose(spread, middles(40).std() / 255, atol=0.03)


def test_a_video_of_one_colour_is_blank_and_one_that_flickers_is_not(tmp_path: Path) -> None:
    save_video(tmp_path / "a.mp4", np.full((10, 32, 48, 3), 128, np.uint8))
    save_video(tmp_path / "b.mp4", brightening(10))
    features = encode_videos([str(tmp_path / "a.mp4"), str(tmp_path / "b.mp4")])
    assert features.any(axis=1).tolist() == [False, True]


def test_a_sound_is_no_video_and_a_cut_off_file_is_damaged(tmp_path: Path) -> None:
    save_sound(tmp_path / "a.wav", np.zeros(100))
    with pytest.raises(UnreadableFile, match="without a video"):
        frames_of(str(tmp_path / "a.wav"))
    save_video(tmp_path / "b.mp4", brightening(40))
    whole = (tmp_path / "b.mp4").read_bytes()
    (tmp_path / "c.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Exception, match="Invalid data"):
        frames_of(str(tmp_path / "c.mp4"))


class Shade:
    """A model of images: their mean shade, and a one."""

    kinds, identity = PICTURES, "shade"

    def __init__(self) -> None:
        self.most_at_once = 0

    def load(self):
        def encode_batch(batch):
            self.most_at_once = max(self.most_at_once, len(batch))
            return np.array([[np.asarray(image).mean(), 1.0] for image in batch], np.float32)

        return encode_batch


def test_a_model_of_images_gives_the_mean_over_the_frames(tmp_path: Path) -> None:
    model, counts = Shade(), [3, 20, 40, 9, 16, 8]
    for count in counts:
        save_video(tmp_path / f"{count}.mp4", brightening(count))
    videos = [frames_of(str(tmp_path / f"{count}.mp4")) for count in counts]
    made = FramesModel(model).load()(videos)
    np.testing.assert_allclose(made[:, 0], [middles(count).mean() for count in counts], atol=4)
    np.testing.assert_allclose(made[:, 1], 1.0, rtol=1e-6)
    assert model.most_at_once <= 32


def test_pretrained_models_of_images_read_videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ntk_labelqa.encoders.registry.find", lambda name: Embeddings(name, Shade(), "a shade"))
    save_video(tmp_path / "a.mp4", brightening(20))
    save_video(tmp_path / "b.mp4", np.full((10, 32, 48, 3), 128, np.uint8))
    encoded = encode(videos([tmp_path / "a.mp4", tmp_path / "b.mp4"]), encoder="shade")
    assert encoded.features.shape == (1, 2)
    assert encoded.dataset.left_out[0].ids == (1,)


def test_videos_of_one_thing_are_alike_to_a_real_model(tmp_path: Path, photo_model: Path) -> None:
    for photo, name in zip(load_sample_images().images, ("temple", "flower"), strict=True):
        for view, start in enumerate((0, 150)):
            pan = [photo[60:380, start + 4 * step : start + 4 * step + 320] for step in range(12)]
            save_video(tmp_path / f"{name}{view}.mp4", np.stack(pan))
    paths = [tmp_path / f"{name}{view}.mp4" for name in ("temple", "flower") for view in (0, 1)]
    features = encode(videos(paths), encoder=f"onnx:{photo_model}").features
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    alike = unit @ unit.T
    assert features.shape == (4, 1280)
    assert min(alike[0, 1], alike[2, 3]) > alike[:2, 2:].max() + 0.2


def videos(paths: list[Path]) -> LabeledDataset:
    items = pd.DataFrame({"task_id": np.arange(len(paths)), "value": "", "path": list(map(str, paths))})
    return replace(from_arrays(["a", "b"] * (len(paths) // 2)), kind="video", items=items)


def test_the_order_of_items_changes_nothing(tmp_path: Path) -> None:
    for count in (4, 12, 20):
        save_video(tmp_path / f"{count}.mp4", brightening(count))
    paths = [str(tmp_path / f"{count}.mp4") for count in (4, 12, 20)]
    np.testing.assert_array_equal(encode_videos(paths[::-1]), encode_videos(paths)[::-1])


@pytest.mark.parametrize(
    ("name", "playlist"),
    [
        ("list.m3u8", "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nother.mp4\n#EXT-X-ENDLIST\n"),
        ("list.mp4", "ffconcat version 1.0\nfile other.mp4\n"),
    ],
)
def test_a_playlist_opens_no_other_file(tmp_path: Path, name: str, playlist: str) -> None:
    save_video(tmp_path / "other.mp4", brightening(16))
    assert len(frames_of(str(tmp_path / "other.mp4"))) > 1
    (tmp_path / name).write_text(playlist)
    with pytest.raises(av.error.FFmpegError) as refused:
        frames_of(str(tmp_path / name))
    assert refused.value.errno == errno.EINVAL  # before anything in it is looked at


def test_frames_of_too_many_pixels_are_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_video(tmp_path / "a.mp4", np.full((10, 32, 48, 3), 128, np.uint8))
    monkeypatch.setattr(module, "MOST_PIXELS", 32 * 48 - 1)
    for read in (frames_of, lambda path: module.frames_at(path, [0.0])):
        with pytest.raises(UnreadableFile, match="megapixels"):
            read(str(tmp_path / "a.mp4"))
