"""Networks of the user's own, written with neural-tangents' stax and named as ``module:attribute``."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.kernels import neural_tangents_compat
from ntk_labelqa.kernels.inputs import check_finite
from ntk_labelqa.kernels.precision import compiled, of_numpy
from ntk_labelqa.row_store import Rows, derived

DIAGONAL_AT_ONCE = 16
BYTES_PER_PAIR_AND_PIXEL = 32
"""Several float32 covariances of each pixel; convolutions with Flatten keep one number a pixel and pair."""


@dataclass(frozen=True)
class StaxNetwork:
    """The NTK of a stax network, through its ``kernel_fn``.

    Inputs go in as they are: no scaling, images [N, H, W] get one channel.
    """

    kernel_fn: Callable[..., Any]

    def __reduce__(self) -> tuple[Callable[[bytes], StaxNetwork], tuple[bytes]]:
        """As it is sent to workers of Dask, which brings cloudpickle: a network is made of functions without a name."""
        from cloudpickle import dumps

        return _received, (dumps(self.kernel_fn),)

    def prepare(self, features: Rows, dtype: np.dtype) -> Rows:
        """Finite inputs of *dtype*, [N, D] or [N, H, W, C]."""
        check_finite(features, ranks=(2, 3, 4))
        rank = len(features.shape)
        return derived(lambda rows: (rows[..., None] if rank == 3 else rows).astype(dtype), features)

    def block(self, rows: np.ndarray, columns: np.ndarray | None = None) -> np.ndarray:
        """Θ, [a, b]. Raises InvalidInputError where the network does not take inputs of this shape."""
        try:
            with of_numpy(rows.dtype):
                return np.asarray(self.kernel_fn(rows, rows if columns is None else columns, "ntk"), rows.dtype)
        except (TypeError, ValueError, IndexError) as error:
            raise InvalidInputError(
                f"The network does not take inputs of shape {list(rows.shape[1:])}: {str(error).splitlines()[0]}",
                remedy="Check the rank and the channels that it expects.",
            ) from error

    def values(self, rows: jax.Array, columns: jax.Array) -> jax.Array:
        """As :meth:`block`, within a program."""
        return self.kernel_fn(rows, columns, "ntk").astype(rows.dtype)

    def diagonal(self, inputs: np.ndarray) -> np.ndarray:
        """Θ of each input with itself, from small blocks."""
        steps = range(0, len(inputs), DIAGONAL_AT_ONCE)
        parts = [inputs[start : start + DIAGONAL_AT_ONCE] for start in steps]
        return np.concatenate([np.diagonal(self.block(part)) for part in parts])

    def bytes_per_pair(self, inputs: Rows) -> int:
        """An estimate: the network is not ours to look into."""
        pixels = int(np.prod(inputs.shape[1:3])) if len(inputs.shape) == 4 else 1
        return BYTES_PER_PAIR_AND_PIXEL * pixels


def _received(function: bytes) -> StaxNetwork:
    """A network that this program has sent to itself; before it can be read, neural-tangents has to be registered."""
    from cloudpickle import loads

    neural_tangents_compat.register()
    return StaxNetwork(loads(function))


def load(name: str) -> StaxNetwork:
    """The network at ``module:attribute``, a stax triple (init, apply, kernel); looked for from the current folder too.

    This runs the module, so a name must come from a person, and never from a file that is read: see
    :func:`ntk_labelqa.kernels.architectures.recorded`.

    Raises InvalidInputError where it does not import, or is no such triple.
    """
    neural_tangents_compat.register()
    module, _, attribute = name.partition(":")
    try:
        with _current_folder_on_path():
            network = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # whatever a module of the user's own raises
        raise InvalidInputError(
            f"The network {name!r} cannot be imported: {type(error).__name__}: {error}",
            remedy="Name a module that Python finds from here, a colon, and the variable that holds the network.",
        ) from error
    if not isinstance(network, tuple) or len(network) != 3 or not all(callable(part) for part in network):
        raise InvalidInputError(
            f"{name!r} is no stax network.", remedy="It has to be what stax.serial returns: (init, apply, kernel)."
        )
    return StaxNetwork(compiled(static_argnums=2)(network[2]))


@contextmanager
def _current_folder_on_path() -> Iterator[None]:
    """While the body runs, modules are found in the current folder too: what is imported later is not looked for there,
    where anybody may have put a file of a library's name."""
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        yield
    finally:
        with suppress(ValueError):
            sys.path.remove(here)
