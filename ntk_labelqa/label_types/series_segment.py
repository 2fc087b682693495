"""Segments of time series."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ntk_labelqa.dataset import Control, LabeledDataset
from ntk_labelqa.encoders import series
from ntk_labelqa.encoders.files import is_inline
from ntk_labelqa.label_types.place import UnusableRegion, finite
from ntk_labelqa.label_types.plot import MOST_LINES, marked_plot
from ntk_labelqa.label_types.segment import Segment, Segments, split_segment
from ntk_labelqa.label_types.sound_segment import AROUND

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 4
"""Rows of a segment that has a course."""
AROUND_INSTANT = 8
"""Rows before and after an instant that stand for it."""


class SeriesSegments(Segments):
    """TimeSeriesLabels."""

    kind = "series_segment"
    tags = frozenset({"TimeSeriesLabels", "Labels"})
    over = frozenset({"TimeSeries"})
    suffix = ".json"

    def read(self, result: Mapping[str, Any], data: Mapping[str, Any], control: Control) -> Segment | None:
        """From and to, in the unit of the time, of dates in seconds."""
        start, end = (_moment(result["value"].get(side)) for side in ("start", "end"))
        return None if start is None or end is None or end < start else Segment(start, end)

    def address(self, value: str) -> str:
        """Where the series' file is; empty where the value holds its numbers."""
        whole = split_segment(value)[0]
        return "" if is_inline(whole) else whole

    def whole(self, value: str) -> str:
        """The series' address, or its numbers."""
        return split_segment(value)[0]

    def reader(self, dataset: LabeledDataset) -> Callable[[str], Any]:
        """See :func:`ntk_labelqa.encoders.series.reader`."""
        return series.reader(dataset)

    def opened(self, source: str, control: Control) -> pd.DataFrame:
        """See :func:`ntk_labelqa.encoders.series.read_series`."""
        return series.read_series(source, time_column=control.time_column, separator=control.separator)

    def cut(self, whole: pd.DataFrame, value: str) -> tuple[bytes, bytes]:
        """The segment's rows as JSON, evenly spaced, and a plot."""
        segment = split_segment(value)[1]
        assert segment is not None
        first, last = _rows(whole, segment)
        part = whole.iloc[first:last]
        if len(part) < FEWEST or not len(part.columns):
            raise UnusableRegion(f"segment of fewer than {FEWEST} rows of its series")
        columns = {name: [None if np.isnan(one) else one for one in part[name].tolist()] for name in part}
        around = int(AROUND * (last - first)) + 1
        before, after = max(0, first - around), min(len(whole), last + around)
        lines = [whole[name].to_numpy()[before:after] for name in list(whole)[:MOST_LINES]]
        shares = [(row - before) / (after - before) for row in (first, last)]
        return json.dumps(columns).encode(), marked_plot(lines, shares[0], shares[1])


def _rows(table: pd.DataFrame, segment: Segment) -> tuple[int, int]:
    """First row, and the one after the last, of the segment."""
    times = table.index.to_numpy(dtype=float)
    scale = 1000.0 if len(times) and segment.start > 100 * max(abs(times[-1]), 1.0) else 1.0  # dates in milliseconds
    first = int(np.searchsorted(times, segment.start / scale, "left"))
    last = int(np.searchsorted(times, segment.end / scale, "right"))
    if segment.start == segment.end:
        return max(0, first - AROUND_INSTANT), min(len(times), last + AROUND_INSTANT)
    return first, last


def _moment(value: object) -> float | None:
    """A moment as a number, of dates in seconds; None where it is none."""
    number = finite(value)
    if number is not None or not isinstance(value, str) or not any(map(str.isdigit, value)):
        return number
    import pandas as pd

    moment = pd.to_datetime(value, errors="coerce", utc=True)
    return None if moment is pd.NaT else float((moment - pd.Timestamp(0, tz="UTC")).total_seconds())
