"""In which order the fused convolutional recursion takes its pixels, and where it finds what it reads and keeps.

**Pairs of pixels.** A convolution pairs pixel p of one image with pixel p + d of the other, and below it pixels with d
times the stride between them: each shift d is a recursion by itself. Flattened networks need d = 0 alone, pooled ones
all d. Shifts are taken modulo the image's size, so that two of them (d, and d less the size) fill the rows of pixels
together. What one of them would see of the other is left out of the sums, as is what lies beyond the border:
:meth:`Axis.edges`.

**Order.** The pixels of the last layer are taken row by row, column by column, and all shifts along the height in one
sequence. At each step a layer below does as many rows and columns as the strides above it ask for, and is ahead by as
much as the layer above looks ahead (`lag`). So a patch sum needs what was computed last: columns in registers, and two
rows or fewer of sums over columns in the scratch. A row longer than STRIP is done in strips, one after the other down
the whole image, with a few columns at their borders computed twice: so the scratch stays small.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ntk_labelqa.kernels.patches import SIDE, outputs, padding_before, patch_sums

if TYPE_CHECKING:
    from ntk_labelqa.kernels.convolution import ConvolutionalNetwork

STRIP = 8
"""Columns of the last layer that are done at once, at most: twice as many would save a tenth of the flops of CNN-2, but
the scratch of all programs that run at once on an H200 would be twice its second-level cache."""
SPARE = 4
"""Whole images that are added to a number before it is divided, so that it is never negative."""
BLANK = 1e-18
"""Patches with a smaller norm count as zeros: its inverse squared must fit into float32."""

Index = Any
"""A whole number: of Python, or one that the kernel computes."""


class Place(NamedTuple):
    """A pixel."""

    y: Index
    x: Index


class Column(NamedTuple):
    """A column of a layer at one step.

    Attributes:
        row: number of the step along the height.
        number: of the column within the strip.
        x: in the image of the rows.
        moved: in the image of the columns.
    """

    row: Index
    number: Index
    x: Index
    moved: Index


@dataclass(frozen=True)
class Axis:
    """Height or width of a layer.

    Attributes:
        size: number of pixels.
        below: that of the layer below.
        stride: of the convolution.
        step: pixels that are done at each step of the last layer: the product of the strides above.
        lag: by how many pixels it is ahead of the last layer.
        reach: how many pixels before its own the last layer's first one sees.
        top: the last layer's size.
    """

    size: int
    below: int
    stride: int
    step: int
    lag: int
    reach: int
    top: int

    @property
    def extent(self) -> int:
        """Pixels in which shifts go round: the last layer's, times the step; the last few may lie beyond the image."""
        return self.top * self.step

    @property
    def before(self) -> int:
        """Zeros before the layer below."""
        return padding_before(self.below, self.stride)

    @property
    def padded(self) -> int:
        """The layer below, with what the patches of the whole extent see around it."""
        return max((self.extent - 1) * self.stride + SIDE, self.before + self.extent * self.stride)

    @property
    def kept(self) -> int:
        """Pixels of the layer below that this step's patches share with the next one's."""
        return max(0, SIDE - self.stride)

    def edges(self, pixel: Index, moved: Index) -> list[Index | None]:
        """For each offset of a patch, whether the pixel below is one of the same shift; None where it always is."""
        first = (pixel > 0) & (moved > 0)
        last = (pixel < self.extent - 1) & (moved < self.extent - 1)
        beyond = self.stride + self.before
        return [first if offset < self.before else last if offset >= beyond else None for offset in range(SIDE)]


def _axes(size: int, strides: tuple[int, ...]) -> list[Axis]:
    sizes = [size]
    for stride in strides:
        sizes.append(outputs(sizes[-1], stride))
    axes: list[Axis] = []
    step, lag, reach = 1, 0, 0
    for number in reversed(range(len(strides))):
        stride = strides[number]
        axes.append(Axis(sizes[number + 1], sizes[number], stride, step, lag, reach, sizes[-1]))
        before = axes[-1].before
        step, lag, reach = step * stride, lag * stride - stride - before + SIDE, reach * stride + before
    return axes[::-1]


@dataclass(frozen=True)
class Level:
    """A layer, and the rows of the maps and of the scratch that belong to it.

    Attributes:
        channels: of the map below.
        below: first row of the zero-padded map below: pixels, or norms of the layer below.
        norm: row of its first patch's norm.
        norm_width: rows from a line of norms to the next.
        inverse: row of its first patch's inverse norm.
        scratch: first place of the sums that it keeps of the layer below.
    """

    height: Axis
    width: Axis
    channels: int
    below: int
    norm: int
    norm_width: int
    inverse: int
    scratch: int

    @property
    def stride(self) -> int:
        """Of the convolution."""
        return self.width.stride

    @property
    def step(self) -> int:
        """Rows, and columns, that are done at each step."""
        return self.width.step

    @property
    def stored(self) -> int:
        """Rows that each step adds to those kept."""
        return min(self.height.kept, self.step * self.stride)

    def norm_at(self, place: Place) -> Index:
        """Row of a patch's norm."""
        return self.norm + place.y * self.norm_width + place.x

    def inverse_at(self, place: Place) -> Index:
        """Row of its inverse."""
        return self.inverse + place.y * self.width.extent + place.x

    def corner(self, place: Place) -> Index:
        """Row of a patch's first entry."""
        return self.below + place.y * (self.stride * self.width.padded) + place.x * self.stride

    def entries(self, channel: Index) -> list[Index]:
        """Rows of a patch's entries, from its first one."""
        start = channel * (self.height.padded * self.width.padded)
        return [start + y * self.width.padded + x for y in range(SIDE) for x in range(SIDE)]


@dataclass(frozen=True)
class Layout:
    """The order, for images of one shape.

    Attributes:
        levels: the layers, first to last.
        map_rows: numbers of the maps of one image.
        scratch: tiles of scratch of a program.
        strip: columns of the last layer in a strip.
        strips: number of strips.
        halo: columns before a strip that are computed besides.
        length: columns of a strip, with all that are computed besides.
        warm: rows of the last layer that the layers below begin earlier.
    """

    levels: tuple[Level, ...]
    map_rows: int
    scratch: int
    strip: int
    strips: int
    halo: int
    length: int
    warm: int

    def column(self, level: Level, row: Index, step: Index, start: Index, shift: Index, ahead: int) -> Column:
        """The column that *level* does at a step of the strip that begins at *start*; at its end, one of the next row.

        *shift* is that of the last layer, *ahead* counts the columns of one step.
        """
        width, length = level.width, self.length * level.step
        rows, number = _divided(step * level.step + (width.lag + ahead + SPARE * length), length)
        _, x = _divided(number + start * level.step + width.extent, width.extent)
        _, moved = _divided(x + shift * level.step, width.extent)
        return Column(row + rows - SPARE, number, x, moved)

    def pair(self, level: Level, column: Column, ahead: int) -> tuple[Place, Place]:
        """Which pixels are paired in a column, *ahead* counting the rows of one step."""
        height, spare = level.height, self.warm + SPARE
        number = column.row * level.step + (height.lag + ahead + spare * height.extent)
        shift, y = _divided(number, height.extent)
        _, moved = _divided(y + (shift - spare) * level.step + spare * height.extent, height.extent)
        return Place(y, column.x), Place(moved, column.moved)

    def kept(self, level: Level, column: Column) -> list[Index]:
        """Places in the scratch of the sums kept from earlier rows, earliest first."""
        return [self._slot(level, column, number) for number in range(-level.height.kept, 0)]

    def stored(self, level: Level, column: Column) -> list[Index]:
        """Places in the scratch for this step's last sums: those of the earliest that were kept."""
        return [self._slot(level, column, number) for number in range(level.stored)]

    def _slot(self, level: Level, column: Column, number: int) -> Index:
        raised = number + (self.warm + SPARE) * SPARE * level.height.kept
        _, slot = _divided(column.row * level.stored + raised, level.height.kept)
        return level.scratch + (slot * (self.length * level.step) + column.number) * 2


def layout_of(shape: tuple[int, ...], network: ConvolutionalNetwork, longest: int = STRIP) -> Layout:
    """The order for images of *shape* (H, W, C), in strips of *longest* columns or fewer."""
    heights, widths = _axes(shape[0], network.strides), _axes(shape[1], network.strides)
    size = widths[-1].size
    strips = -(-size // longest)
    strip = -(-size // strips)
    halo = _steps([axis.reach for axis in widths], widths)
    length = strip + halo + _steps([axis.lag for axis in widths], widths)
    if strips == 1 or length >= size:
        # A whole row needs nothing besides: its end is computed with the next row's beginning.
        strips, strip, halo, length = 1, size, 0, size
    levels: list[Level] = []
    row, scratch, channels = 0, 0, shape[2]
    for number, (height, width) in enumerate(zip(heights, widths, strict=True)):
        below, row = row, row + channels * height.padded * width.padded
        inverse, row = row, row + height.extent * width.extent
        norm, norm_width = row, width.extent
        if number + 1 < len(heights):
            # The norms are the map below the next layer, which is padded.
            norm_width = widths[number + 1].padded
            norm = row + heights[number + 1].before * norm_width + widths[number + 1].before
        levels.append(Level(height, width, channels, below, norm, norm_width, inverse, scratch))
        if number:
            scratch += 2 * height.kept * length * height.step
        channels = 1
    row += heights[-1].extent * widths[-1].extent
    ahead = _steps([axis.lag for axis in widths], widths)
    warm = _steps([axis.lag for axis in heights], heights) + -(-ahead // length)
    return Layout(tuple(levels), row, scratch + 1, strip, strips, halo, length, warm)


def _divided(number: jax.Array, by: int) -> tuple[jax.Array, jax.Array]:
    """Quotient and remainder of what is not negative, in two instructions; Python's would look at signs."""
    divisor = np.int32(by)
    return jax.lax.div(number, divisor), jax.lax.rem(number, divisor)


def _steps(pixels: list[int], axes: list[Axis]) -> int:
    """In how many steps every layer has done that many pixels."""
    return max(-(-count // axis.step) for count, axis in zip(pixels, axes, strict=True))


def maps_of(images: jax.Array, layout: Layout, network: ConvolutionalNetwork) -> jax.Array:
    """What the kernel reads of images [n, H, W, C]: [map_rows, n], of their dtype, computed in float64.

    Their pixels, and each layer's norms of patches (standard deviations √q) and inverse norms.
    """
    parts: list[jax.Array] = []
    values = images.astype(jnp.float64)
    scale = network.weight_variance / (SIDE**2 * images.shape[-1])

    def put(maps: jax.Array, height: int, width: int, above: int = 0, left: int = 0) -> None:
        around = ((0, 0), (above, height - above - maps.shape[1]), (left, width - left - maps.shape[2]), (0, 0))
        parts.append(jnp.pad(maps, around).transpose(3, 1, 2, 0).reshape(-1, len(images)).astype(images.dtype))

    for level in layout.levels:
        height, width = level.height, level.width
        put(values, height.padded, width.padded, height.before, width.before)
        squares = patch_sums(jnp.square(values).sum(axis=-1), [1], [2], level.stride)
        values = jnp.sqrt(scale * squares + network.bias_variance)[..., None]
        inverse = jnp.where(values > BLANK, 1 / jnp.maximum(values, BLANK), 0)
        put(inverse, height.extent, width.extent)
        scale = network.share
    put(values, height.extent, width.extent)
    return jnp.concatenate(parts)
