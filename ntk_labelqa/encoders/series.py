"""Time series: the course of each channel, and how much it swings at which pace."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ntk_labelqa.dataset import Control, ItemKind, LabeledDataset
from ntk_labelqa.encoders.encoder import Encoding, Progress, paths_of
from ntk_labelqa.encoders.files import UnreadableFile, is_inline
from ntk_labelqa.encoders.scale import in_place, scaled

POINTS = 64
"""Points in time at which each channel is looked at, and the length of the windows of its spectrum."""
LARGEST = 1e100
"""Size of numbers up to which sums of their squares are finite; larger ones count as missing."""
FAINTEST = 1e-6
"""Of a channel's mean power over all items: what is added before the logarithm."""
_SEPARATORS = {"tab": "\t", "\\t": "\t", "space": " ", "comma": ",", "dot": ".", "auto": ""}
"""Names that the labelling config has for separators; empty to find out."""
_USUAL_SEPARATORS = ",;\t|"


class Series:
    """The channels of time series."""

    name = "series"
    kinds: frozenset[ItemKind] = frozenset({"series", "series_segment"})

    def encode(self, dataset: LabeledDataset, *, seed: int = 0, progress: Progress | None = None) -> Encoding:
        """See :func:`encode_series`."""
        values, read = dataset.items["value"].tolist(), reader(dataset)
        paths = [""] * len(values) if _lie_in_tasks(dataset) else paths_of(dataset)
        tables = []
        for path, value in zip(paths, values, strict=True):
            tables.append(read(path or value))
            if progress:
                progress(len(tables), len(values))
        names = sorted({str(name) for table in tables for name in table})
        return Encoding(encode_series(tables), f"Features are the course and the spectrum of {', '.join(names)}.")


def _lie_in_tasks(dataset: LabeledDataset) -> bool:
    return "path" not in dataset.items and all(map(is_inline, dataset.items["value"]))


def reader(dataset: LabeledDataset) -> Callable[[str], pd.DataFrame]:
    """What reads a series, see :func:`read_series`, as the labelling config says that they are written."""
    control = dataset.control or Control("", "")
    return partial(read_series, time_column=control.time_column, separator=control.separator)


def read_series(source: str, *, time_column: str = "", separator: str = "") -> pd.DataFrame:
    """The channels of one series, float64[T, C], sorted by time, which is the index; names are in lower case.

    Columns without a number are no channels. Single missing values are NaN. Times that are dates become seconds; where
    there is no time, or it cannot be read, rows count from 0.

    Args:
        source: path of a file, CSV or JSON; or the JSON itself: columns as lists, or rows as objects.
        time_column: its name, or its number where the file has no head; empty where there is none.
        separator: of a CSV file, as the config gives it; empty to find out.

    Raises UnreadableFile for a file without a column of numbers, and what pandas raises for damaged ones. JSON itself
    without one gives no channel.
    """
    if is_inline(source):
        return _channels(_from_json(source), time_column.lower())
    text = Path(source).read_text(encoding="utf-8-sig")
    table = _from_json(text) if is_inline(text) else _from_csv(text, separator)
    channels = _channels(table, time_column.lower())
    if not len(channels.columns):
        raise UnreadableFile("file without a column of numbers")
    return channels


def encode_series(tables: Sequence[pd.DataFrame]) -> np.ndarray:
    """Features of series, float32[N, D]; a row of zeros where all channels are constant, or nothing is in them.

    Each channel is brought to :data:`POINTS` values from its first to its last moment, scaled by its mean and deviation
    over all items; beside them stands the logarithm of its power spectrum (Welch's method), in cycles per row. Channels
    that an item lacks are taken for the mean.

    Args:
        tables: as :func:`read_series` gives them.

    Cost: linear in the number of values.
    """
    carries = np.array([bool((table.max() > table.min()).any()) for table in tables], bool)
    telling = [table for table, varies in zip(tables, carries, strict=True) if varies]
    blocks = [np.zeros((len(telling), 0))]
    for name in sorted({name for table in telling for name in table}):
        even = [_evenly(table[name]) if name in table else None for table in telling]
        blocks += [_courses(even), _spectra(even)]
    return in_place(np.concatenate(blocks, axis=1), carries)


def _evenly(channel: pd.Series) -> np.ndarray:
    """The channel at even steps of time, float64[n * POINTS], about as many as it has rows; what is missing is
    interpolated.
    """
    known = channel.dropna()
    steps = POINTS * max(1, round(len(channel) / POINTS))
    return np.interp(np.linspace(channel.index[0], channel.index[-1], steps), known.index, known.to_numpy())


def _courses(even: Sequence[np.ndarray | None]) -> np.ndarray:
    """Means over :data:`POINTS` stretches of time, float64[N, POINTS], on one scale."""
    points = np.full((len(even), POINTS), np.nan)
    for row, values in enumerate(even):
        if values is not None:
            points[row] = values.reshape(POINTS, -1).mean(axis=1)
    return scaled(points.reshape(-1, 1)).reshape(points.shape)


def _spectra(even: Sequence[np.ndarray | None]) -> np.ndarray:
    """Logarithms of power spectra, float64[N, POINTS // 2], each frequency on a scale of its own.

    Together they count as much as a course, which has twice as many values.
    """
    from scipy.signal import welch

    power = np.full((len(even), POINTS // 2), np.nan)
    for row, values in enumerate(even):
        if values is not None:
            power[row] = welch(values, nperseg=POINTS)[1][1:]
    known = power[np.isfinite(power)]
    faintest = FAINTEST * (known.mean() if len(known) else 0.0)
    return np.sqrt(2) * scaled(np.log(power + faintest)) if faintest > 0 else np.zeros_like(power)


def _channels(table: pd.DataFrame, time_column: str) -> pd.DataFrame:
    table.columns = [str(name).strip().lower() for name in table.columns]
    table = table.loc[:, ~table.columns.duplicated()]
    numbers = pd.DataFrame({name: _numbers(table[name]) for name in table if name != time_column}, table.index)
    times = _seconds(table[time_column]) if time_column in table else None
    order, first = np.unique(np.arange(len(table), dtype=float) if times is None else times, return_index=True)
    return numbers.dropna(axis=1, how="all").iloc[first].set_axis(pd.Index(order))


def _numbers(column: pd.Series) -> pd.Series:
    """The column as floats up to :data:`LARGEST`, NaN where there is none."""
    if column.dtype == object:
        column = column.where(column.map(lambda value: isinstance(value, int | float | str)))
    numbers = pd.to_numeric(column, errors="coerce").astype(float)
    return numbers.where(numbers.abs() <= LARGEST)


def _from_json(text: str) -> pd.DataFrame:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return pd.DataFrame()
    if isinstance(content, dict):
        columns = {name: pd.Series(_listed(values), dtype=object) for name, values in content.items()}
        return pd.DataFrame(columns)
    return pd.DataFrame([row for row in content if isinstance(row, dict)])


def _listed(values: Any) -> list[Any]:
    return values if isinstance(values, list) else []


def _from_csv(text: str, separator: str) -> pd.DataFrame:
    head = next((line for line in text.splitlines() if line.strip()), "")
    separator = _SEPARATORS.get(separator.lower(), separator[:1])
    separator = separator or max(_USUAL_SEPARATORS, key=head.count)
    has_names = any(_is_word(cell) for cell in head.split(separator))
    return pd.read_csv(io.StringIO(text), sep=separator, header=0 if has_names else None, skipinitialspace=True)


def _is_word(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return bool(cell.strip())
    return False


def _seconds(column: pd.Series) -> np.ndarray | None:
    """A column of times as numbers, float64[T], dates as seconds; None where one of them is neither."""
    times = _numbers(column)
    if times.isna().any():
        dates = pd.to_datetime(column.astype(str), errors="coerce", format="mixed", utc=True)
        times = (dates - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    return None if times.isna().any() else times.to_numpy()
