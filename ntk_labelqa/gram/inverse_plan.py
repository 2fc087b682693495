"""Which inverse fits the number of items and the memory, and what it will take, before anything is allocated."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.gram import arrays
from ntk_labelqa.gram.landmarks import PANEL
from ntk_labelqa.gram.plan import plan_gram, timed
from ntk_labelqa.gram.tiles import tile_side
from ntk_labelqa.kernels.kernel import Kernel
from ntk_labelqa.memory import in_units, require_memory, usable_memory
from ntk_labelqa.row_store import Rows
from ntk_labelqa.runtime import device, devices_in_use

LANDMARKS = 3000
"""Items up to which ``auto`` inverts exactly, and landmarks beyond."""
FEWEST = 500
"""Landmarks below which ``auto`` would rather refuse than answer."""
MOST_FEATURES = int(2.5 * 2**30)
"""Bytes of the features of all items with the landmarks of ``auto``: every step goes through them, most several times.

Counted and not measured, so that the choice is the same on every machine.
"""
EIGEN_ITEMS = 4000
"""Items up to which an exact inverse is an eigendecomposition, 19 times as expensive as Cholesky, and for any ridge."""

Landmarks = int | Literal["all", "auto"]


@dataclass(frozen=True)
class InversePlan:
    """What a regularised inverse will take.

    Attributes:
        items: N.
        landmarks: m of Nyström's approximation; None for the exact inverse.
        peak_bytes: of memory, at the least favourable moment.
        accelerator_bytes: of an accelerator's memory likewise; None where none is used.
        held: items whose features from landmarks are in memory at once, where others hold the rest; None is all.
        kernel_seconds: of all kernel values, extrapolated from one tile; None until :func:`timed_inverse_plan`.
    """

    items: int
    landmarks: int | None
    peak_bytes: int
    held: int | None = None
    accelerator_bytes: int | None = None
    kernel_seconds: float | None = None

    def __str__(self) -> str:
        how = "exactly" if self.landmarks is None else f"from {self.landmarks:,} landmarks"
        duration = "" if self.kernel_seconds is None else f", its values in about {max(self.kernel_seconds, 1):.0f} s"
        there = f"{in_units(self.peak_bytes)} of memory"
        if self.accelerator_bytes is not None:
            there += f" and {in_units(self.accelerator_bytes)} of that of {device()}"
        return f"Kernel of {self.items:,} items, inverted {how}: {there}{duration}."

    def doubled(self, inputs: Rows, memory_limit: int, most: int) -> InversePlan | None:
        """With twice the landmarks; None where these would be more than *most*, or do not fit."""
        count, there = 2 * (self.landmarks or self.items), min(self.held or self.items, self.items)
        if count > min(most, self.items) or not _fits(inputs, there, count, memory_limit):
            return None
        return plan_inverse(inputs, count, memory_limit=memory_limit, held=self.held)


def plan_inverse(
    inputs: Rows, landmarks: Landmarks = "auto", *, memory_limit: int | None = None, held: int | None = None
) -> InversePlan:
    """The plan for the inverse of H of prepared *inputs*, [N, …].

    Args:
        inputs: as :meth:`~ntk_labelqa.kernels.kernel.Kernel.prepare` returns them.
        landmarks: m, at most N; ``all`` inverts exactly; ``auto`` does so up to :data:`LANDMARKS` items, and takes that
            many landmarks beyond, or as many as memory holds.
        memory_limit: bytes; None takes what is free.
        held: items whose features from landmarks are in memory at once, where others hold the rest; None is all.

    Raises:
        InvalidInputError: fewer items than landmarks, or none asked for.
        MemoryBudgetError: it does not fit; the message says what would.
    """
    items, itemsize = len(inputs), inputs.dtype.itemsize
    limit = usable_memory() if memory_limit is None else memory_limit
    if landmarks == "all" or (landmarks == "auto" and items <= LANDMARKS):
        plan = InversePlan(items, None, exact_bytes(items, itemsize))
        what, remedy = f"The exact inverse of {items:,} items", f"Use --landmarks {LANDMARKS}, or float32."
        return _required(plan, inputs, what, remedy, limit)
    there = items if held is None else min(held, items)
    count = _fitting(inputs, there, limit) if landmarks == "auto" else landmarks
    if not 1 <= count <= items:
        raise InvalidInputError(
            f"{count:,} landmarks cannot be drawn from {items:,} items.",
            remedy=f"Pass 1 to {items:,}, 'all' for an exact inverse, or 'auto'.",
        )
    plan = InversePlan(items, count, low_rank_bytes(there, count, itemsize), held)
    what = f"An approximation of {items:,} items from {count:,} landmarks"
    return _required(plan, inputs, what, "Use fewer landmarks, or float32.", limit, elsewhere=held is not None)


def _required(
    plan: InversePlan, inputs: Rows, what: str, remedy: str, limit: int, *, elsewhere: bool = False
) -> InversePlan:
    """*plan*, if it fits into memory, and into an accelerator's unless the features are *elsewhere*."""
    require_memory(plan.peak_bytes, what, remedy=remedy, memory_limit=limit)
    if elsewhere or not arrays.on_accelerator():
        return plan
    needed = accelerator_bytes(inputs, plan.landmarks)
    remedy += " Or compute on the processor (--device cpu)"
    # Workers send a panel at a time.
    remedy += "." if plan.landmarks is None else ", or by workers that hold features in panels (--scheduler local)."
    require_memory(needed, f"{what} on {device()}", remedy=remedy, memory_limit=arrays.device_memory())
    return replace(plan, accelerator_bytes=needed)


def usual_landmarks(items: int, itemsize: int) -> Landmarks:
    """``auto``, or how many landmarks keep the features within :data:`MOST_FEATURES`, though not below FEWEST."""
    most = MOST_FEATURES // (items * itemsize)
    return "auto" if most >= min(LANDMARKS, items) else max(most, min(FEWEST, items))


def largest_landmarks(items: int, itemsize: int) -> int:
    """What ``auto`` doubles :data:`LANDMARKS` up to, as often as the features stay within :data:`MOST_FEATURES`.

    Example:
        >>> largest_landmarks(20_000, 4), largest_landmarks(60_000, 4)
        (12000, 6000)
    """
    most, count = min(items, MOST_FEATURES // (items * itemsize)), LANDMARKS
    while 2 * count <= most:
        count *= 2
    return count


def timed_inverse_plan(plan: InversePlan, kernel: Kernel, inputs: Rows) -> InversePlan:
    """*plan* with the time of the kernel values, measured on one tile. Cost: two tiles, the first of which compiles."""
    if plan.landmarks is None:
        return replace(plan, kernel_seconds=timed(plan_gram(kernel, inputs), kernel, inputs).seconds)
    rows = inputs[: tile_side(kernel, inputs[:PANEL])]
    columns = inputs[: tile_side(kernel, inputs[: plan.landmarks])]
    kernel.block(rows, columns)
    start = time.perf_counter()
    kernel.block(rows, columns)
    pairs = len(rows) * len(columns)
    return replace(plan, kernel_seconds=(time.perf_counter() - start) * plan.items * plan.landmarks / pairs)


def low_rank_bytes(items: int, landmarks: int, itemsize: int) -> int:
    """Peak memory of Nyström's approximation: F, and four float64 arrays of the landmarks' size (eigh's workspace)."""
    return items * landmarks * itemsize + 4 * 8 * landmarks**2


def exact_bytes(items: int, itemsize: int) -> int:
    """Peak memory of the exact inverse: H and one float64 array of its size, or three to decompose it."""
    return items**2 * (itemsize + (24 if items <= EIGEN_ITEMS else 8))


def accelerator_bytes(inputs: Rows, landmarks: int | None) -> int:
    """Peak memory of an accelerator beside that of its panels: the inputs, F before and after it is turned into
    eigen-features, of several accelerators its share of these, and six float64 arrays of the landmarks' size; or H and
    three float64 arrays of its size.
    """
    items, itemsize = len(inputs), inputs.dtype.itemsize
    if landmarks is None:
        return items**2 * (itemsize + 24)
    own = -(-items // len(devices_in_use()))
    return own * itemsize * (int(np.prod(inputs.shape[1:])) + 2 * landmarks) + 6 * 8 * landmarks**2


def _fits(inputs: Rows, there: int, landmarks: int, limit: int) -> bool:
    """Whether the features of *there* items from *landmarks* fit; where that is all, into an accelerator, too."""
    if low_rank_bytes(there, landmarks, inputs.dtype.itemsize) > limit:
        return False
    if there < len(inputs) or not arrays.on_accelerator():
        return True
    return accelerator_bytes(inputs, landmarks) <= arrays.device_memory()


def _fitting(inputs: Rows, there: int, limit: int) -> int:
    """As many landmarks as memory holds, up to :data:`LANDMARKS`."""
    return next((m for m in range(LANDMARKS, FEWEST, -250) if _fits(inputs, there, m, limit)), FEWEST)
