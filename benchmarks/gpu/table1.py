"""The paper's Table 1 at full size: the Gram matrix of 60,000 images of 28 by 28 pixels in float32, of noise.

The dense networks' H is computed whole, as `gram_matrix` does, and stays on the device. Of a convolutional one each
tile is added up there as soon as it is computed, and its time is taken until all are done, or for so many seconds; then
the rest is extrapolated by the number of tiles, and marked with a tilde.
"""

from __future__ import annotations

import time

import jax
import numpy as np

from benchmarks.gpu.common import as_an_accelerator, head, judged, options, row, said, seconds
from ntk_labelqa.gram import arrays
from ntk_labelqa.gram.arrays import Array, fused, to_device
from ntk_labelqa.gram.matrix import gram_of, gram_of_tiles, prepare, symmetric_bytes
from ntk_labelqa.gram.tiles import tile_side, upper_tiles
from ntk_labelqa.kernels.kernel import Kernel
from ntk_labelqa.memory import usable_memory

PAPER = {"2-L": 25, "10-L": 56, "CNN-1": 50, "CNN-2": 89, "CNN-3": 6067}
TARGETS = {"2-L": 0.5, "10-L": 1, "CNN-1": 10, "CNN-2": 20, "CNN-3": 600}
LONGEST = {"2-L": 5, "10-L": 5, "CNN-1": 25, "CNN-2": 35, "CNN-3": 20}
"""Seconds for which tiles are computed."""
ITEMS, TILES = 60_000, 64
"""Tiles between two looks at the clock."""


def main() -> None:
    """Print a row an architecture."""
    asked = options(__doc__)
    as_an_accelerator(asked.small)
    items, longest = (40, dict.fromkeys(LONGEST, 1)) if asked.small else (ITEMS, LONGEST)
    images = np.random.default_rng(0).normal(size=(items, 28, 28)).astype(np.float32)
    said(
        f"{items:,} images of noise, 28 by 28, float32; the paper's are seconds for MNIST. Time is that of the device, "
        "after a call that compiles; scaling the inputs on the processor, and sending them, is apart."
    )
    head("architecture", "seconds", "the paper's", "target", "reached", "computed", "scaled and sent", "first call")
    for architecture in TARGETS:
        start = time.perf_counter()
        kernel, prepared = prepare(images, architecture, "float32")
        inputs = prepared[:]
        there = jax.block_until_ready(to_device(inputs))
        sent = time.perf_counter() - start
        whole = "CNN" not in architecture and symmetric_bytes(items, 4) <= arrays.device_memory()
        took, share, compiling, how = (
            held(kernel, inputs, there) if whole else added(kernel, inputs, there, longest[architecture])
        )
        row(
            architecture,
            f"{'' if share == 1 else '~'}{took / share:.3g}",
            PAPER[architecture],
            TARGETS[architecture],
            judged(took / share, TARGETS[architecture]),
            how if share == 1 else f"{share:.2%} of the tiles in {took:.3g} s, {how}; extrapolated",
            f"{sent:.2f} s",
            f"{compiling:.1f} s",
        )
    sent_back(images, asked.small)


def held(kernel: Kernel, inputs: np.ndarray, there: Array) -> tuple[float, float, float, str]:
    """Seconds, the share computed, seconds of the first call, and what was computed: H, on the device."""
    side = tile_side(kernel, inputs)
    corners = corners_of(len(inputs), side)
    begin = to_device(corners)

    def call() -> Array:
        return gram_of_tiles(kernel, side, there, begin)

    start = time.perf_counter()
    jax.block_until_ready(call())
    first = time.perf_counter() - start
    return seconds(call), 1.0, first, f"whole, {len(corners):,} tiles of {side}"


def added(kernel: Kernel, inputs: np.ndarray, there: Array, longest: float) -> tuple[float, float, float, str]:
    """The same of the sum over tiles, for at most about *longest* seconds."""
    side = tile_side(kernel, inputs)
    corners = corners_of(len(inputs), side)
    at_once = min(TILES, len(corners))
    start = time.perf_counter()
    jax.block_until_ready(tiles_added(kernel, side, there, to_device(corners[:at_once])))
    first = time.perf_counter() - start
    done, start = 0, time.perf_counter()
    while done < len(corners) and (done == 0 or time.perf_counter() - start < longest):
        # The last ones are taken again with those that are left: a shorter call would be compiled anew.
        begin = min(done, len(corners) - at_once)
        jax.block_until_ready(tiles_added(kernel, side, there, to_device(corners[begin : begin + at_once])))
        done = begin + at_once
    how = f"{len(corners):,} tiles of {side}, added up there"
    return time.perf_counter() - start, done / len(corners), first, how


def corners_of(items: int, side: int) -> np.ndarray:
    """Where the tiles of the upper triangle begin, int[t, 2]."""
    return np.array([(rows.start, columns.start) for rows, columns in upper_tiles(items, side)])


@fused(static=(0, 1))
def tiles_added(kernel: Kernel, side: int, inputs: Array, corners: Array) -> Array:
    """The sum of all entries of tiles of *side* from *corners*."""

    def added_up(number: Array, total: Array) -> Array:
        rows, columns = (jax.lax.dynamic_slice_in_dim(inputs, start, side) for start in corners[number])
        return total + kernel.values(rows, columns).sum(dtype=np.float64)

    return jax.lax.fori_loop(0, len(corners), added_up, jax.numpy.zeros((), np.float64))


def sent_back(images: np.ndarray, small: bool) -> None:
    """Print how long the whole takes with H sent to the processor, where it has room for it."""
    size = 4 * len(images) ** 2
    if 2 * size > usable_memory():
        said("The processor has no room for H, so it was not sent back.")
        return
    kernel, inputs = prepare(images, "2-L", "float32")
    start = time.perf_counter()
    gram_of(kernel, inputs)
    said(f"2-L with H sent to the processor's memory, {size / 1e9:.3g} GB: {time.perf_counter() - start:.2f} s.")


if __name__ == "__main__":
    main()
