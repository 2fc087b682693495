"""The cache of fetched files: within its size, and never at the cost of a run that is at work on it."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ntk_labelqa.labelstudio.media.cache import IN_USE_SECONDS, ROOM_EVERY_SECONDS, MediaCache

LONG_AGO = time.time() - 10 * IN_USE_SECONDS


def filled(root: Path, count: int, *, most_bytes: int) -> tuple[MediaCache, list[Path]]:
    """A cache of *count* files of 1,000 bytes, the first of them not used for longest."""
    cache = MediaCache(root, most_bytes=most_bytes)
    paths = [cache.store(f"https://example.org/{number}", bytes([number]) * 1000) for number in range(count)]
    for number, path in enumerate(paths):
        os.utime(path, (LONG_AGO + number, LONG_AGO + number))
    return cache, paths


def test_those_not_used_for_longest_go_first(tmp_path) -> None:
    cache, paths = filled(tmp_path, 10, most_bytes=6_000)
    cache.make_room()
    there = [path.exists() for path in paths]
    assert 3 <= sum(there) <= 6
    assert there == sorted(there)
    assert cache.look_up("https://example.org/0") is None
    assert cache.look_up("https://example.org/9") is not None


def test_what_was_used_lately_stays_however_full_it_is(tmp_path) -> None:
    cache, paths = filled(tmp_path, 10, most_bytes=0)
    assert cache.look_up("https://example.org/3") is not None
    cache.store("https://example.org/5", bytes([5]) * 1000)
    cache.make_room()
    assert [number for number, path in enumerate(paths) if path.exists()] == [3, 5]


def test_within_the_size_nothing_is_deleted(tmp_path) -> None:
    cache, paths = filled(tmp_path, 10, most_bytes=100_000)
    cache.make_room()
    assert all(path.exists() for path in paths)


def test_nothing_else_in_the_folder_is_touched(tmp_path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"x" * 5000)
    os.utime(tmp_path / "photos" / "cat.jpg", (LONG_AGO, LONG_AGO))
    cache, paths = filled(tmp_path, 3, most_bytes=0)
    cache.make_room()
    assert (tmp_path / "photos" / "cat.jpg").exists()
    assert not any(path.exists() for path in paths)


def test_what_killed_runs_left_is_cleared_away(tmp_path) -> None:
    cache, paths = filled(tmp_path, 1, most_bytes=100_000)
    left = paths[0].with_name(".abc.partial-12345678")
    left.touch()
    cache.make_room()
    assert not left.exists()


def test_room_is_not_looked_for_with_every_suggestion(tmp_path) -> None:
    cache, _ = filled(tmp_path, 2, most_bytes=100_000)
    cache.make_room()
    more, paths = filled(tmp_path, 4, most_bytes=0)
    more.make_room()
    assert all(path.exists() for path in paths)
    later = time.time() - 2 * ROOM_EVERY_SECONDS
    os.utime(tmp_path / "looked-for-room", (later, later))
    more.make_room()
    assert not any(path.exists() for path in paths)
