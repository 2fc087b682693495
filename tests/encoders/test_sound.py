"""Sounds: what differs for the ear differs, what is the same sound written otherwise does not."""

from __future__ import annotations

from pathlib import Path

import librosa
import numpy as np
import pytest

from ntk_labelqa.encoders.files import UnreadableFile
from ntk_labelqa.encoders.sound import BANDS, RATE, band_statistics, encode_sounds, waveform
from tests.media_files import save_sound


def note(hertz: float, seconds: float = 0.5, rate: int = RATE) -> np.ndarray:
    """A sine of half the largest amplitude."""
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)


@pytest.mark.long
@pytest.mark.parametrize("hertz", [200.0, 1000.0, 4000.0])
def test_the_loudest_band_is_that_of_the_note(hertz: float) -> None:
    centres = librosa.mel_frequencies(BANDS + 2, fmin=0, fmax=RATE / 2)[1:-1]
    loudness = band_statistics(note(hertz).astype(np.float32))[:BANDS]
    assert abs(centres[loudness.argmax()] - hertz) < 0.15 * hertz


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg"])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [RATE, 44_100])
def test_formats_channels_and_rates_give_the_same_sound(tmp_path: Path, ending: str, channels: int, rate: int) -> None:
    save_sound(tmp_path / f"a.{ending}", np.stack([note(440.0, rate=rate)] * channels, axis=1), rate)
    heard, right = waveform(str(tmp_path / f"a.{ending}")), note(440.0)
    assert len(heard) == len(right)
    inner = slice(500, -500)
    assert np.abs(heard[inner] - right[inner]).max() < 0.05


def test_silent_and_empty_sounds_have_a_row_of_zeros_and_change_no_other(tmp_path: Path) -> None:
    sounds = [note(hertz) for hertz in (200.0, 300.0, 2000.0, 3000.0)]
    random = np.random.default_rng(0)
    for row, sound in enumerate([*sounds, np.zeros(8000), np.zeros(0), random.choice([-1, 1], 8000) / 2**15]):
        save_sound(tmp_path / f"{row}.wav", sound)
    paths = [str(tmp_path / f"{row}.wav") for row in range(7)]
    features = encode_sounds(paths)
    assert features.any(axis=1).tolist() == [True] * 4 + [False] * 3
    np.testing.assert_array_equal(features[:4], encode_sounds(paths[:4]))


def test_a_sound_of_too_many_values_is_left_unread(tmp_path: Path, monkeypatch) -> None:
    save_sound(tmp_path / "a.flac", np.zeros((4000, 2)))
    monkeypatch.setattr("ntk_labelqa.encoders.sound.MOST_VALUES", 8000)
    assert len(waveform(str(tmp_path / "a.flac"))) == 4000
    monkeypatch.setattr("ntk_labelqa.encoders.sound.MOST_VALUES", 7999)
    with pytest.raises(UnreadableFile, match="million values"):
        waveform(str(tmp_path / "a.flac"))


@pytest.mark.parametrize("seconds", [0.001, 0.03, 0.07])
def test_sounds_shorter_than_a_window(seconds: float) -> None:
    assert np.isfinite(band_statistics(note(440.0, seconds).astype(np.float32))).all()


def test_the_order_of_items_changes_nothing(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for row in range(6):
        save_sound(tmp_path / f"{row}.wav", note(100.0 * 2**row) + random.normal(0, 0.01, 8000))
    paths = [str(tmp_path / f"{row}.wav") for row in range(6)]
    order = random.permutation(6)
    shuffled = encode_sounds([paths[row] for row in order])
    np.testing.assert_allclose(shuffled, encode_sounds(paths)[order], rtol=1e-5, atol=1e-6)


def test_progress_counts_up(tmp_path: Path) -> None:
    save_sound(tmp_path / "a.wav", note(440.0))
    seen: list[tuple[int, int]] = []
    encode_sounds([str(tmp_path / "a.wav")] * 3, progress=lambda *done: seen.append(done))
    assert seen == [(1, 3), (2, 3), (3, 3)]
