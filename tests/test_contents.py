"""Exact copies are told by what they hold, not by where they stand."""

from __future__ import annotations

from dataclasses import replace

from ntk_labelqa.contents import contents
from ntk_labelqa.dataset import from_arrays


def test_copies_of_files_texts_and_rows(tmp_path) -> None:
    paths = [tmp_path / name for name in ("a.png", "b.png", "c.png")]
    for path, content in zip(paths, (b"same", b"same", b"other"), strict=True):
        path.write_bytes(content)
    plain = from_arrays([0, 1, 1])
    images = replace(plain, kind="image", items=plain.items.assign(path=[str(path) for path in paths]))
    texts = replace(plain, kind="text", items=plain.items.assign(value=["same", "same", "other"]))
    rows = replace(plain, kind="row", items=plain.items.assign(data=[{"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 2}]))
    sounds = replace(images, kind="audio")
    within = plain.items.assign(path="", value=['{"a": [1]}', '{"a": [1]}', '{"a": [2]}'])
    for dataset in (images, texts, rows, sounds, replace(plain, kind="series", items=within)):
        first, second, third = contents(dataset)
        assert first == second != third
        assert first
    assert contents(plain).tolist() == ["", "", ""]
