"""The Gram matrix, in tiles: only the upper triangle is computed."""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np
from numpy.typing import DTypeLike

from ntk_labelqa import arguments
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.gram import arrays
from ntk_labelqa.gram.arrays import (
    Array,
    fused,
    panels,
    panelwise,
    sharded,
    to_device,
    to_host,
)
from ntk_labelqa.gram.plan import plan_gram
from ntk_labelqa.gram.tiles import tile_side, upper_tiles
from ntk_labelqa.inputs.features import read_features
from ntk_labelqa.inputs.held import FeaturesLike
from ntk_labelqa.kernels.architectures import kernel_of
from ntk_labelqa.kernels.kernel import Kernel
from ntk_labelqa.row_store import Rows
from ntk_labelqa.runtime import devices_in_use

Tick = Callable[[int, int], None]
MIRRORED = 512
"""Rows of a tile that are mirrored at once."""


def gram_matrix(
    features: FeaturesLike,
    *,
    architecture: str | Kernel = "2-L",
    dtype: DTypeLike = "float64",
    memory_limit: int | None = None,
    progress: Tick | None = None,
) -> np.ndarray:
    r"""H, the infinite-width NTK between all pairs of items.

    .. math:: H_{ij} = \Theta^\infty(x_i, x_j)

    Source: paper, "Architecture Selection"; Jacot et al., 2018.

    Args:
        features: float[N, D], or images float[N, H, W] or [N, H, W, C], which dense networks flatten, in anything that
            :func:`ntk_labelqa.find_label_issues` takes. Dense networks scale rows to norm √D; convolutional ones
            standardise each image.
        architecture: ``linear``, ``2-L``, ``10-L``, ``CNN-1``, ``CNN-2``, ``CNN-3``, or ``module:attribute`` of a stax
            network; or a kernel with options of its own, such as ``DenseNetwork(3, bias_variance=0.1)``.
        dtype: float32 or float64.
        memory_limit: bytes that H and the work on it may take; None is what is free on this machine.
        progress: called with (tiles done, tiles).

    Returns:
        H, an array of dtype[N, N] in the order of the features, exactly symmetric, positive semi-definite up to
        rounding.

    Raises:
        InvalidInputError: features or options that cannot be read, wrong rank, no items, zero rows, NaN or infinity, an
            unknown architecture or dtype.
        MemoryBudgetError: it does not fit; nothing has been allocated.

    Cost: N²D flops for dense networks, N² numbers of memory and 12 MiB beside them;
        :func:`ntk_labelqa.gram.plan.plan_gram` says it beforehand.

    Example:
        >>> import numpy as np
        >>> h = gram_matrix(np.array([[1.0, 0.0], [0.0, 1.0]]), architecture="linear")
        >>> h.round(3)
        array([[2., 0.],
               [0., 2.]])
    """
    for name, value, rule in (
        ("architecture", architecture, arguments.FIXED_ARCHITECTURE),
        ("memory_limit", memory_limit, arguments.BYTES),
        ("progress", progress, arguments.TICK),
    ):
        arguments.check(name, value, rule)
    kernel, inputs = prepare(read_features(features).values, architecture, dtype)
    return gram_of(kernel, inputs, memory_limit=memory_limit, progress=progress)


def gram_of(
    kernel: Kernel, inputs: Rows, *, memory_limit: int | None = None, progress: Tick | None = None
) -> np.ndarray:
    """:func:`gram_matrix` of inputs that *kernel* has prepared."""
    plan = plan_gram(kernel, inputs, memory_limit=memory_limit)
    inputs = inputs[:]  # each row is needed with all others
    if arrays.on_accelerator() and len(devices_in_use()) > 1:
        return _gram_by_several(kernel, inputs, plan.working_bytes, progress)
    if arrays.on_accelerator() and symmetric_bytes(len(inputs), inputs.dtype.itemsize) <= arrays.device_memory():
        return _gram_there(kernel, inputs, progress)
    gram = np.empty((len(inputs), len(inputs)), inputs.dtype)
    tiles = list(upper_tiles(len(inputs), plan.side))
    for done, (rows, columns) in enumerate(tiles, start=1):
        fill(gram, kernel, inputs, rows, columns)
        if progress:
            progress(done, len(tiles))
    return gram


def symmetric_bytes(items: int, itemsize: int) -> int:
    """Memory of an accelerator for a whole Gram matrix: as computed, its halves, and as returned."""
    return 3 * items**2 * itemsize


def _gram_there(kernel: Kernel, inputs: np.ndarray, progress: Tick | None) -> np.ndarray:
    """H by an accelerator, which holds it whole: to send tile by tile takes longer than to compute them."""
    side = tile_side(kernel, inputs)
    tiles = list(upper_tiles(len(inputs), side))
    corners = to_device(np.array([(rows.start, columns.start) for rows, columns in tiles]))
    gram = to_host(gram_of_tiles(kernel, side, to_device(inputs), corners))
    if progress:
        progress(len(tiles), len(tiles))
    return gram


@fused(static=(0, 1))
def gram_of_tiles(kernel: Kernel, side: int, inputs: Array, corners: Array) -> Array:
    """H of an accelerator's *inputs*, from tiles of *side* from *corners*, int[t, 2], that cover its upper triangle."""

    def filled(number: Array, gram: Array) -> Array:
        top, left = corners[number]
        rows, columns = (jax.lax.dynamic_slice_in_dim(inputs, start, side) for start in (top, left))
        return jax.lax.dynamic_update_slice(gram, kernel.values(rows, columns), (top, left))

    upper = jax.lax.fori_loop(0, len(corners), filled, jax.numpy.zeros((len(inputs),) * 2, inputs.dtype))
    return jax.numpy.triu(upper) + jax.numpy.triu(upper, k=1).T


def _gram_by_several(kernel: Kernel, inputs: np.ndarray, memory: int, progress: Tick | None) -> np.ndarray:
    """H by several accelerators, each of which computes a tile at a time; *memory* is what all tiles may take."""
    devices, there = len(devices_in_use()), to_device(inputs)
    side = min(tile_side(kernel, inputs, memory // devices), -(-len(inputs) // (2 * devices)))
    tiles, gram = list(upper_tiles(len(inputs), side)), np.empty((len(inputs), len(inputs)), inputs.dtype)
    for done in range(0, len(tiles), devices):
        some = tiles[done : done + devices]
        corners = sharded(np.array([(rows.start, columns.start) for rows, columns in some]))
        for place, block in zip(some, to_host(panelwise(_tile, (kernel, side), 1, corners, there)), strict=True):
            _put(gram, *place, block)
        if progress:
            progress(done + len(some), len(tiles))
    return gram


def _tile(how: tuple[Kernel, int], corners: Array, inputs: Array) -> Array:
    """A tile of H of all *inputs*, [1, side, side], that begins at the one of *corners*, int[1, 2]."""
    kernel, side = how
    rows, columns = (jax.lax.dynamic_slice_in_dim(inputs, start, side) for start in corners[0])
    return kernel.values(rows, columns)[None]


def fill(gram: np.ndarray, kernel: Kernel, inputs: np.ndarray, rows: slice, columns: slice) -> None:
    """Write one tile of the upper triangle into *gram*, and its mirror image into the lower."""
    others = None if rows == columns else inputs[columns]
    _put(gram, rows, columns, kernel.block(inputs[rows], others))


def _put(gram: np.ndarray, rows: slice, columns: slice, block: np.ndarray) -> None:
    """*block* and its mirror image into *gram*; on the diagonal its upper triangle counts."""
    gram[rows, columns] = block
    if rows == columns:
        _mirror(gram[rows, rows])
    else:
        gram[columns, rows] = block.T


def _mirror(square: np.ndarray) -> None:
    """Copy the upper triangle of *square* onto its lower one, in place: an accelerator's tile is too large to copy."""
    for part in panels(len(square), MIRRORED):
        corner = square[part, part]
        corner[:] = np.triu(corner) + np.triu(corner, 1).T
        square[part.stop :, part] = square[part, part.stop :].T


def prepare(features: Rows, architecture: str | Kernel, dtype: DTypeLike) -> tuple[Kernel, Rows]:
    """The architecture's kernel, and *features* as its inputs."""
    try:
        kind = np.dtype(dtype)
    except TypeError as error:
        raise InvalidInputError(f"Kernels are computed in float32 or float64, not {dtype!r}.") from error
    if kind not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise InvalidInputError(f"Kernels are computed in float32 or float64, not {kind}.")
    kernel = kernel_of(architecture) if isinstance(architecture, str) else architecture
    return kernel, kernel.prepare(features, kind)
