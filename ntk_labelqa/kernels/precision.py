"""How jax is to calculate and to compile, for our own calculations alone: the user's settings are left as they are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache, wraps
from typing import Any

import jax
import numpy as np

from ntk_labelqa.errors import LabelQAError
from ntk_labelqa.runtime import device_in_use

FIRST_ALGORITHM = {"xla_gpu_autotune_level": "0"}
MOST_PROGRAMS = {"cpu": 16, "gpu": 64}
"""For how many shapes of arguments a function stays compiled, by backend; on others as on a GPU."""


def precision(dtype: np.dtype) -> AbstractContextManager[None]:
    """Within it jax keeps *dtype*: 64-bit mode on for float64, off for float32.

    Raises LabelQAError in a process forked from one where jax has computed.
    """
    import jax.experimental

    _refuse_fork()

    # Newer releases have it at the top, older ones under experimental alone.
    home: Any = jax if hasattr(jax, "enable_x64") else jax.experimental
    return home.enable_x64(dtype == np.float64)


@contextmanager
def of_numpy(dtype: np.dtype) -> Iterator[None]:
    """:func:`precision`, where NumPy's arrays are given to jax as they are, and made of what comes back: whoever has
    forbidden that (``jax.transfer_guard``) does not mean this.
    """
    with precision(dtype), jax.transfer_guard("allow"):
        yield


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


def compiled(*, quickly: bool = False, **options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``jax.jit`` with *options* that keeps the programs of the last shapes alone.

    As of ``jax.jit``'s, ``lower`` of its arguments is the program, before it is compiled.

    jax keeps a program for each shape that it has ever met, 2 MB of memory each on a CPU: a process that audits a
    growing project again and again would grow without end. On an accelerator, where a program takes a second to
    compile and memory is plenty, more are kept.

    Args:
        quickly: for what runs a few dozen times: a GPU takes the first algorithm that fits. On an H200 the search for
            the best one took 10 s for each new shape of a matrix product.
        options: those of ``jax.jit``.
    """

    def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
        met: set[tuple[Any, ...]] = set()

        @cache
        def of_backend(backend: str) -> Any:
            # Others need not know the option.
            how = FIRST_ALGORITHM if quickly and backend == "gpu" else None
            return jax.jit(function, compiler_options=how, **options)

        def lower(*args: Any) -> Any:
            return of_backend(jax.default_backend()).lower(*args)

        @wraps(function)
        def called(*args: Any) -> Any:
            backend = device_in_use().platform
            program = of_backend(backend)
            leaves, structure = jax.tree.flatten(args)
            form = structure, *((leaf.shape, str(leaf.dtype)) if hasattr(leaf, "dtype") else leaf for leaf in leaves)
            if form not in met:
                if len(met) >= MOST_PROGRAMS.get(backend, MOST_PROGRAMS["gpu"]):
                    # On a CPU with all that jax keeps: it has a quarter of a megabyte a shape elsewhere as well.
                    (jax.clear_caches if backend == "cpu" else program.clear_cache)()
                    met.clear()
                met.add(form)
            return program(*args)

        return with_lower(called, lower)

    return decorated


def with_lower(function: Callable[..., Any], lower: Callable[..., Any]) -> Any:
    """*function* with *lower*, as jax's own have it: of arguments, the program before it is compiled."""
    function.lower = lower  # type: ignore[attr-defined]
    return function
