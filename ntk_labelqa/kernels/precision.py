"""jax's 64-bit mode, for our own calculations alone: the user's global setting is left as it is."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np


def precision(dtype: np.dtype) -> AbstractContextManager[None]:
    """Within it jax keeps *dtype*: 64-bit mode on for float64, off for float32."""
    import jax
    import jax.experimental

    # Newer releases have it at the top, older ones under experimental alone.
    home: Any = jax if hasattr(jax, "enable_x64") else jax.experimental
    return home.enable_x64(dtype == np.float64)
