"""Embeddings that are kept: what is thrown away first, several writers, and a file that cannot be used."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ntk_labelqa.encoders import store
from ntk_labelqa.encoders.store import EmbeddingStore
from ntk_labelqa.errors import LabelQAError


def rows(count: int) -> np.ndarray:
    return np.arange(count * 256, dtype=np.float32).reshape(count, 256)


def test_a_file_that_grows_too_large_loses_what_was_not_used_for_longest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [str(number) for number in range(4000)]
    for day, some in ((1, names[:2000]), (2, names[2000:])):
        monkeypatch.setattr(store, "_today", lambda day=day: day)
        with EmbeddingStore(tmp_path / "e.sqlite") as kept:
            kept.put("m", some, rows(2000))
    monkeypatch.setattr(store, "_today", lambda: 3)
    with EmbeddingStore(tmp_path / "e.sqlite", most_bytes=3_000_000) as kept:
        kept.get("m", names[:1000])  # used today
    with EmbeddingStore(tmp_path / "e.sqlite") as kept:
        left = set(kept.get("m", names))
    assert set(names[:1000]) < left
    assert not left & set(names[1000:2000])
    assert (tmp_path / "e.sqlite").stat().st_size <= 3_000_000


def test_many_keys_and_two_models_do_not_mix(tmp_path: Path) -> None:
    names = [str(number) for number in range(1500)]
    with EmbeddingStore(tmp_path / "e.sqlite") as kept:
        kept.put("one", names, rows(1500))
        kept.put("two", names[:1], rows(1))
        found = kept.get("one", names)
        assert (len(found), found["7"].tolist()) == (1500, rows(1500)[7].tolist())
        assert list(kept.get("two", names)) == ["0"]


def test_several_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    def write(part: int) -> None:
        with EmbeddingStore(tmp_path / "e.sqlite") as kept:
            for number in range(20):
                kept.put("m", [f"{part} {number}"], rows(1))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    with EmbeddingStore(tmp_path / "e.sqlite") as kept:
        assert kept.counts() == {"m": 80}


def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "e.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(LabelQAError, match=r"e\.sqlite cannot be used.*Delete the file"):
        EmbeddingStore(tmp_path / "e.sqlite")


def test_a_store_that_can_only_be_read_gives_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddingStore(tmp_path / "kept.sqlite") as kept:
        kept.put("m", ["a"], rows(1))
    monkeypatch.setattr(store, "_today", lambda: 10**6)
    with EmbeddingStore(tmp_path / "kept.sqlite", most_bytes=0) as kept:
        kept._connection.execute("PRAGMA query_only = 1")  # as for a user who may not write
        assert set(kept.get("m", ["a"])) == {"a"}
        with pytest.raises(LabelQAError, match="cannot be used"):
            kept.put("m", ["b"], rows(1))
