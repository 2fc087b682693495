"""One decoder: whatever a file is, kernels, crops, thumbnails and embeddings get the same pixels."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from ntk_labelqa.encoders.pixels import encode_images
from ntk_labelqa.images import as_png, decoded, eight_bit, shape_of
from ntk_labelqa.label_types.box import Box
from ntk_labelqa.thumbnails import thumbnail

SIDE = 24
RAMP = np.linspace(0, 1, SIDE * SIDE).reshape(SIDE, SIDE)
"""What every file below shows: dark above, bright below."""


def deep(order: str) -> Callable[[Path], None]:
    """A 16-bit TIFF in the byte *order*."""

    def write(path: Path) -> None:
        pixels = (RAMP * 65535).astype(np.uint16)
        mode = {"<": "I;16", ">": "I;16B"}[order]
        Image.frombytes(mode, (SIDE, SIDE), pixels.astype(f"{order}u2").tobytes()).save(path, "TIFF")

    return write


def grey(path: Path) -> None:
    Image.fromarray(np.rint(RAMP * 255).astype(np.uint8)).save(path, "PNG")


def palette(path: Path) -> None:
    Image.fromarray(np.rint(RAMP * 255).astype(np.uint8)).convert("RGB").quantize(256).save(path, "PNG")


def cmyk(path: Path) -> None:
    inverted = np.rint((1 - RAMP) * 255).astype(np.uint8)
    bands = np.zeros((SIDE, SIDE, 4), np.uint8)
    bands[..., :3] = inverted[..., None]
    Image.fromarray(bands, "CMYK").save(path, "TIFF")


def turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(np.rint(RAMP[::-1, ::-1] * 255).astype(np.uint8)).save(path, "PNG", exif=exif)


def transparent(path: Path) -> None:
    """Black over the page's white, the less of it the further below."""
    pixels = np.zeros((SIDE, SIDE, 4), np.uint8)
    pixels[..., 3] = np.rint((1 - RAMP) * 255)
    Image.fromarray(pixels).save(path, "PNG")


def animated(path: Path) -> None:
    first = Image.fromarray(np.rint(RAMP * 255).astype(np.uint8))
    first.save(path, "TIFF", save_all=True, append_images=[Image.new("L", (SIDE, SIDE), 255)])


def png_of_16_bits(path: Path) -> None:
    Image.fromarray((RAMP * 65535).astype(np.uint16)).save(path, "PNG")


def floats(path: Path) -> None:
    Image.fromarray(RAMP.astype(np.float32)).save(path, "TIFF")


def signed(path: Path) -> None:
    """Such as the Hounsfield units of a scan."""
    Image.fromarray((RAMP * 4000 - 1000).astype(np.int32)).save(path, "TIFF")


FILES = [
    deep("<"), deep(">"), png_of_16_bits, floats, signed, grey, palette, cmyk, turned, transparent, animated,
]  # fmt: skip
NAMES = [
    "little-endian",
    "big-endian",
    "png 16",
    "floats",
    "signed",
    "grey",
    "palette",
    "cmyk",
    "exif",
    "alpha",
    "frames",
]


@pytest.fixture(params=FILES, ids=NAMES)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "image"
    request.param(path)
    return path


def test_pixels_are_those_of_the_picture(file: Path) -> None:
    height, width, is_grey = shape_of(file)
    assert (height, width) == (SIDE, SIDE)
    pixels = encode_images([str(file)])
    assert pixels.shape[-1] == (1 if is_grey else 3)
    assert pixels[0] == pytest.approx(np.repeat(RAMP[..., None], pixels.shape[-1], axis=2), abs=0.03)


def test_pixels_are_the_same_beside_a_colour_image(file: Path, tmp_path: Path) -> None:
    Image.new("RGB", (SIDE, SIDE), "red").save(tmp_path / "red.png")
    pixels = encode_images([str(file), str(tmp_path / "red.png")])
    assert pixels[0] == pytest.approx(np.repeat(RAMP[..., None], 3, axis=2), abs=0.03)


def test_a_crop_is_a_part_of_the_same_pixels(file: Path, tmp_path: Path) -> None:
    crop = Box(0, 50, 100, 50).cut(decoded(file))
    assert crop is not None
    (tmp_path / "crop.png").write_bytes(as_png(crop))
    assert encode_images([str(tmp_path / "crop.png")])[0, ..., 0] == pytest.approx(RAMP[SIDE // 2 :], abs=0.03)


def test_thumbnail_and_embedding_see_the_same(file: Path) -> None:
    small = thumbnail(file)
    assert small is not None
    for image in (Image.open(io.BytesIO(small)), eight_bit(decoded(file))):
        assert np.asarray(image.convert("L")) / 255 == pytest.approx(RAMP, abs=0.03)


def test_grey_of_16_bits_stays_as_fine_as_it_is(tmp_path: Path) -> None:
    faint = (np.arange(SIDE * SIDE).reshape(SIDE, SIDE) % 200).astype(np.uint16)  # 8 bits would hold none of it
    Image.fromarray(faint).save(tmp_path / "faint.png")
    assert len(np.unique(encode_images([str(tmp_path / "faint.png")]))) == 200
    (tmp_path / "again.png").write_bytes(as_png(decoded(tmp_path / "faint.png")))
    assert np.array_equal(np.asarray(decoded(tmp_path / "again.png")), np.asarray(decoded(tmp_path / "faint.png")))


def test_formats_that_run_programs_are_not_opened(tmp_path: Path) -> None:
    (tmp_path / "page.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    with pytest.raises(UnidentifiedImageError):
        decoded(tmp_path / "page.png")


@pytest.mark.parametrize("odd", [np.inf, -np.inf, np.nan])
def test_floats_that_are_no_numbers_leave_the_others_as_they_are(tmp_path: Path, odd: float) -> None:
    values = RAMP.astype(np.float32)
    values[3, 4] = odd
    Image.fromarray(values).save(tmp_path / "a.tiff")
    drawn = np.asarray(decoded(tmp_path / "a.tiff"))
    assert drawn[3, 4] == {np.inf: 1.0}.get(odd, 0.0)
    drawn = np.where(np.isfinite(values), drawn, values)
    np.testing.assert_allclose(drawn, values, atol=1e-6)
    assert np.isfinite(encode_images([str(tmp_path / "a.tiff")])).all()


def test_an_image_of_nothing_but_infinities_is_black(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), np.inf, np.float32)).save(tmp_path / "a.tiff")
    assert not np.asarray(decoded(tmp_path / "a.tiff")).any()
