"""jax's 64-bit mode, for our own calculations alone: the user's global setting is left as it is."""

from __future__ import annotations

from contextlib import AbstractContextManager

import numpy as np


def precision(dtype: np.dtype) -> AbstractContextManager[None]:
    """Within it jax keeps *dtype*: 64-bit mode on for float64, off for float32."""
    import jax
    import jax.experimental

    # Newer releases have it at the top, older ones under experimental alone.
    enable = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64
    return enable(dtype == np.float64)
