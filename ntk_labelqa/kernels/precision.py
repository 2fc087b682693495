"""How jax is to calculate and to compile, for our own calculations alone: the user's settings are left as they are."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache, wraps
from typing import Any

import jax
import numpy as np

from ntk_labelqa.errors import LabelQAError

FIRST_ALGORITHM = {"xla_gpu_autotune_level": "0"}


def precision(dtype: np.dtype) -> AbstractContextManager[None]:
    """Within it jax keeps *dtype*: 64-bit mode on for float64, off for float32.

    Raises LabelQAError in a process forked from one where jax has computed.
    """
    import jax.experimental

    _refuse_fork()

    # Newer releases have it at the top, older ones under experimental alone.
    home: Any = jax if hasattr(jax, "enable_x64") else jax.experimental
    return home.enable_x64(dtype == np.float64)


@cache
def _first_process() -> int:
    """The process that jax first computed in; a forked one inherits the answer."""
    return os.getpid()


def _refuse_fork() -> None:
    if _first_process() != os.getpid():
        raise LabelQAError(
            "This process was forked from one in which kernels had been computed.",
            why="jax's threads are not in it, and it would wait for them without end.",
            remedy="Start processes by multiprocessing's 'spawn' or by joblib, or compute in the forked ones alone.",
        )


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
