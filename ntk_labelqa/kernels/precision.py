"""How jax is to calculate and to compile, for our own calculations alone: the user's settings are left as they are."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np

QUICKLY_COMPILED = {"xla_gpu_autotune_level": "0"}
"""Compiler options of what runs a few dozen times: on an H200 each new shape of a matrix product took 5 to 10 s to be
compiled, and half a second with the first algorithm that fits."""


def precision(dtype: np.dtype) -> AbstractContextManager[None]:
    """Within it jax keeps *dtype*: 64-bit mode on for float64, off for float32."""
    import jax
    import jax.experimental

    # Newer releases have it at the top, older ones under experimental alone.
    home: Any = jax if hasattr(jax, "enable_x64") else jax.experimental
    return home.enable_x64(dtype == np.float64)
