"""Features files: matched by task id, and refused by name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

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
