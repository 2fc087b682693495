"""Files that tasks name, odd ones among good: addresses, bytes, links, and what servers say of them."""

from __future__ import annotations

import base64
import dataclasses
import io
import random
import shutil
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import httpx
import numpy as np
from PIL import Image

from ntk_labelqa.dataset import Control, ItemKind
from ntk_labelqa.encoders.choose import encode
from ntk_labelqa.labelstudio.media import download
from ntk_labelqa.labelstudio.media.fetch import fetch_media
from tests.fuzz.odd import TEXTS, damaged, odd
from tests.fuzz.runs import Unexpected, seeded
from tests.labelstudio.test_media import items
from tests.media_files import KINDS, save_sound, save_video

HOST = "https://files.example.org"
FORMATS = ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "ICO", "PPM", "TGA", "JPEG2000", "EPS", "PDF"]
HEADERS = ["etag", "last-modified", "location", "content-encoding", "content-length", "content-type", "set-cookie"]
ORDER: list[ItemKind] = [*["image"] * 8, "audio", "series", "series", "pdf", "video"]
"""Which kind's turn it is."""
AT_ONCE = 20
ENCODERS: dict[str, str] = {"image": "pixels", "audio": "sound", "series": "series", "pdf": "pdf", "video": "frames"}


class Reply(NamedTuple):
    """What a server answers, twice."""

    status: int
    headers: list[tuple[bytes, bytes]]


class File(NamedTuple):
    """An odd item: its kind and address, and the bytes that lie there, or in the folder of the export, and how."""

    kind: ItemKind
    value: str
    content: bytes
    name: str
    link: str
    reply: Reply


class Media:
    """Items, as :func:`~ntk_labelqa.labelstudio.media.fetch.fetch_media` gets their files."""

    together = AT_ONCE

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        download.PAUSE_SECONDS = 0.0
        self.good = {kind: _good(folder, kind) for kind in ("image", "audio", "series", "pdf", "video")}
        self.images = {name: _image(name) for name in FORMATS}
        self.deep = [_deep(mode) for mode in ("I;16", "I", "F")]

    def make(self, seed: int) -> File:
        rng = seeded("media", seed)
        kind = ORDER[seed // AT_ONCE % len(ORDER)]
        content = self._content(kind, rng)
        name = f"{seed}-{rng.choice([f'odd{self.good[kind].suffix}'] * 4 + ['odd', 'a b.png', 'é.png'])}"
        way = rng.random()
        if way < 0.35:
            value = f"/{name}" if rng.random() < 0.5 else name
        elif way < 0.6:
            value = f"{HOST}/{name}"
        elif way < 0.8:
            value = _data_uri(content, rng)
        elif kind == "series" and way < 0.95:
            value = content.decode("utf-8", "replace")
        else:
            value = rng.choice(TEXTS) if rng.random() < 0.6 else rng.choice(TEXTS) + rng.choice(TEXTS)
        headers = [(rng.choice(HEADERS).encode(), _header(rng)) for _ in range(rng.choice([0, 1, 2]))]
        reply = Reply(rng.choice([200, 200, 200, 200, 304, 302, 404, 500, 206, 999]), headers)
        link = rng.choice(["", "", "", "", "", "loop", "away", "folder", "gone", "secret"])
        return File(kind, value, content, name, link, reply)

    def read(self, made: list[File]) -> str:
        root, cache = self.folder / "root", self.folder / "cache"
        for path in (root, cache):
            shutil.rmtree(path, ignore_errors=True)
        root.mkdir()
        kind = made[0].kind
        good = [f"good{self.good[kind].suffix}", f"other{self.good[kind].suffix}"]
        for name in good:
            shutil.copy(self.good[kind], root / name)
        for one in made:
            _place(root / one.name, one)
        dataset = items(*good, *(one.value for one in made), kind=kind)
        dataset = dataclasses.replace(dataset, control=Control("c", "x", over="TimeSeries"))
        options: Any = {"root": root, "allowed_hosts": ["files.example.org"], "cache_dir": cache, "max_failed": 1.0}
        with _answering(made):
            for _ in range(2):  # the second time with what was said of the file the first time
                found = fetch_media(dataset, **options)
        if not {100, 101} <= set(found.items["task_id"]):
            raise Unexpected("a good file is gone")
        features = encode(found, encoder=ENCODERS[kind]).features
        if not np.isfinite(features).all():
            raise Unexpected("features that are no numbers")
        return "caught by the guard" if any(gone.reason.endswith("Error)") for gone in found.left_out) else "read"

    def _content(self, kind: str, rng: random.Random) -> bytes:
        if kind != "image":
            content = self.good[kind].read_bytes()
            if kind == "series" and rng.random() < 0.3:
                content = rng.choice([b'{"t": [1, 2], "v": [%s, 1]}', b'[{"v": %s}, {"v": 2}]']) % repr(
                    odd(rng)
                ).encode("utf-8", "replace")
            return damaged(content, rng) if rng.random() < 0.9 else content
        if rng.random() < 0.1:
            return _with_floats(rng)
        content = rng.choice([*self.images.values(), *self.deep])
        return damaged(content, rng) if rng.random() < 0.9 else content


def _good(folder: Path, kind: str) -> Path:
    path = folder / f"good.{'png' if kind == 'image' else KINDS[kind].ending}"
    generator = np.random.default_rng(0)
    if kind == "image":
        path.write_bytes(_image("PNG"))
    elif kind == "audio":
        save_sound(path, 0.3 * np.sin(np.arange(1600) / 9))
    elif kind == "video":
        save_video(path, generator.integers(0, 255, (3, 32, 32, 3), dtype=np.uint8))
    else:
        KINDS[kind].write(path, 0, generator)
    return path


def _image(form: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (16, 20, 3), dtype=np.uint8)
    written = io.BytesIO()
    options: dict[str, Any] = {"exif": Image.Exif()} if form in ("JPEG", "PNG", "WEBP", "TIFF") else {}
    if options:
        options["exif"][0x0112] = 6
    Image.fromarray(pixels).save(written, form, **options)
    return written.getvalue()


def _deep(mode: str) -> bytes:
    kinds = {"I;16": np.uint16, "I": np.int32, "F": np.float32}
    written = io.BytesIO()
    Image.fromarray(np.arange(320).reshape(16, 20).astype(kinds[mode])).save(written, "TIFF")
    return written.getvalue()


def _with_floats(rng: random.Random) -> bytes:
    """A TIFF of floats, some of them none that anybody could draw."""
    values = np.linspace(0, 1, 320, dtype=np.float32).reshape(16, 20)
    for _ in range(rng.randint(1, 4)):
        values.flat[rng.randrange(320)] = rng.choice([np.inf, -np.inf, np.nan, 3e38, -3e38, 1e-45])
    if rng.random() < 0.1:
        values[:] = rng.choice([np.inf, -np.inf, np.nan])
    written = io.BytesIO()
    Image.fromarray(values).save(written, "TIFF")
    return written.getvalue()


def _data_uri(content: bytes, rng: random.Random) -> str:
    head = rng.choice(
        ["data:image/png;base64", "data:;base64", "data:image/svg+xml;utf8", "data:base64", "data:x;base64 "]
    )
    body = base64.b64encode(content).decode()
    value = f"{head},{body}"
    if rng.random() < 0.3:
        at = rng.randrange(len(value))
        value = value[:at] + rng.choice(TEXTS) + value[at + rng.choice([0, 1, 9]) :]
    return value


def _header(rng: random.Random) -> bytes:
    if rng.random() < 0.4:
        return rng.randbytes(rng.randint(0, 30)).replace(b"\n", b"").replace(b"\r", b"")
    return rng.choice(
        [b'"\xe9t\xe9"', "„ä“".encode(), b'W/"1"', b"\x00", b"gzip", b"-1", b"9" * 30, b"//[", b"/a", b"\xff"]
    )


def _place(path: Path, made: File) -> None:
    """The odd file, or a link in its place."""
    if made.link == "loop":
        path.symlink_to(path.name)
    elif made.link == "away":
        path.symlink_to("/etc/hostname")
    elif made.link == "folder":
        path.mkdir()
    elif made.link != "gone":
        path.write_bytes(made.content)
        if made.link == "secret":
            path.chmod(0)


def _answering(made: list[File]) -> Any:
    """Every request is answered with what was made, and no network is asked."""
    by_number = {one.name.partition("-")[0]: one for one in made}

    def answer(request: httpx.Request) -> httpx.Response:
        one = by_number.get(request.url.path.lstrip("/").partition("-")[0], made[0])
        return httpx.Response(one.reply.status, headers=one.reply.headers, stream=httpx.ByteStream(one.content))

    return mock.patch.object(httpx, "Client", partial(httpx.Client, transport=httpx.MockTransport(answer)))
