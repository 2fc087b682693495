"""What is read stays within bounds, whoever made it: bytes after unpacking, seconds of an answer, pixels, formats."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ntk_labelqa import images, unpacking
from ntk_labelqa.errors import InvalidInputError, LabelStudioError
from ntk_labelqa.labelstudio import connect as connecting
from ntk_labelqa.labelstudio.answers import BoundedClient, RefusedAnswer
from ntk_labelqa.labelstudio.connect import connect
from ntk_labelqa.labelstudio.media import download
from ntk_labelqa.labelstudio.media.fetch import fetch_media
from ntk_labelqa.labelstudio.reading.export_file import read_export
from tests.labelstudio.samples import KEY, USER, annotation, choice, task
from tests.labelstudio.test_media import items, png, reasons
from tests.labelstudio.web import Reply, as_json, serving

MIB = 2**20
EXPORT = [task(1, annotation(1, choice("cars"))), task(2, annotation(2, choice("space")))]
HOST = "127.0.0.1"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is unpacked may be of 2 MiB."""
    monkeypatch.setattr(unpacking, "ALWAYS_BYTES", 2 * MIB)
    monkeypatch.setattr(unpacking, "MOST_TIMES", 3)


@pytest.fixture
def peak() -> Iterator[Callable[[], int]]:
    """Bytes that were held at most since the test began."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


def bomb(size: int) -> bytes:
    """An export of *size* bytes, nearly all of it blank, packed to a thousandth."""
    return gzip.compress(json.dumps(EXPORT).encode() + b" " * size)


def in_a_zip(content: bytes) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("export.json", content)
    return written.getvalue()


@pytest.mark.parametrize("packed", [bomb(64 * MIB), in_a_zip(json.dumps(EXPORT).encode() + b" " * 64 * MIB)])
def test_an_export_that_unpacks_without_end_is_refused_early(small, peak, tmp_path, packed: bytes) -> None:
    (tmp_path / "export.json.gz").write_bytes(packed)
    with pytest.raises(InvalidInputError, match="unpacks to more than 2 MiB"):
        read_export(tmp_path / "export.json.gz")
    assert peak() < 16 * MIB


@pytest.mark.parametrize("pack", [gzip.compress, in_a_zip])
def test_an_export_within_the_bounds_is_read(small, tmp_path, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / "export.json.gz").write_bytes(pack(json.dumps(EXPORT).encode() + b" " * MIB))
    assert len(read_export(tmp_path / "export.json.gz")) == 2


def test_the_bounds_as_they_are_take_what_packs_well() -> None:
    assert unpacking.most_of(8 * MIB) == 1600 * MIB
    assert unpacking.most_of(1000) == 256 * MIB


def test_several_gzip_members_are_one_file() -> None:
    packed = gzip.compress(b"one ") + gzip.compress(b"two")
    assert b"".join(unpacking.unpacked([packed[:10], packed[10:40], packed[40:]])) == b"one two"


def fetched(tmp_path: Path, web: str, *names: str, **options: Any) -> Any:
    values = [f"{web}/{name}" for name in names]
    options = {"allowed_hosts": [HOST], "cache_dir": tmp_path / "cache", "max_failed": 1.0, **options}
    return fetch_media(items(*values), **options)


def test_a_file_that_a_server_packs_in_layers_is_left_out(small, peak, tmp_path) -> None:
    inner = zlib.compress(b"\0" * 64 * MIB)
    replies = {
        "/good.png": Reply(gzip.compress(png(7)), headers={"Content-Encoding": "gzip"}),
        "/stored.png": Reply(png(9), headers={"Content-Encoding": "aws-chunked"}),
        "/bomb.png": Reply(gzip.compress(b"\0" * 64 * MIB), headers={"Content-Encoding": "gzip"}),
        "/layers.png": Reply(gzip.compress(gzip.compress(inner)), headers={"Content-Encoding": "gzip, gzip"}),
        "/other.png": Reply(b"\0" * 100, headers={"Content-Encoding": "br"}),
        "/damaged.png": Reply(b"\0" * 100, headers={"Content-Encoding": "gzip"}),
    }
    tracemalloc.reset_peak()
    with serving(lambda request: replies[request.path]) as web:
        found = fetched(tmp_path, web.url, *(name[1:] for name in replies))
        assert len(web.requests) == len(replies), "what is refused is not asked for again"
    assert found.items["task_id"].tolist() == [100, 101]
    assert reasons(found) == {
        "image not fetched: it cannot be unpacked": (105,),
        "image not fetched: it is packed as br": (104,),
        "image not fetched: it is packed as gzip, gzip": (103,),
        "image not fetched: it unpacks to more than is taken": (102,),
    }
    assert peak() < 140 * MIB  # the bodies themselves were made meanwhile


def test_a_server_that_drips_is_not_waited_for(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(download, "BODY_SECONDS", 0.4)
    with serving(lambda _request: Reply(png(7) + b"\0" * 200, pause=0.05)) as web:
        found = fetched(tmp_path, web.url, "slow.png")
    assert reasons(found) == {"image not fetched: it takes longer than 0 s": (100,)}


def test_a_head_that_drips_is_not_waited_for(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(download, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(download, "PAUSE_SECONDS", 0.0)
    with serving(lambda _request: Reply(head_pause=0.05)) as web:
        found = fetched(tmp_path, web.url, "slow.png")
    assert reasons(found) == {"image not fetched: ReadTimeout": (100,)}


@pytest.mark.parametrize("reply", [Reply(head_pause=0.02), Reply(json.dumps(USER).encode(), pause=0.02)])
def test_a_label_studio_that_drips_is_not_waited_for(monkeypatch, reply: Reply) -> None:
    monkeypatch.setattr(connecting, "TRY_TIMEOUT", 0.2)
    with serving(lambda _request: reply) as web, pytest.raises(LabelStudioError, match=r"took too long|takes longer"):
        connect(web.url, KEY, timeout=0.2)


def test_a_long_body_that_comes_steadily_is_read() -> None:
    with serving(lambda _request: Reply(b"x" * 40, pause=0.01)) as web:
        url = f"{web.url}/export"
        with BoundedClient(head_seconds=5, body_seconds=0.1, slowest=50) as http:
            assert http.get(url).content == b"x" * 40
        with (
            BoundedClient(head_seconds=5, body_seconds=0.1, slowest=1000) as http,
            pytest.raises(RefusedAnswer, match="takes longer"),
        ):
            http.get(url)


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip"])
def test_an_answer_of_the_server_that_unpacks_without_end_is_refused(small, encoding: str) -> None:
    body = gzip.compress(json.dumps(USER).encode() + b" " * 64 * MIB)
    body = gzip.compress(body) if "," in encoding else body
    reply = Reply(body, headers={"Content-Type": "application/json", "Content-Encoding": encoding})
    with serving(lambda _request: reply) as web, pytest.raises(LabelStudioError, match="answer is refused, as it"):
        connect(web.url, KEY)


def test_an_answer_that_is_packed_is_read() -> None:
    packed = gzip.compress(as_json(USER).body)
    reply = Reply(packed, headers={"Content-Type": "application/json", "Content-Encoding": "gzip"})
    with serving(lambda _request: reply) as web:
        assert connect(web.url, KEY).users.whoami().email == USER["email"]
        assert web.requests[0].headers["accept-encoding"] == "gzip"


def test_an_image_of_too_many_pixels_is_opened_nowhere(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(images, "MOST_PIXELS", 5_000)
    Image.new("L", (100, 51)).save(tmp_path / "a.png")
    Image.new("L", (100, 50)).save(tmp_path / "b.png")
    for read in (images.opened, images.decoded, images.shape_of):
        read(tmp_path / "b.png")
        with pytest.raises(Image.DecompressionBombError):
            read(tmp_path / "a.png")


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_floats_cost_little_more_than_the_pixels(tmp_path, peak, mode: str) -> None:
    side = 2_000
    values = (np.arange(side * side).reshape(side, side) % 60_000).astype(np.int32)
    of_mode = {"I;16": values.astype(np.uint16), "I": values, "F": values.astype(np.float32)}
    image = Image.fromarray(of_mode[mode])
    image.save(tmp_path / "a.tiff")
    del values, of_mode, image
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    images.decoded(tmp_path / "a.tiff")
    assert peak() - before < 8 * side * side  # NumPy's and Python's part; a whole image of float64 takes twice as much


def test_no_image_starts_a_program(tmp_path, monkeypatch) -> None:
    """Pillow hands PostScript to Ghostscript, wherever it is on the path."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path / 'was run'}\n")
    (tmp_path / "bin" / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    page = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"
    value = f"data:image/png;base64,{base64.b64encode(page).decode()}"
    found = fetch_media(items(value), cache_dir=tmp_path / "cache", max_failed=1.0)
    assert reasons(found) == {"unreadable image": (100,)}
    assert not (tmp_path / "was run").exists()
