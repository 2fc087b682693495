"""Segments of sounds."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

from ntk_labelqa.dataset import Control, LabeledDataset
from ntk_labelqa.encoders import sound
from ntk_labelqa.label_types.blocks import file_address
from ntk_labelqa.label_types.item_type import HTML_ITEM, Shown
from ntk_labelqa.label_types.place import UnusableRegion, finite
from ntk_labelqa.label_types.plot import marked_plot
from ntk_labelqa.label_types.segment import Segment, Segments, split_segment

SHORTEST = 0.01
"""Seconds: less is no sound."""
AROUND = 1.0
"""Lengths of a segment that its picture shows before and after it."""
PLAYER = '<Audio name="sound" value="$sound" height="64"/>'


class SoundSegments(Segments):
    """Labels over an Audio."""

    kind = "audio_segment"
    tags = frozenset({"Labels"})
    over = frozenset({"Audio"})
    suffix = ".wav"
    review_tag = PLAYER + HTML_ITEM

    def read(self, result: Mapping[str, Any], data: Mapping[str, Any], control: Control) -> Segment | None:
        """From and to, in seconds."""
        value = result["value"]
        start, end, channel = finite(value.get("start")), finite(value.get("end")), finite(value.get("channel"))
        if start is None or end is None or start < 0 or end <= start:
            return None
        return Segment(start, end, -1 if channel is None else int(channel))

    def address(self, value: str) -> str:
        """The sound's."""
        return split_segment(value)[0]

    def reader(self, dataset: LabeledDataset) -> Callable[[str], Any]:
        """See :func:`ntk_labelqa.encoders.sound.reader`."""
        return sound.reader(dataset)

    def cut(self, whole: Any, value: str) -> tuple[bytes, bytes]:
        """A WAV file of the segment, and a plot."""
        import soundfile

        segment = split_segment(value)[1]
        assert segment is not None
        with soundfile.SoundFile(str(whole)) as file:
            rate, length = file.samplerate, file.frames / file.samplerate
            end = min(segment.end, length)
            if end - segment.start < SHORTEST:
                raise UnusableRegion("segment shorter than 10 ms, or beyond the end of its sound")
            around = AROUND * (end - segment.start)
            first, last = max(0.0, segment.start - around), min(length, end + around)
            if (last - first) * rate * file.channels > sound.MOST_VALUES:
                raise UnusableRegion("segment too long to be cut out")
            file.seek(int(first * rate))
            samples = file.read(int((last - first) * rate), dtype="float32", always_2d=True)
        inside = samples[int((segment.start - first) * rate) : int((end - first) * rate)]
        written = io.BytesIO()
        soundfile.write(written, inside, rate, format="WAV", subtype="FLOAT")
        shares = [(moment - first) / (last - first) for moment in (segment.start, end)]
        return written.getvalue(), marked_plot([samples.mean(axis=1)], shares[0], shares[1])

    def page(self, item: Shown) -> dict[str, str]:
        """The segment, marked, and a player of the whole sound."""
        return {**super().page(item), "sound": file_address(self.address(item.value), item.task_id, item.base_path)}
