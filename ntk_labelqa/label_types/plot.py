"""Small pictures of what happens over time, with a stretch of it marked."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

WIDTH, HEIGHT = 360, 90
"""Pixels."""
MOST_LINES = 4
"""Channels that are drawn; more cannot be distinguished."""
_COLOURS = ((31, 119, 180), (255, 127, 14), (44, 160, 44), (148, 103, 189))
_MARK, _EDGE = (255, 229, 143), (220, 0, 0)


def marked_plot(lines: Sequence[np.ndarray], start: float, end: float) -> bytes:
    """A PNG of *lines*, float[T] each, over all of the width, with what lies from *start* to *end* marked.

    Args:
        lines: each on a scale of its own; where more values than pixels are, from the least to the largest of each.
        start, end: shares of the width, 0 to 1.
    """
    from PIL import Image, ImageDraw

    canvas = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(canvas)
    left, right = (int(np.clip(share, 0.0, 1.0) * (WIDTH - 1)) for share in (start, end))
    draw.rectangle((left, 0, max(right, left + 1), HEIGHT), fill=_MARK)
    for values, colour in zip(lines[:MOST_LINES], _COLOURS, strict=False):
        for column, (low, high) in enumerate(_columns(values)):
            draw.line((column, HEIGHT - 1 - low, column, HEIGHT - 1 - high), fill=colour)
    for edge in (left, max(right, left + 1)):
        draw.line((edge, 0, edge, HEIGHT), fill=_EDGE)
    buffer = io.BytesIO()
    canvas.quantize(16).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _columns(values: np.ndarray) -> np.ndarray:
    """Least and largest height of the line in each column of pixels, int[WIDTH, 2]."""
    known = np.nan_to_num(np.asarray(values, np.float64))
    if len(known) < 2 or np.ptp(known) == 0:
        return np.full((WIDTH, 2), HEIGHT // 2)
    heights = (known - known.min()) / np.ptp(known) * (HEIGHT - 5) + 2
    dense = np.interp(np.linspace(0, len(heights) - 1, max(len(heights), 4 * WIDTH)), np.arange(len(heights)), heights)
    parts = np.array_split(dense, WIDTH)
    spans = np.array([(part.min(), part.max()) for part in parts])
    spans[1:, 0] = np.minimum(spans[1:, 0], spans[:-1, 1])  # so that steep lines have no gaps
    spans[1:, 1] = np.maximum(spans[1:, 1], spans[:-1, 0])
    return np.rint(spans).astype(int)
