"""Features files: matched by task id, and refused by name."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr

from ntk_labelqa import row_store
from ntk_labelqa.dataset import from_arrays
from ntk_labelqa.encoders import features_files
from ntk_labelqa.encoders.choose import encode
from ntk_labelqa.encoders.precomputed import read_features
from ntk_labelqa.errors import InvalidInputError

TASKS = np.array([5, 3, 9])


def write(path, ids, features):
    np.savez(path, ids=np.asarray(ids), features=np.asarray(features))
    return path


def test_rows_follow_the_tasks_and_not_the_file(tmp_path) -> None:
    file = write(tmp_path / "f.npz", [3, 5, 7, 9], [[3.0], [5.0], [7.0], [9.0]])
    assert read_features(file, TASKS, unused_ids=[7]).tolist() == [[5.0], [3.0], [9.0]]


def test_parquet_with_a_column_a_feature_or_one_of_lists(tmp_path) -> None:
    pd.DataFrame({"a": [1.0, 2, 3], "task_id": [3, 5, 9], "b": [4, 5, 6]}).to_parquet(tmp_path / "wide.parquet")
    assert read_features(tmp_path / "wide.parquet", TASKS).tolist() == [[2, 5], [1, 4], [3, 6]]
    pd.DataFrame({"task_id": [3, 5, 9], "v": [[1.0, 4], [2.0, 5], [3.0, 6]]}).to_parquet(tmp_path / "lists.parquet")
    assert read_features(tmp_path / "lists.parquet", TASKS).tolist() == [[2, 5], [1, 4], [3, 6]]


def test_images_keep_their_shape(tmp_path) -> None:
    assert read_features(write(tmp_path / "f.npz", TASKS, np.zeros((3, 4, 5))), TASKS).shape == (3, 4, 5)


@pytest.mark.parametrize(
    ("ids", "features", "said"),
    [
        ([5, 3], [[1.0], [2]], r"Missing tasks in .* \(1\): 9"),
        ([5, 3, 9, 4], [[1.0]] * 4, r"Tasks that are not in the source .* \(1\): 4"),
        ([5, 3, 9, 3], [[1.0]] * 4, r"Duplicate tasks in .* \(1\): 3"),
        ([5, 3, 9], [[1.0], [np.nan], [np.inf]], r"NaN or infinite features in .* \(2\): 3, 9"),
        ([5, 3, 9], [[1.0]] * 2, "3 ids and 2 rows"),
        ([5.5, 3, 9], [[1.0]] * 3, "not a list of integers"),
        ([5, 3, 9], ["a", "b", "c"], "not numbers with a row an item"),
    ],
)
def test_rows_that_do_not_match_are_named(tmp_path, ids, features, said) -> None:
    with pytest.raises(InvalidInputError, match=said):
        read_features(write(tmp_path / "f.npz", ids, features), TASKS)


def test_files_that_are_no_features_files(tmp_path) -> None:
    with pytest.raises(InvalidInputError, match="There is no features file"):
        read_features(tmp_path / "none.npz", TASKS)
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(InvalidInputError, match="cannot be read as a features file"):
        read_features(tmp_path / "text.npz", TASKS)
    np.savez(tmp_path / "other.npz", ids=TASKS)
    with pytest.raises(InvalidInputError, match="lacks"):
        read_features(tmp_path / "other.npz", TASKS)
    np.savez(tmp_path / "pickle.npz", ids=TASKS, features=np.array([{}, {}, {}], object))
    with pytest.raises(InvalidInputError, match="cannot be read"):
        read_features(tmp_path / "pickle.npz", TASKS)
    (tmp_path / "cut.parquet").write_bytes(b"PAR1")
    with pytest.raises(InvalidInputError, match="cannot be read"):
        read_features(tmp_path / "cut.parquet", TASKS)


REGIONS = np.array(["b", "a", "a"])


def test_rows_of_regions_follow_task_and_region(tmp_path) -> None:
    ids, regions = [3, 5, 5, 9], ["a", "a", "b", "a"]
    np.savez(tmp_path / "f.npz", ids=ids, region_ids=regions, features=[[3.0], [5.1], [5.2], [9.0]])
    assert read_features(tmp_path / "f.npz", TASKS, REGIONS).tolist() == [[5.2], [3.0], [9.0]]
    table = pd.DataFrame({"task_id": ids, "region_id": regions, "x": [3.0, 5.1, 5.2, 9.0]})
    table.to_parquet(tmp_path / "f.parquet")
    assert read_features(tmp_path / "f.parquet", TASKS, REGIONS).tolist() == [[5.2], [3.0], [9.0]]


def test_regions_that_are_missing_are_named(tmp_path) -> None:
    np.savez(tmp_path / "f.npz", ids=[5, 3, 9], region_ids=["b", "c", "a"], features=[[1.0]] * 3)
    with pytest.raises(InvalidInputError, match=r"Missing regions in .* \(1\): task 3 region a"):
        read_features(tmp_path / "f.npz", TASKS, REGIONS)
    np.savez(tmp_path / "g.npz", ids=[5, 3, 9], features=[[1.0]] * 3)
    with pytest.raises(InvalidInputError, match=r"row a task, but the audit is of regions.*region_ids"):
        read_features(tmp_path / "g.npz", TASKS, REGIONS)


def test_complex_features_are_refused(tmp_path) -> None:
    with pytest.raises(InvalidInputError, match="complex128"):
        read_features(write(tmp_path / "f.npz", TASKS, np.ones((3, 2)) * 1j), TASKS)


@pytest.mark.parametrize("compress", [np.savez, np.savez_compressed])
def test_a_damaged_archive_is_refused_in_words_wherever_it_is_damaged(tmp_path, compress) -> None:
    compress(tmp_path / "f.npz", ids=TASKS, features=np.random.default_rng(0).normal(size=(3, 50)))
    whole, refused = (tmp_path / "f.npz").read_bytes(), 0
    right = read_features(tmp_path / "f.npz", TASKS)
    for place in range(0, len(whole) - 20, 20):
        (tmp_path / "f.npz").write_bytes(whole[:place] + b"\xff" * 20 + whole[place + 20 :])
        try:
            read = read_features(tmp_path / "f.npz", TASKS)
        except InvalidInputError:
            refused += 1
        else:  # a time stamp, for example, is looked at by nobody
            np.testing.assert_array_equal(read, right)
    assert refused


def large(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Tasks and their features, which *path* holds in another order."""
    tasks, features = np.arange(1, 20_001), np.random.default_rng(0).normal(size=(20_000, 64)).astype(np.float32)
    rows = np.random.default_rng(1).permutation(len(tasks))
    ids, mixed = tasks[rows], features[rows]
    if path.suffix == ".zarr":
        group = zarr.open_group(path, mode="w")
        group.create_array("ids", data=ids)
        group.create_array("features", data=mixed, chunks=(1000, 64))
    elif path.suffix == ".parquet":
        pd.DataFrame({"task_id": ids, **{f"f{at}": mixed[:, at] for at in range(64)}}).to_parquet(path)
    else:
        save = np.savez_compressed if path.stem == "compressed" else np.savez
        save(path, ids=ids, features=mixed)
    return tasks, features


@pytest.mark.parametrize("name", ["stored.npz", "compressed.npz", "table.parquet", "folder.zarr"])
def test_a_large_file_is_never_held_as_a_whole(tmp_path, monkeypatch, name) -> None:
    tasks, features = large(tmp_path / name)
    monkeypatch.setattr(row_store, "STORED", 2**16)
    monkeypatch.setattr(row_store, "PANEL_NUMBERS", 2**14)
    monkeypatch.setattr(features_files, "TABLE", 2**14)
    dataset = replace(from_arrays(tasks % 2), items=pd.DataFrame({"task_id": tasks, "value": ""}))
    tracemalloc.start()
    try:
        found = encode(dataset, features_file=tmp_path / name).features
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[:], features)
    assert peak < features.nbytes / 2


def test_blank_rows_of_a_large_file_are_left_out(tmp_path, monkeypatch) -> None:
    features = np.random.default_rng(0).normal(size=(300, 4))
    features[[7, 200]] = 0
    file = write(tmp_path / "f.npz", np.arange(300), features)
    monkeypatch.setattr(row_store, "STORED", 1)
    encoded = encode(from_arrays(np.arange(300) % 2), features_file=file)
    np.testing.assert_array_equal(encoded.features[:], np.delete(features, [7, 200], axis=0))
    assert len(encoded.dataset) == 298


def test_lists_and_text_in_parquet_are_told_apart(tmp_path) -> None:
    pd.DataFrame({"task_id": TASKS, "v": ["a", "b", "c"]}).to_parquet(tmp_path / "text.parquet")
    with pytest.raises(InvalidInputError, match="features"):
        read_features(tmp_path / "text.parquet", TASKS)
    pd.DataFrame({"task_id": TASKS, "v": [[1.0], [2.0, 3.0], [4.0]]}).to_parquet(tmp_path / "ragged.parquet")
    with pytest.raises(InvalidInputError, match="cannot be read as a features file"):
        read_features(tmp_path / "ragged.parquet", TASKS)
    assert read_features(whole_numbers(tmp_path), TASKS).dtype == np.float32


def whole_numbers(folder: Path) -> Path:
    pd.DataFrame({"task_id": TASKS, "a": [1, 2, 3], "b": [4, 5, 6]}).to_parquet(folder / "whole.parquet")
    return folder / "whole.parquet"
