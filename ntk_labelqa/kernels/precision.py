"""jax's 64-bit mode, for our own calculations alone: the user's global setting is left as it is."""

from __future__ import annotations

from contextlib import AbstractContextManager

import numpy as np


def precision(dtype: np.dtype) -> AbstractContextManager[None]:
    """Within it jax keeps *dtype*: 64-bit mode on for float64, off for float32."""
    import jax

    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(dtype == np.float64)
    from jax.experimental import enable_x64  # where it lived before jax 0.8

    return enable_x64(dtype == np.float64)
