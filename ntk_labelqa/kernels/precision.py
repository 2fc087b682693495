"""How jax is to calculate and to compile, for our own calculations alone: the user's settings are left as they are."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache, wraps
from typing import Any

import jax
import numpy as np

FIRST_ALGORITHM = {"xla_gpu_autotune_level": "0"}


def precision(dtype: np.dtype) -> AbstractContextManager[None]:
    """Within it jax keeps *dtype*: 64-bit mode on for float64, off for float32."""
    import jax.experimental

    # Newer releases have it at the top, older ones under experimental alone.
    home: Any = jax if hasattr(jax, "enable_x64") else jax.experimental
    return home.enable_x64(dtype == np.float64)


def quickly_compiled(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``jax.jit`` with *options*, for what runs a few dozen times: a GPU takes the first algorithm that fits.

    On an H200 the search for the best one took 10 s for each new shape of a matrix product.
    """

    def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
        @cache
        def compiled(backend: str) -> Any:
            # Others need not know the option.
            return jax.jit(function, compiler_options=FIRST_ALGORITHM if backend == "gpu" else None, **options)

        @wraps(function)
        def called(*args: Any) -> Any:
            return compiled(jax.default_backend())(*args)

        return called

    return decorated
