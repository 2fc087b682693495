"""Whole files that are no pictures: sounds, videos, time series, PDFs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ntk_labelqa.dataset import LabeledDataset
from ntk_labelqa.encoders import frames, pdf, series, sound
from ntk_labelqa.encoders.files import is_inline
from ntk_labelqa.label_types.item_type import ItemType


class WholeSound(ItemType):
    """What an Audio plays."""

    kind = "audio"

    def reader(self, dataset: LabeledDataset) -> Callable[[str], Any]:
        """See :func:`ntk_labelqa.encoders.sound.reader`."""
        return sound.reader(dataset)


class WholeVideo(ItemType):
    """What a Video plays."""

    kind = "video"

    def reader(self, dataset: LabeledDataset) -> Callable[[str], Any]:
        """See :func:`ntk_labelqa.encoders.frames.reader`."""
        return frames.reader(dataset)


class WholeSeries(ItemType):
    """What a TimeSeries draws: a file, or numbers in the task itself."""

    kind = "series"

    def reader(self, dataset: LabeledDataset) -> Callable[[str], Any]:
        """See :func:`ntk_labelqa.encoders.series.reader`."""
        return series.reader(dataset)

    def address(self, value: str) -> str:
        """Empty where the value is the numbers themselves."""
        return "" if is_inline(value) else value


class WholePdf(ItemType):
    """What a Pdf shows."""

    kind = "pdf"

    def reader(self, dataset: LabeledDataset) -> Callable[[str], Any]:
        """See :func:`ntk_labelqa.encoders.pdf.reader`."""
        return pdf.reader(dataset)
