"""Small sounds, videos, time series and PDFs of two classes, and exports of them with wrong labels planted."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

CLASSES = ("low", "high")


class Kind(NamedTuple):
    """A kind of file: the object tag, the ending, what writes one of a class, and one that is damaged."""

    tag: str
    ending: str
    write: Callable[[Path, int, np.random.Generator], None]
    damaged: bytes
    reason: str
    encoder: str


def write_sound(path: Path, code: int, random: np.random.Generator) -> None:
    """Half a second of a low or a high note of any loudness, in noise; some in stereo, some at another rate."""
    rate = int(random.choice([16_000, 22_050]))
    times = np.arange(rate // 2) / rate
    note = np.sin(2 * np.pi * random.uniform(0.9, 1.1) * (300, 900)[code] * times + random.uniform(0, 6))
    sound = random.uniform(0.05, 0.5) * note + random.normal(0, 0.01, len(times))
    save_sound(path, np.stack([sound] * int(random.integers(1, 3)), axis=1), rate)


def save_sound(path: Path, sound: np.ndarray, rate: int = 16_000) -> None:
    """*sound*, float[T] or float[T, channels], as a file of the format that the ending names."""
    import soundfile

    soundfile.write(path, sound, rate)


def write_video(path: Path, code: int, random: np.random.Generator) -> None:
    """A bright square that stays where it is, or moves, over noise."""
    frames = random.integers(0, 60, (12, 32, 48, 3), dtype=np.uint8)
    row, start = random.integers(4, 20), random.integers(0, 6)
    for number, frame in enumerate(frames):
        column = start + 3 * number * code
        frame[row : row + 8, column : column + 8] = 230
    save_video(path, frames)


def save_video(path: Path, frames: np.ndarray, codec: str = "mpeg4") -> None:
    """*frames*, uint8[F, H, W, 3], ten a second."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 2_000_000
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def series_of(code: int, random: np.random.Generator) -> dict[str, list[float]]:
    """A slow or a fast swing of any phase in one channel, noise in another; two values are missing."""
    times = np.arange(200) / 10
    swing = np.sin((1.0, 4.0)[code] * times + random.uniform(0, 6)) + random.normal(0, 0.2, len(times))
    swing[random.choice(200, 2)] = np.nan
    noise = random.normal(5, 1, len(times))
    columns = {"t": times, "swing": swing, "noise": noise}
    return {name: [None if value != value else round(value, 4) for value in of] for name, of in columns.items()}


def write_series(path: Path, code: int, random: np.random.Generator) -> None:
    """:func:`series_of` as CSV, dates for times, semicolons between columns."""
    columns = series_of(code, random)
    lines = ["t;swing;noise"]
    for time, swing, noise in zip(*columns.values(), strict=True):
        lines.append(f"2026-01-01T00:00:{time:06.3f}Z;{'' if swing is None else swing};{noise}")
    path.write_text("\n".join(lines))


def write_pdf(path: Path, code: int, random: np.random.Generator) -> None:
    """A page on the sea or on money."""
    words = (("ship", "harbour", "wave", "sail", "tide"), ("bank", "credit", "share", "loan", "interest"))[code]
    save_pdf(path, " ".join(random.choice([*words, "the", "of", "day"], 25)))


def save_pdf(path: Path, text: str) -> None:
    """One page with *text* on it, in the letters of ASCII."""
    page = f"BT /F1 8 Tf 20 100 Td ({text}) Tj ET".encode()
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 900 200]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(page), page),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    content, places = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, 1):
        places.append(len(content))
        content += b"%d 0 obj%s\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"xref\n0 6\n0000000000 65535 f \n%strailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n"
    path.write_bytes(content + end % (table, len(content)))


KINDS: Mapping[str, Kind] = {
    "audio": Kind(
        '<Audio name="x" value="$item"/>', "wav", write_sound, b"RIFF, but no sound", "unreadable file", "sound"
    ),
    "video": Kind('<Video name="x" value="$item"/>', "mp4", write_video, b"no video", "unreadable file", "frames"),
    "series": Kind(
        '<TimeSeries name="x" value="$item" timeColumn="T" sep=";"><Channel column="swing"/></TimeSeries>',
        "csv",
        write_series,
        b"<html>Log in</html>",
        "file without a column of numbers",
        "series",
    ),
    "pdf": Kind('<Pdf name="x" value="$item"/>', "pdf", write_pdf, b"%PDF-1.4 and no more", "unreadable file", "pdf"),
}


def config_of(kind: str) -> str:
    """A choice over what a file of *kind* shows."""
    choices = "".join(f'<Choice value="{name}"/>' for name in CLASSES)
    return f'<View>{KINDS[kind].tag}<Choices name="c" toName="x">{choices}</Choices></View>'


def media_export(folder: Path, kind: str, count: int, wrong: tuple[int, ...] = ()) -> Path:
    """``export.json``, ``config.xml`` and *count* files in *folder*; the tasks *wrong* have the other label."""
    made, random = KINDS[kind], np.random.default_rng(0)
    items = []
    for row in range(count):
        items.append(f"{row}.{made.ending}")
        made.write(folder / items[-1], row % 2, random)
    return write_export(folder, kind, items, wrong)


def write_export(folder: Path, kind: str, items: list, wrong: tuple[int, ...] = ()) -> Path:
    """``export.json`` and ``config.xml`` in *folder*: task and annotation ids count from 0, classes take turns."""
    tasks = [task(row, item, CLASSES[(row + (row in wrong)) % 2]) for row, item in enumerate(items)]
    (folder / "config.xml").write_text(config_of(kind))
    (folder / "export.json").write_text(json.dumps(tasks))
    return folder / "export.json"


def task(number: int, item: object, label: str) -> dict:
    """A task with one annotation."""
    result = {"from_name": "c", "to_name": "x", "type": "choices", "value": {"choices": [label]}}
    return {
        "id": number,
        "data": {"item": item},
        "annotations": [{"id": number, "completed_by": 1, "result": [result]}],
    }


def let_time_pass(cache: Path, seconds: float = 3600.0) -> None:
    """Move back when the server was asked for each file of the *cache*."""
    for path in [path for path in (cache / "index").rglob("*") if path.is_file()]:
        entry = json.loads(path.read_text())
        path.write_text(json.dumps(entry | {"asked": entry["asked"] - seconds}))
