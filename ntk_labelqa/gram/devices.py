"""Several accelerators of one process: which they are, and rows shared out over them.

What few rows have is on each of them (replicated); the rows of all items are shared out (sharded), so that their memory
counts together. Each calculates with its own rows, and nothing but sums and a column a class goes from one to another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Self

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ntk_labelqa.runtime import devices_in_use

AXIS = "devices"
REPLICATED, SHARDED = PartitionSpec(), PartitionSpec(AXIS)


def mesh() -> Mesh | None:
    """The devices in use, where they are several."""
    devices = devices_in_use()
    return _mesh_of(devices) if len(devices) > 1 else None


@cache
def _mesh_of(devices: tuple[jax.Device, ...]) -> Mesh:
    return Mesh(np.array(devices), (AXIS,))


def replicated() -> NamedSharding | None:
    """Where arrays lie that each of several devices has whole; None where there is one, as jax takes it anyway."""
    several = mesh()
    return NamedSharding(several, REPLICATED) if several else None


@partial(jax.tree_util.register_dataclass, data_fields=["parts"], meta_fields=["count", "mesh"])
@dataclass(frozen=True)
class ShardedRows:
    """float[N, …], row i with device i mod D: a panel of successive rows is shared out as evenly as all are.

    Up to a multiple of D the first row stands behind the last, once more for each that is missing; in no result or sum
    does it count.

    Attributes:
        parts: [D, rows a device, …], sharded by its first axis.
        count: N.
        mesh: the D devices.
    """

    parts: jax.Array
    count: int
    mesh: Mesh

    @classmethod
    def of(cls, rows: np.ndarray, on: Mesh) -> Self:
        """*rows*, float[N, …], sent to the devices of *on*."""
        length, devices = -(-len(rows) // on.size), list(on.devices)
        shares = [rows[first :: on.size] for first in range(on.size)]
        padded = [np.concatenate([one, rows[: length - len(one)]]) for one in shares]
        sent = jax.device_put([one[None] for one in padded], devices)
        shape = on.size, length, *rows.shape[1:]
        return cls(jax.make_array_from_single_device_arrays(shape, NamedSharding(on, SHARDED), sent), len(rows), on)

    def __reduce__(self) -> tuple[Callable[[np.ndarray], Any], tuple[np.ndarray]]:
        """Pickled as an array, which is placed where the devices are that read it."""
        from ntk_labelqa.gram.arrays import sharded  # which is made of this module

        return sharded, (self.on_host(),)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.count, *self.parts.shape[2:]

    @property
    def dtype(self) -> np.dtype:
        return self.parts.dtype

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, indices: jax.Array) -> jax.Array:
        """The rows *indices*, int[n], on each device."""

        def found(rows: jax.Array, indices: jax.Array) -> jax.Array:
            mine = indices % self.mesh.size == jax.lax.axis_index(AXIS)
            taken = rows[indices // self.mesh.size]
            return _sum(jax.numpy.where(mine.reshape(-1, *[1] * (rows.ndim - 1)), taken, 0))

        return self._by_each(found, REPLICATED, REPLICATED, indices)

    def __matmul__(self, weights: jax.Array) -> jax.Array:
        """The rows times *weights*, [m, k]: [N, k] on each device."""
        return self.mapped(jax.numpy.matmul, weights).whole()

    def moment(self, values: jax.Array) -> jax.Array:
        """RᵀV for *values* V, [N, k], on each device."""
        devices, length = self.parts.shape[:2]
        padded = jax.numpy.pad(values, [(0, length * devices - self.count), (0, 0)])
        shares = padded.reshape(length, devices, -1).swapaxes(0, 1)
        return self._by_each(lambda rows, own: _sum(rows.T @ own[0]), REPLICATED, SHARDED, shares)

    def mapped(self, function: Callable[..., jax.Array], *others: Any) -> ShardedRows:
        """*function* of each device's own rows and of *others*, which gives as many rows."""
        found = self._by_each(lambda rows, *others: function(rows, *others)[None], SHARDED, REPLICATED, *others)
        return ShardedRows(found, self.count, self.mesh)

    def summed(self, function: Callable[[jax.Array, jax.Array], jax.Array]) -> jax.Array:
        """The sum, on each device, of *function* of each one's own rows and of how many of them count."""

        def of_own(rows: jax.Array) -> jax.Array:
            return _sum(function(rows, (self.count - 1 - jax.lax.axis_index(AXIS)) // self.mesh.size + 1))

        return self._by_each(of_own, REPLICATED)

    def _by_each(
        self,
        function: Callable[..., jax.Array],
        result: PartitionSpec,
        given: PartitionSpec = REPLICATED,
        *others: Any,
    ) -> jax.Array:
        """*function* by each device of its own rows, and of *others*, which are *given* so."""
        specs = SHARDED, *[given] * len(others)
        return _shard_map(lambda parts, *others: function(parts[0], *others), self.mesh, specs, result)(
            self.parts, *others
        )

    def is_even(self, rows: slice) -> bool:
        """Whether each device has as many of the successive *rows*, so that they are a :meth:`panel`."""
        return rows.start % self.mesh.size == 0 and (rows.stop % self.mesh.size == 0 or rows.stop == self.count)

    def panel(self, start: jax.Array, length: int) -> ShardedRows:
        """*length* rows from *start*, a multiple of D."""
        part = jax.lax.dynamic_slice_in_dim(self.parts, start // self.mesh.size, -(-length // self.mesh.size), 1)
        return ShardedRows(self._lying(part, SHARDED), length, self.mesh)

    def whole(self) -> jax.Array:
        """All rows on each device."""
        return self._lying(self.parts, REPLICATED).swapaxes(0, 1).reshape(-1, *self.shape[1:])[: self.count]

    def _lying(self, parts: jax.Array, how: PartitionSpec) -> jax.Array:
        return jax.lax.with_sharding_constraint(parts, NamedSharding(self.mesh, how))

    def on_host(self) -> np.ndarray:
        """A copy by NumPy, one device's rows at a time."""
        result = np.empty(self.shape, self.dtype)
        for shard in self.parts.addressable_shards:
            share = result[shard.index[0].start :: self.mesh.size]
            share[:] = jax.device_get(shard.data)[0, : len(share)]
        return result


def _sum(part: jax.Array) -> jax.Array:
    return jax.lax.psum(part, AXIS)


def _shard_map(
    function: Callable[..., jax.Array], on: Mesh, given: tuple[PartitionSpec, ...], result: PartitionSpec
) -> Callable[..., jax.Array]:
    """``shard_map`` of any release of jax, which has moved and renamed what it takes.

    Unchecked: loops begin with constants, which are the same on all devices, and go on with what is not.
    """
    if hasattr(jax, "shard_map"):
        return jax.shard_map(function, mesh=on, in_specs=given, out_specs=result, check_vma=False)
    from jax.experimental.shard_map import shard_map

    return shard_map(function, mesh=on, in_specs=given, out_specs=result, check_rep=False)
