r"""Convolutional NTKs on GPUs: the whole recursion of :mod:`ntk_labelqa.kernels.convolution` as one Triton kernel.

A program takes a tile of 32 by 32 pairs (half as many in float64) through all pixels and layers, in the order of
:mod:`ntk_labelqa.kernels.fused_layout`. A thread has eight pairs in its registers: the pixel at hand, the last two
columns or fewer of each layer, the sum. What goes to the GPU's memory:

- read: the maps of the images, a few numbers a pixel and image, for each tile anew;
- written: Θ, once;
- scratch: the last two rows or fewer of each layer but the last, which a patch sum needs again a row later. Its size
  goes by program: 148 bytes for each of its pairs with CNN-2 on images of 28 by 28, 172 with CNN-3, though that has
  38,416 pixel pairs in its first layer. Each program writes its own over and over, so most of it stays in the
  second-level cache: the programs that an H200 has registers for at once have 60 and 46 MB of it, and the cache 50.

So no array of the size pairs × pixels, or pairs × pixel pairs, is ever allocated. In float32 it compiles, for an H200,
to 168 registers (CNN-2) and 255 (CNN-3), none of which is spilled, and to about 110 instructions a layer, pair of
images and pixel.

Gaps come from differences. With norms n, n' of two patches v, v' and r = n/n',

.. math:: 1 - \cos = \frac{|v - r v'|^2}{2 n^2}, \qquad 1 + \cos = \frac{|v + r v'|^2}{2 n^2}

In float32 that puts an angle wrong by the rounding of r, however small the angle is: as good as products in float64,
which the other form takes, and no unit for float64 is needed. Cost: 2 multiply-adds for each of a patch's 9 entries, a
layer, pair and pixel (4 in the first layer, for each channel), and about as many flops again for the ReLU. Pooled
networks need it for those pixel pairs alone that the last layer's depend on: a quarter of CNN-3's first layer.

Source: jax's documentation of Pallas and its Triton backend; Arora et al., "On Exact Computation with an Infinitely
Wide Neural Net", NeurIPS 2019, for the recursion over pixel pairs as a GPU kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton

from ntk_labelqa.kernels.fused_layout import STRIP, Column, Index, Layout, Level, Place, layout_of, maps_of
from ntk_labelqa.kernels.patches import SIDE
from ntk_labelqa.kernels.relu import ARCSINE, relu

if TYPE_CHECKING:
    from ntk_labelqa.kernels.convolution import ConvolutionalNetwork

TILES = {np.dtype(np.float32): (32, 32), np.dtype(np.float64): (16, 32)}
"""Pairs of a program: as many as a GPU's registers take."""
WARPS = 4
AT_ONCE = 1024
"""Images of one side whose maps exist at once, with the scratch of their pairs."""
MOST_MAPS = 2**29
"""Bytes of the maps of one side; large images are fewer at once."""

Tile = jax.Array
"""Numbers of the pairs of a program."""
Values = tuple[Tile, Tile]
"""Of a pixel: what is lost, s(1 − κ₁), and Θ κ₀."""
MultiplyAdd = Callable[[Tile, Tile, Tile], Tile]


def fused_values(
    rows: jax.Array,
    columns: jax.Array,
    network: ConvolutionalNetwork,
    *,
    tile: tuple[int, int] | None = None,
    at_once: int = AT_ONCE,
    longest: int = STRIP,
    interpret: bool = False,
) -> jax.Array:
    """Θ between prepared *rows* [a, H, W, C] and *columns* [b, H, W, C], of their dtype, [a, b]; in 64-bit mode.

    Args:
        rows: images.
        columns: images.
        network: the architecture.
        tile: pairs of a program, powers of 2; None goes by the dtype.
        at_once: images of one side at a time, at most.
        longest: columns of the last layer that are done at once.
        interpret: on any device, as a program of XLA that does the same; slow, for tests.
    """
    layout, tile = layout_of(rows.shape[1:], network, longest), tile or TILES[np.dtype(rows.dtype)]
    at_once = min(at_once, max(1, MOST_MAPS // (layout.map_rows * rows.dtype.itemsize)))
    left, right = (_in_parts(images, side, at_once) for images, side in zip((rows, columns), tile, strict=True))

    def strip(images: jax.Array) -> jax.Array:
        maps = maps_of(images, layout, network)

        def block(others: jax.Array) -> jax.Array:
            return _block(maps, maps_of(others, layout, network), layout, network, tile, interpret)

        return jax.lax.map(block, right)

    parts = jax.lax.map(strip, left)
    whole = parts.transpose(0, 2, 1, 3).reshape(left.shape[0] * left.shape[1], -1)
    return whole[: len(rows), : len(columns)]


def _in_parts(images: jax.Array, multiple: int, most: int) -> jax.Array:
    """*images* in parts of one length, a *multiple*, filled up with blank ones: [parts, length, H, W, C]."""
    count = -(-len(images) // most)
    length = -(-len(images) // (count * multiple)) * multiple
    filled = jnp.pad(images, ((0, count * length - len(images)), (0, 0), (0, 0), (0, 0)))
    return filled.reshape(count, length, *images.shape[1:])


def _block(
    left: jax.Array,
    right: jax.Array,
    layout: Layout,
    network: ConvolutionalNetwork,
    tile: tuple[int, int],
    interpret: bool,
) -> jax.Array:
    """Θ of all pairs of two parts, from their maps."""
    rows, columns = left.shape[1], right.shape[1]
    across = columns // tile[1]
    programs = (rows // tile[0], across)
    result, _ = pl.pallas_call(
        partial(_kernel, layout=layout, network=network, interpret=interpret),
        grid=programs,
        in_specs=[
            pl.BlockSpec((layout.map_rows, tile[0]), lambda i, j: (0, i)),
            pl.BlockSpec((layout.map_rows, tile[1]), lambda i, j: (0, j)),
        ],
        out_specs=[
            pl.BlockSpec(tile, lambda i, j: (i, j)),
            pl.BlockSpec((None, layout.scratch, *tile), lambda i, j: (i * across + j, 0, 0, 0)),
        ],
        out_shape=[
            jax.ShapeDtypeStruct((rows, columns), left.dtype),
            jax.ShapeDtypeStruct((int(np.prod(programs)), layout.scratch, *tile), left.dtype),
        ],
        compiler_params=None if interpret else triton.CompilerParams(num_warps=WARPS, num_stages=1),
        interpret=interpret,
        name="convolutional_ntk",
    )(left, right)
    return result


def _kernel(
    left: Any, right: Any, out: Any, scratch: Any, *, layout: Layout, network: ConvolutionalNetwork, interpret: bool
) -> None:
    """One program: the sum over shifts, strips, rows and columns, in this order."""
    top = layout.levels[-1]
    height, width = top.height.size, top.width.size
    zeros = _cleared(scratch, layout.scratch, out, interpret)
    recursion = _Recursion(left, right, scratch, layout, network, zeros, interpret)

    def shift(number: Index, total: Tile) -> Tile:
        def strip(place: Index, total: Tile) -> Tile:
            start = place * layout.strip - layout.halo

            def row(y: Index, state: Any) -> Any:
                # What other threads have put into the scratch a row ago is to be seen.
                _barrier(interpret)
                total, carried = state

                def column(step: Index, state: Any) -> Any:
                    part, carried = state
                    value, carried = recursion.step(y, step, start, number, carried)
                    inside = (step >= layout.halo) & (step < layout.halo + layout.strip) & (start + step < width)
                    return recursion.multiply_add(value, _factor((y >= 0) & inside, zeros), part), carried

                part, carried = _loop(0, layout.length, column, (zeros, carried))
                return total + part.astype(jnp.float64), carried

            rows = height**2 if network.pooled else height
            return _loop(-layout.warm, rows, row, (total, recursion.nothing_carried()))[0]

        return _loop(0, layout.strips, strip, total)

    total = _loop(0, width if network.pooled else 1, shift, jnp.zeros(out.shape, jnp.float64))
    pixels = height * width
    mean = total * (1 / (pixels**2 if network.pooled else pixels))
    out[...] = (mean * (network.weight_variance / 2) + network.bias_variance).astype(out.dtype)


def _cleared(scratch: Any, count: int, out: Any, interpret: bool) -> Tile:
    """Zeros, after the scratch has been filled with them.

    They are read back from it: Triton deals a tile that is read to its threads four neighbours at a time, and all that
    is computed with it. Tiles that are made are dealt out one by one, and their operands would be read one by one.
    """

    def clear(place: Index, done: Index) -> Index:
        scratch[place] = jnp.zeros(out.shape, out.dtype)
        return done

    _loop(0, count, clear, jnp.int32(0))
    _barrier(interpret)
    return scratch[count - 1]


class _Recursion:
    """The recursion of :mod:`ntk_labelqa.kernels.convolution` for the pairs of a program, a step at a time."""

    def __init__(
        self,
        left: Any,
        right: Any,
        scratch: Any,
        layout: Layout,
        network: ConvolutionalNetwork,
        zeros: Tile,
        interpret: bool,
    ) -> None:
        self.left, self.right, self.scratch = left, right, scratch
        self.layout, self.network, self.zeros = layout, network, zeros
        self.interpret = interpret
        self.multiply_add: MultiplyAdd = _separately if interpret else _at_once

    def nothing_carried(self) -> list[list[list[Values]]]:
        """The last columns of each layer but the last, for each of a step's rows, before there are any."""
        levels = self.layout.levels
        return [
            [[(self.zeros, self.zeros)] * above.width.kept for _ in range(level.step)]
            for level, above in pairwise(levels)
        ]

    def step(
        self, row: Index, step: Index, start: Index, shift: Index, carried: list[list[list[Values]]]
    ) -> tuple[Tile, list[list[list[Values]]]]:
        """The last layer's s κ₁ + Θ κ₀ at a pixel, and what the next step needs of the others'."""
        below: list[list[Values]] | None = None
        later: list[list[list[Values]]] = []
        for level, kept in zip(self.layout.levels, [*carried, None], strict=True):
            columns = [
                self._column(level, self.layout.column(level, row, step, start, shift, ahead), below, ahead)
                for ahead in range(level.step)
            ]
            if kept is None:
                return columns[0][0][0], later
            below = [before + list(line) for before, line in zip(kept, zip(*columns, strict=True), strict=True)]
            later.append([line[len(line) - len(before) :] for before, line in zip(kept, below, strict=True)])
        raise AssertionError

    def _column(self, level: Level, column: Column, below: list[list[Values]] | None, ahead: int) -> list[Values]:
        """A column's pixels at this step."""
        pairs = [self.layout.pair(level, column, number) for number in range(level.step)]
        if below is None:
            return [self._pixel(level, pair, None) for pair in pairs]
        sums = self._patch_sums(level, column, pairs, below, ahead)
        return [self._pixel(level, pair, part) for pair, part in zip(pairs, sums, strict=True)]

    def _patch_sums(
        self, level: Level, column: Column, pairs: list[tuple[Place, Place]], below: list[list[Values]], ahead: int
    ) -> list[Values]:
        """Sums over patches of the layer below: along rows, then over rows, the last of which are in the scratch."""
        edges = level.width.edges(column.x, column.moved)
        fresh = [self._sum(_patch(line, level.stride, ahead), edges) for line in below]
        kept = [(self.scratch[place], self.scratch[place + 1]) for place in self.layout.kept(level, column)]
        _barrier(self.interpret)
        for place, (lost, theta) in zip(
            self.layout.stored(level, column), fresh[len(fresh) - level.stored :], strict=True
        ):
            self.scratch[place], self.scratch[place + 1] = lost, theta
        return [
            self._sum(_patch(kept + fresh, level.stride, number), level.height.edges(pixel.y, moved.y))
            for number, (pixel, moved) in enumerate(pairs)
        ]

    def _sum(self, three: list[Values], edges: list[Index | None]) -> Values:
        lost, theta = three[1]
        for values, edge in ((three[0], edges[0]), (three[2], edges[2])):
            if edge is None:
                lost, theta = lost + values[0], theta + values[1]
            else:
                factor = _factor(edge, self.zeros)
                lost, theta = (
                    self.multiply_add(value, factor, total) for value, total in zip(values, (lost, theta), strict=True)
                )
        return lost, theta

    def _pixel(self, level: Level, pair: tuple[Place, Place], sums: Values | None) -> Values:
        """A pair of pixels after the ReLU; of the last layer, what the readout takes in place of the first value."""
        share = self.network.share
        norm, norm_moved = self._both(level.norm_at, pair)
        inverse, inverse_moved = self._both(level.inverse_at, pair)
        scale = norm * norm_moved
        gap, rest = self._gaps(level, pair, norm * inverse_moved, inverse * inverse * 0.5, first=sums is None)
        if sums is None:
            theta = scale * (1 - gap)
        else:
            # In places where a shift ends, sums may be of other pixels than the norms: limits keep them finite.
            added = self.multiply_add(sums[0] * inverse, self._wide(share * inverse_moved), gap)
            gap = jnp.minimum(added, 2)
            rest = 2 - gap
            theta = self.multiply_add(scale, 1 - gap, share * sums[1])
        fall, derivative = self._relu(gap, rest, signed=sums is None)
        theta = theta * derivative
        if level is self.layout.levels[-1]:
            return self.multiply_add(scale, 1 - fall, theta), theta
        return scale * fall, theta

    def _both(self, row_of: Callable[[Place], Index], pair: tuple[Place, Place]) -> tuple[jax.Array, jax.Array]:
        """A number of each image, [a, 1] and [1, b]."""
        pixel, moved = pair
        return self.left[row_of(pixel), :][:, None], self.right[row_of(moved), :][None, :]

    def _gaps(
        self, level: Level, pair: tuple[Place, Place], ratio: Tile, half: jax.Array, *, first: bool
    ) -> tuple[Tile, Tile]:
        """1 − cosine and 1 + cosine of two patches, the latter in the first layer alone; *half* is 1/2n²."""

        corner, corner_moved = (level.corner(place) for place in pair)

        def channel(number: Index, state: tuple[Tile, Tile]) -> tuple[Tile, Tile]:
            gap, rest = state
            for entry in level.entries(number):
                ours = self._wide(self.left[corner + entry, :][:, None])
                theirs = self._wide(self.right[corner_moved + entry, :][None, :])
                less = self.multiply_add(-ratio, theirs, ours)
                gap = self.multiply_add(less, less, gap)
                if first:
                    more = self.multiply_add(ratio, theirs, ours)
                    rest = self.multiply_add(more, more, rest)
            return gap, rest

        state = (self.zeros, self.zeros)
        gap, rest = channel(0, state) if level.channels == 1 else _loop(0, level.channels, channel, state)
        weight = self.network.weight_variance / (SIDE**2 * level.channels) if first else self.network.share
        gap, rest = gap * weight, rest * weight
        if self.network.bias_variance:
            gap = gap + self.network.bias_variance * jnp.square(1 - ratio)
            rest = rest + self.network.bias_variance * jnp.square(1 + ratio)
        return gap * half, rest * half

    def _relu(self, gap: Tile, rest: Tile, *, signed: bool) -> Values:
        """As :func:`~ntk_labelqa.kernels.relu.relu`; in float32 by its series, with neither divisions nor, where no
        cosine is negative, the half of it.
        """
        if gap.dtype == jnp.float64:
            return relu(gap, rest)
        square = (jnp.minimum(gap, rest) if signed else gap) * 0.5
        series = jnp.full_like(square, ARCSINE[-1])
        for coefficient in ARCSINE[-2::-1]:
            series = self.multiply_add(series, square, jnp.full_like(square, coefficient))
        angle = 2 * jnp.sqrt(square) * series
        if signed:
            angle = jnp.where(gap <= rest, angle, np.pi - angle)
        part = self.multiply_add(angle, 1 - gap, -jnp.sqrt(gap * rest)) * (1 / np.pi)
        return jnp.maximum(gap + part, 0), 1 - angle * (1 / np.pi)

    def _wide(self, values: jax.Array) -> Tile:
        return jnp.broadcast_to(values, self.zeros.shape)


def _patch(line: list[Values], stride: int, number: int) -> list[Values]:
    """Three of a line that begins with what was kept; of longer strides, with what the patches do not see."""
    start = number * stride + max(0, stride - SIDE)
    return line[start : start + SIDE]


def _factor(condition: Index, like: Tile) -> Tile:
    """1 or 0: a product with it costs nothing in a multiply-add."""
    return jnp.where(condition, jnp.ones_like(like), jnp.zeros_like(like))


def _loop(start: int, stop: int, step: Callable[[Index, Any], Any], state: Any) -> Any:
    """With whole numbers of 32 bits, which a GPU is made for, also in 64-bit mode."""
    return jax.lax.fori_loop(jnp.int32(start), jnp.int32(stop), step, state)


def _barrier(interpret: bool) -> None:
    if not interpret:
        triton.debug_barrier()


def _separately(a: Tile, b: Tile, c: Tile) -> Tile:
    return a * b + c


def _at_once(a: Tile, b: Tile, c: Tile) -> Tile:
    """One instruction in place of two; XLA has Triton leave products and sums apart."""
    letter, kind = ("d", "f64") if a.dtype == jnp.float64 else ("f", "f32")
    (result,) = triton.elementwise_inline_asm(
        f"fma.rn.{kind} $0, $1, $2, $3;",
        args=[a, b, c],
        constraints=f"={letter},{letter},{letter},{letter}",
        pack=1,
        result_shape_dtypes=[jax.ShapeDtypeStruct(a.shape, a.dtype)],
    )
    return result
