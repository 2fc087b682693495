"""The whole Gram matrix by many machines: tiles of its upper triangle as tasks of Dask, in an array of Zarr."""

from __future__ import annotations

import os
import shutil
import uuid
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.files import in_words as files_in_words
from ntk_labelqa.gram.arrays import panels
from ntk_labelqa.gram.cluster import client_of, in_words
from ntk_labelqa.gram.factor_cache import digest_of
from ntk_labelqa.gram.matrix import Tick, gram_of
from ntk_labelqa.gram.panel_store import PanelStore, ZarrRows
from ntk_labelqa.gram.panel_tasks import BrokenRowsError
from ntk_labelqa.gram.panel_work import PanelWork
from ntk_labelqa.gram.row_files import for_workers
from ntk_labelqa.gram.tiles import cross_block
from ntk_labelqa.kernels.kernel import Kernel
from ntk_labelqa.kernels.stax_network import StaxNetwork
from ntk_labelqa.row_store import Rows

if TYPE_CHECKING:
    from distributed import Client

SIDE = 4096
"""Items of a tile's rows and columns: a file of 64 MiB in float32, and a second of a processor for a dense network."""
GRAM, TASK = "gram", "task"
"""What is kept beside the prepared inputs: the array, and of what it is."""


def distributed_gram(
    kernel: Kernel,
    inputs: Rows,
    scheduler: str | Client,
    path: str | os.PathLike[str],
    *,
    side: int = SIDE,
    progress: Tick | None = None,
) -> ZarrRows:
    """:func:`~ntk_labelqa.gram.matrix.gram_of` by the workers of *scheduler*, equal to it up to rounding.

    Args:
        kernel: the architecture's kernel.
        inputs: as it has prepared them, [N, …].
        scheduler: see :func:`~ntk_labelqa.gram.cluster.client_of`.
        path: of the array, a folder that all workers see, ``.zarr`` by custom. One that exists is refused, since it may
            be of other items. A run that is cut off leaves ``<path>.part``, and the same call goes on from the tiles
            that are there; not so those of stax networks, which may have changed under their name.
        side: items of a tile.
        progress: called with (tiles done, tiles) of the upper triangle.

    Returns:
        H, [N, N] of the inputs' dtype, exactly symmetric, of which rows are read from *path* when they are asked for.

    Raises:
        InvalidInputError: *path* exists.
        BrokenRowsError: kernel values are no numbers.
        MemoryBudgetError: H does not fit on the disk.
        LabelQAError: the scheduler does not answer or is lost, or workers do not see *path*.

    Cost: half of N² kernel values, shared by the workers; N² numbers of disk.
    """
    target = Path(path).absolute()  # workers may work in other folders
    if target.exists():
        raise InvalidInputError(f"{target} exists.", remedy="Remove it, or read it with zarr.open_array.")
    client, count = client_of(scheduler), len(inputs)
    store = _prepared(PanelStore(target.with_name(target.name + ".part")), kernel, inputs, side)
    cover = list(panels(count, side))
    tiles = [(rows, columns) for number, rows in enumerate(cover) for columns in cover[number:]]
    missing = [tile for tile in tiles if not store.has_chunk(GRAM, *(part.start // side for part in tile))]
    there = len(tiles) - len(missing)
    if progress and there:
        progress(there, len(tiles))
    work, read = PanelWork(client, cover), for_workers(inputs, store, cover)
    with in_words(client):
        made = work.map(partial(write_tile, store, kernel, read), *zip(*missing, strict=True)) if missing else []
        work.watch(made, lambda done, _: progress and progress(there + done, len(tiles)))
    with files_in_words(target):
        (store.folder / GRAM).replace(target)
    shutil.rmtree(store.folder, ignore_errors=True)
    return ZarrRows(target)


def _prepared(store: PanelStore, kernel: Kernel, inputs: Rows, side: int) -> PanelStore:
    """*store* with room for the array, and with the tiles of an earlier run of the same kind alone."""
    unlike = uuid.uuid4().hex if isinstance(kernel, StaxNetwork) else ""
    task = digest_of(inputs, f"Gram matrix {kernel} {side} {unlike}")
    if not store.has(TASK) or str(store.load(TASK)["digest"]) != task:
        shutil.rmtree(store.folder, ignore_errors=True)
    count, kind = len(inputs), inputs.dtype
    store.prepare(count**2 * kind.itemsize)
    store.save(TASK, digest=np.array(task))
    store.create(GRAM, (count, count), kind, side, columns=side)
    return store


def write_tile(store: PanelStore, kernel: Kernel, inputs: Rows, rows: slice, columns: slice) -> None:
    """Compute H[rows, columns] and write it, its mirror image first: a tile that is there has that, too.

    Raises BrokenRowsError where values are no numbers.
    """
    own = inputs[rows]
    tile = gram_of(kernel, own) if rows == columns else cross_block(kernel, own, inputs[columns])
    broken = np.flatnonzero(~np.isfinite(tile).all(axis=1))
    if len(broken):
        raise BrokenRowsError.of(rows.start + broken)
    if rows != columns:
        store.write(GRAM, (columns, rows), tile.T)
    store.write(GRAM, (rows, columns), tile)
