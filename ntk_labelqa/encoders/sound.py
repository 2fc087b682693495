"""Sounds without a download: how loud each band of pitch is, and how that changes (log-mel statistics)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ntk_labelqa.dataset import ItemKind, LabeledDataset
from ntk_labelqa.encoders.encoder import Encoding, Progress, paths_of
from ntk_labelqa.encoders.files import Extra, UnreadableFile
from ntk_labelqa.encoders.scale import in_place, scaled

AUDIO = Extra("audio", ("librosa", "soundfile"), "Sounds")
RATE = 16_000
"""Samples a second that every sound is brought to: what is above 8 kHz distinguishes few things."""
BANDS = 64
WINDOW, STEP = 1024, 512
"""Samples that one spectrum looks at, and from one to the next: 64 and 32 ms."""
MOST_VALUES = 2**28
"""Samples times channels that are read at once, 1 GiB: ten minutes in stereo at 192 kHz are 230 million. Silence packs
to next to nothing, so that a small file may hold any number."""
MOST_SECONDS = 600
"""Of a sound that are listened to, from its beginning."""
SILENCE = 2.0**-14
"""Largest amplitude, of 1, up to which a sound is silent: the noise of 16 bits."""


class Sound:
    """The loudness of bands of pitch over time."""

    name = "sound"
    kinds: frozenset[ItemKind] = frozenset({"audio", "audio_segment"})

    def encode(self, dataset: LabeledDataset, *, seed: int = 0, progress: Progress | None = None) -> Encoding:
        """See :func:`encode_sounds`."""
        AUDIO.check()
        note = f"Features are means and deviations of {BANDS} mel bands over time, and of their changes."
        return Encoding(encode_sounds(paths_of(dataset), progress=progress), note)


def reader(_dataset: LabeledDataset) -> Callable[[str], np.ndarray]:
    """What reads a sound, see :func:`waveform`; raises InvalidInputError where a library is missing."""
    AUDIO.check()
    return waveform


def waveform(path: str) -> np.ndarray:
    """The sound at :data:`RATE` samples a second, its channels averaged, float32[T], -1 to 1.

    Raises UnreadableFile for one of more than :data:`MOST_VALUES`, and what soundfile raises for files that are damaged
    or of a format that it does not read (it reads WAV, FLAC, Ogg and MP3).
    """
    import librosa
    import soundfile

    with soundfile.SoundFile(path) as file:
        rate = file.samplerate
        if (values := min(file.frames, MOST_SECONDS * rate) * file.channels) > MOST_VALUES:
            raise UnreadableFile(f"sound of {values // 10**6:,} million values in {MOST_SECONDS} s at most")
        channels = file.read(MOST_SECONDS * rate, dtype="float32", always_2d=True)
    mono = np.nan_to_num(channels.mean(axis=1))
    return librosa.resample(mono, orig_sr=rate, target_sr=RATE) if rate != RATE and len(mono) else mono


def encode_sounds(paths: Sequence[str], *, progress: Progress | None = None) -> np.ndarray:
    """Features of the sound files, float32[N, 1 + 4 * BANDS]; the row of a silent one is zero.

    Of each band the mean and the standard deviation over time, in decibels, and those of the differences from one step
    to the next; each column is brought to mean 0 and deviation 1 over all sounds that are not silent.

    Cost: about a millisecond for a second of sound, half of it for bringing it to one rate.
    """
    statistics = np.zeros((len(paths), 4 * BANDS))
    carries = np.zeros(len(paths), bool)
    for row, path in enumerate(paths):
        sound = waveform(path)
        carries[row] = np.abs(sound).max(initial=0.0) > SILENCE
        if carries[row]:
            statistics[row] = band_statistics(sound)
        if progress:
            progress(row + 1, len(paths))
    return in_place(scaled(statistics[carries]), carries)


def band_statistics(sound: np.ndarray) -> np.ndarray:
    """Mean and deviation of each band over time, and of its changes, float64[4 * BANDS], decibels."""
    import librosa

    padded = np.pad(sound, (0, max(0, WINDOW + STEP - len(sound))))
    power = librosa.feature.melspectrogram(y=padded, sr=RATE, n_fft=WINDOW, hop_length=STEP, n_mels=BANDS)
    loudness = librosa.power_to_db(power).astype(np.float64)
    changes = np.diff(loudness, axis=1)
    return np.concatenate([part for of in (loudness, changes) for part in (of.mean(axis=1), of.std(axis=1))])
