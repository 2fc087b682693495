"""Damaged files of every kind: left out by a reason, or good enough for their encoder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ntk_labelqa.dataset import Control, from_arrays
from ntk_labelqa.encoders.choose import encode
from ntk_labelqa.labelstudio.media.check import check_for
from ntk_labelqa.labelstudio.media.download import UnusableFile
from tests.media_files import KINDS

TIMES = 25


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_what_passes_the_check_can_be_encoded(kind: str, tmp_path: Path) -> None:
    random, made = np.random.default_rng(0), KINDS[kind]
    good = tmp_path / f"good.{made.ending}"
    made.write(good, 0, random)
    whole = good.read_bytes()
    plain = replace(from_arrays([0, 1]), kind=kind, control=Control("c", "x", time_column="T", separator=";"))
    check, refused = check_for(plain), 0
    for number in range(TIMES):
        path = tmp_path / f"{number}.{made.ending}"
        path.write_bytes(damaged(whole, random))
        try:
            check(path)
        except UnusableFile:
            refused += 1
            continue
        items = plain.items.assign(value="a file", path=[str(path), str(good)])
        assert np.isfinite(encode(replace(plain, items=items)).features).all()
    assert refused


def damaged(content: bytes, random: np.random.Generator) -> bytes:
    """*content* cut off, or with some of its bytes replaced, the head among them at times."""
    if random.random() < 0.4:
        return content[: random.integers(len(content))]
    changed = np.frombuffer(content, np.uint8).copy()
    end = 100 if random.random() < 0.5 else len(changed)
    places = random.integers(0, end, random.integers(1, 40))
    changed[places] = random.integers(0, 256, len(places))
    return changed.tobytes()
