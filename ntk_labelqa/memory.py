"""The memory that is free, and a refusal where something does not fit into it."""

from __future__ import annotations

import psutil

from ntk_labelqa.errors import MemoryBudgetError

SPARED = 0.1
"""Share of the free memory that is left to others."""


def require_memory(needed: int, what: str, *, remedy: str, memory_limit: int | None = None) -> None:
    """Raise MemoryBudgetError where *needed* bytes for *what* are more than the limit, or than is free."""
    limit = usable_memory() if memory_limit is None else memory_limit
    if needed > limit:
        raise MemoryBudgetError(
            f"{what} needs {in_units(needed)} of memory; {in_units(limit)} can be used.", remedy=remedy
        )


def usable_memory() -> int:
    """Bytes that are free on this machine, less the share that is spared."""
    return int(psutil.virtual_memory().available * (1 - SPARED))


def in_units(size: float) -> str:
    """*size* bytes in words."""
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.3g} GiB"
