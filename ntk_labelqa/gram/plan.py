"""What a calculation will need, known before anything is allocated; and a refusal where it does not fit."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ntk_labelqa.errors import MemoryBudgetError
from ntk_labelqa.gram.tiles import tile_budget, tile_side
from ntk_labelqa.kernels.kernel import Kernel
from ntk_labelqa.memory import in_units, usable_memory
from ntk_labelqa.row_store import Rows


@dataclass(frozen=True)
class GramPlan:
    """What a Gram matrix will take.

    Attributes:
        items: N.
        side: rows and columns of a tile.
        tiles: of the upper triangle.
        result_bytes: of H itself, in memory or in a file.
        working_bytes: beside it.
        tile_seconds: of one tile, measured; None until :func:`timed`.
    """

    items: int
    side: int
    tiles: int
    result_bytes: int
    working_bytes: int
    tile_seconds: float | None = None

    @property
    def seconds(self) -> float | None:
        """Of the whole, extrapolated from one tile."""
        return None if self.tile_seconds is None else self.tile_seconds * self.tiles

    def __str__(self) -> str:
        duration = "" if self.seconds is None else f", about {self.seconds:.3g} s"
        return (
            f"{self.items:,} items: {in_units(self.result_bytes)} and {in_units(self.working_bytes)} to work in, "
            f"{self.tiles:,} tiles of {self.side} by {self.side}{duration}"
        )


def plan_gram(kernel: Kernel, inputs: Rows, *, memory_limit: int | None = None, in_file: bool = False) -> GramPlan:
    """The plan for H of prepared *inputs*, [N, …], with tiles that fit.

    Args:
        kernel: the architecture's kernel.
        inputs: as :meth:`~ntk_labelqa.kernels.kernel.Kernel.prepare` returns them.
        memory_limit: bytes; None takes what is free on this machine, less a tenth.
        in_file: H goes to a file, so that only the tiles need memory.

    Raises:
        MemoryBudgetError: H, or a tile of one pair, does not fit.
    """
    count = len(inputs)
    limit = usable_memory() if memory_limit is None else memory_limit
    result = count**2 * inputs.dtype.itemsize
    left = limit - (0 if in_file else result)
    if left < kernel.bytes_per_pair(inputs):
        raise MemoryBudgetError(
            f"The Gram matrix of {count:,} items needs {in_units(result)} and at least "
            f"{in_units(kernel.bytes_per_pair(inputs))} to work in; {in_units(limit)} can be used.",
            remedy="Use float32, landmarks (--landmarks 3000) in place of all items, or write it to a file with "
            "gram_file."
            if not in_file
            else "Free some memory, or shrink the images.",
        )
    side = tile_side(kernel, inputs, min(tile_budget(), left))
    across = -(-count // side)
    return GramPlan(count, side, across * (across + 1) // 2, result, side**2 * kernel.bytes_per_pair(inputs))


def timed(plan: GramPlan, kernel: Kernel, inputs: Rows) -> GramPlan:
    """*plan* with the time of a tile, measured on the first items. Cost: two tiles, the first of which compiles."""
    tile = inputs[: plan.side]
    kernel.block(tile, tile)
    start = time.perf_counter()
    kernel.block(tile, tile)
    return GramPlan(**{**plan.__dict__, "tile_seconds": time.perf_counter() - start})
