"""What the Gram matrix asks of a kernel."""

from __future__ import annotations

from typing import Protocol

import jax
import numpy as np

from ntk_labelqa.row_store import Rows


class Kernel(Protocol):
    """An architecture's NTK: inputs prepared once, then blocks of kernel values."""

    def __hash__(self) -> int:
        """Programs are compiled for a kernel."""
        ...

    def prepare(self, features: Rows, dtype: np.dtype) -> Rows:
        """Validated and scaled inputs, dtype[N, …]; raises InvalidInputError where they do not fit."""
        ...

    def block(self, rows: np.ndarray, columns: np.ndarray | None = None) -> np.ndarray:
        """Θ between prepared *rows* [a, …] and *columns* [b, …] (None: *rows* again), of their dtype, [a, b]."""
        ...

    def values(self, rows: jax.Array, columns: jax.Array) -> jax.Array:
        """The same of arrays of jax, as a part of a program that is compiled as a whole."""
        ...

    def diagonal(self, inputs: np.ndarray) -> np.ndarray:
        """Θ of each prepared input with itself, [N]."""
        ...

    def bytes_per_pair(self, inputs: Rows) -> int:
        """Working memory that :meth:`block` needs for each pair of its inputs."""
        ...
