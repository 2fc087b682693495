"""Time series: read as they are written, seen by their course and their pace."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ntk_labelqa.dataset import Control, from_arrays
from ntk_labelqa.encoders.choose import encode
from ntk_labelqa.encoders.files import UnreadableFile
from ntk_labelqa.encoders.series import POINTS, encode_series, read_series
from ntk_labelqa.errors import InvalidInputError
from tests.media_files import series_of


def table(**channels: object) -> pd.DataFrame:
    return pd.DataFrame(channels, dtype=float)


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        ("T,Speed\n0,1.5\n2,2.5\n1,\n", ""),
        ("T;Speed\n0;1.5\n2;2.5\n1;\n", ""),
        ("T;Speed\n0;1.5\n2;2.5\n1;\n", ";"),
        ("\ufeffT\tSpeed\n0\t1.5\n2\t2.5\n1\t\n", "tab"),
        ("T|Speed|who\n0|1.5|me\n2|2.5|you\n1||\n", "auto"),
        ('{"T": [0, 2, 1], "Speed": [1.5, 2.5, null], "who": ["me", "you", "me"]}', ","),
        ('[{"T": 0, "Speed": 1.5}, {"T": 2, "Speed": 2.5}, {"T": 1}]', ""),
        ("t,speed\n2026-01-01 00:00:00,1.5\n2026-01-01 00:00:02,2.5\n2026-01-01 00:00:01,\n", ""),
    ],
)
def test_however_it_is_written_it_is_the_same_series(tmp_path: Path, text: str, separator: str) -> None:
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    found = read_series(str(tmp_path / "a.csv"), time_column="T", separator=separator)
    assert list(found) == ["speed"]
    np.testing.assert_array_equal(found["speed"], [1.5, np.nan, 2.5])
    np.testing.assert_allclose(np.diff(found.index), [1, 1])


def test_without_a_head_columns_are_numbered(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("0,5,7\n1,6,8\n")
    found = read_series(str(tmp_path / "a.csv"), time_column="0")
    assert (list(found), found.to_numpy().tolist()) == (["1", "2"], [[5, 7], [6, 8]])


@pytest.mark.parametrize("text", ["t,a\n2026,1\nlater,2\n", "a\n1\n2\n"])
def test_without_a_time_that_can_be_read_rows_are_even(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    assert read_series(str(tmp_path / "a.csv"), time_column="t").index.tolist() == [0, 1]


@pytest.mark.parametrize("text", ["<html>Log in</html>", "a\nx\ny\n", "t,a\n", '{"a": ["x", "y"]}'])
def test_a_file_without_a_number_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(UnreadableFile, match="without a column of numbers"):
        read_series(str(tmp_path / "a.csv"), time_column="t")


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
ANYTHING = st.recursive(SCALARS, lambda part: st.lists(part) | st.dictionaries(st.sampled_from("aAtb"), part))


@example(content=[{"A": False}, {"a": None, "A": 1.8e154}], cut=0)  # whose square is infinite
@settings(max_examples=30, deadline=None)
@given(content=st.dictionaries(st.sampled_from("aAtb"), ANYTHING) | st.lists(ANYTHING), cut=st.integers(0, 3))
def test_whatever_lies_in_the_task_data_becomes_a_row(content: object, cut: int) -> None:
    text = json.dumps(content)
    tables = [read_series(text[: len(text) - cut] or "{", time_column="t"), table(a=[1.0, 2.0])]
    assert np.isfinite(encode_series(tables)).all()


def test_empty_and_constant_series_have_a_row_of_zeros_and_change_no_other() -> None:
    random = np.random.default_rng(0)
    telling = [table(a=random.normal(size=100)) for _ in range(4)]
    blank = [table(a=[]), table(a=[2.0] * 50), read_series("{}"), table(a=[3.0])]
    features = encode_series([*telling, *blank])
    assert features.any(axis=1).tolist() == [True] * 4 + [False] * 4
    np.testing.assert_array_equal(features[:4], encode_series(telling))


def test_missing_values_are_interpolated() -> None:
    values = np.sin(np.arange(128) / 20)
    gaps = values.copy()
    gaps[[5, 60, 61]] = np.nan
    other = table(a=np.cos(np.arange(128) / 20))
    whole, holed = (encode_series([table(a=each), other])[0, 1 : 1 + POINTS] for each in (values, gaps))
    np.testing.assert_allclose(whole, holed, atol=0.02)


def test_uneven_times_are_evened_out() -> None:
    random = np.random.default_rng(0)
    times = np.sort(random.uniform(0, 10, 500))
    uneven = pd.DataFrame({"a": np.sin(times)}, index=times)
    even = pd.DataFrame({"a": np.sin(np.linspace(0, 10, 500))}, index=np.linspace(0, 10, 500))
    courses = encode_series([uneven, even, table(a=np.arange(9.0))])[:2, 1 : 1 + POINTS]
    np.testing.assert_allclose(courses[0], courses[1], atol=0.1)


def test_pace_tells_what_phase_hides() -> None:
    random = np.random.default_rng(0)
    times = np.arange(256)
    phases = random.uniform(0, 6, (20, 1))
    swings = np.sin(np.where(np.arange(20) % 2, 0.8, 2.0)[:, None] * times + phases)
    spectra = encode_series([table(a=swing) for swing in swings])[:, 1 + POINTS :]
    alike = np.corrcoef(spectra)
    same = np.equal.outer(np.arange(20) % 2, np.arange(20) % 2)
    assert alike[same].min() > alike[~same].max()


def test_a_channel_that_an_item_lacks_is_taken_for_the_mean() -> None:
    random = np.random.default_rng(0)
    both = [table(a=random.normal(size=80), b=random.normal(9, 2, 80)) for _ in range(3)]
    features = encode_series([*both, table(a=random.normal(size=80))])
    width = POINTS + POINTS // 2
    assert features.shape == (4, 1 + 2 * width)
    assert not features[3, 1 + width :].any()
    assert np.isfinite(features).all()


@settings(max_examples=25, deadline=None)
@given(
    scale=st.floats(1e-3, 1e6),
    shift=st.floats(-1e3, 1e3),
    order=st.permutations(range(5)),
    lengths=st.lists(st.integers(2, 300), min_size=5, max_size=5),
)
def test_units_and_the_order_of_items_change_nothing(scale, shift, order, lengths) -> None:
    random = np.random.default_rng(sum(lengths))
    tables = [table(a=random.normal(size=length), b=random.normal(size=length)) for length in lengths]
    features = encode_series(tables)
    other = encode_series([tables[row].assign(a=tables[row]["a"] * scale + shift * scale) for row in order])
    np.testing.assert_allclose(other, features[list(order)], atol=1e-3)


def test_inline_series_need_no_files_and_addresses_do() -> None:
    random = np.random.default_rng(0)
    values = [json.dumps(series_of(row % 2, random)) for row in range(6)]
    plain = from_arrays(["a", "b"] * 3)
    dataset = replace(plain, kind="series", control=Control("c", "x", time_column="t"))
    encoded = encode(replace(dataset, items=plain.items.assign(value=values)))
    assert encoded.features.shape == (6, 1 + 2 * (POINTS + POINTS // 2))
    assert "course and the spectrum of noise, swing" in encoded.dataset.provenance.notes[-1]
    with pytest.raises(InvalidInputError, match="files of this data set have not been fetched"):
        encode(replace(dataset, items=plain.items.assign(value="/data/upload/1/a.csv")))
