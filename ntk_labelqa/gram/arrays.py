"""Arrays that stay where they are: NumPy's on a processor, jax's on an accelerator.

What is calculated from them is written once, in what the two have in common (the array API standard), and is one
compiled program on an accelerator. On a processor NumPy is as fast as jax, and compiles nothing. Arrays cross from one
side to the other by :func:`to_device`, :func:`sharded` and :func:`to_host` alone.

Of several accelerators each has all arrays, save those of a row an item that are many times as large: these are
:class:`~ntk_labelqa.gram.devices.ShardedRows`, which the functions of this module take for arrays.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterator
from functools import partial, wraps
from typing import Any, TypeVar, cast

import jax
import numpy as np
import scipy.special
from scipy.linalg import eigh, get_blas_funcs, solve, solve_triangular
from scipy.sparse import csr_array

from ntk_labelqa.gram.devices import ShardedRows, mesh, replicated
from ntk_labelqa.kernels.precision import compiled, precision, with_lower
from ntk_labelqa.memory import SPARED, usable_memory
from ntk_labelqa.runtime import device_in_use, devices_in_use

Array = Any
"""NumPy's or jax's; where that is said, ShardedRows."""
Calculation = TypeVar("Calculation", bound=Callable[..., Any])
Kind = TypeVar("Kind")
FLOAT64 = np.dtype(np.float64)
STRIPS = 4
"""Of columns, of a symmetric product by an accelerator: 4 take five eighths of the whole one's flops."""

Tick = Callable[[int, int], None]


def on_accelerator() -> bool:
    """Whether jax computes on something else than the processor."""
    return device_in_use().platform != "cpu"


def device_memory() -> int:
    """Bytes that arrays on an accelerator may take, less the share that is spared; a processor's are those free.

    Of several accelerators that have the same arrays, what the fullest has left.
    """
    known = [one.memory_stats() or {} for one in devices_in_use()] if on_accelerator() else [{}]
    if not all("bytes_limit" in of_one for of_one in known):
        return usable_memory()
    return int(min(of_one["bytes_limit"] - of_one.get("bytes_in_use", 0) for of_one in known) * (1 - SPARED))


def to_device(values: Any) -> Any:
    """*values*, arrays or several of them, where they are calculated with: copies on an accelerator, or on each of
    several, unless they are there, else themselves. Several cross at once.
    """
    if not on_accelerator():
        return values
    leaves, form = jax.tree.flatten(values)
    here = [number for number, one in enumerate(leaves) if not isinstance(one, jax.Array)]
    if here:
        with precision(FLOAT64):
            sent = jax.device_put([np.asarray(leaves[number]) for number in here], replicated())
        for number, one in zip(here, sent, strict=True):
            leaves[number] = one
    return jax.tree.unflatten(form, leaves)


def sharded(rows: Array) -> Array:
    """*rows*, [N, …], where they are calculated with: as :func:`to_device` has them, but shared out over several
    accelerators.
    """
    if isinstance(rows, ShardedRows) or not on_accelerator() or (several := mesh()) is None:
        return to_device(rows)
    with precision(FLOAT64):
        return ShardedRows.of(to_host(rows), several)


def to_host(values: Any) -> Any:
    """*values*, arrays or several of them, as NumPy's: themselves on a processor, copies from an accelerator.

    Several cross at once.
    """
    if isinstance(values, ShardedRows):
        return values.on_host()
    if not any(isinstance(one, jax.Array) for one in jax.tree.leaves(values)):
        return values
    return jax.tree.map(np.asarray, jax.device_get(values))


def fused(*, static: tuple[int, ...] = ()) -> Callable[[Calculation], Calculation]:
    """Of a function of arrays: those of an accelerator it takes as one program, compiled once for each of their shapes.

    Where any is on an accelerator the others are sent there. In full precision: TF32 may be a GPU's default. *static*
    are the places of arguments that are no arrays; others may be dataclasses of arrays (:func:`of_arrays`).
    The program for arrays, before it is compiled, is ``lower(*arrays)``.
    """

    def decorated(function: Calculation) -> Calculation:
        program: Any = compiled(quickly=True, static_argnums=static)(function)

        def fully(how: Callable[..., Any], *arrays: Array) -> Any:
            with precision(FLOAT64), jax.default_matmul_precision("highest"):
                return how(*arrays)

        @wraps(function)
        def called(*given: Any) -> Any:
            leaves = jax.tree.leaves(given)
            is_part = any(isinstance(one, jax.core.Tracer) for one in leaves)  # of another program
            if is_part or not any(isinstance(one, jax.Array) for one in leaves):
                return function(*given)
            fixed = {place: given[place] for place in static}
            sent = iter(to_device([one for place, one in enumerate(given) if place not in fixed]))
            return fully(program, *(fixed[place] if place in fixed else next(sent) for place in range(len(given))))

        return cast(Calculation, with_lower(called, partial(fully, program.lower)))

    return decorated


def of_arrays(*fields: str) -> Callable[[type[Kind]], type[Kind]]:
    """Of a dataclass: its *fields* are arrays, dataclasses of such or None; for what else it has, programs are made."""

    def registered(kind: type[Kind]) -> type[Kind]:
        others = [one.name for one in dataclasses.fields(cast(Any, kind)) if one.name not in fields]
        return jax.tree_util.register_dataclass(kind, list(fields), others)

    return registered


def namespace(array: Array) -> Any:
    """The module of functions that take *array*."""
    return array.__array_namespace__()


def gammaln(values: Array) -> Array:
    """The logarithm of the gamma function, of values above 0."""
    return (jax.scipy.special if isinstance(values, jax.Array) else scipy.special).gammaln(values)


def logsumexp(logits: Array) -> Array:
    """Along the last axis, which stays, of a length of 1; no row is −∞ throughout."""
    xp, largest = namespace(logits), logits.max(axis=-1, keepdims=True)
    return largest + xp.log(xp.exp(logits - largest).sum(axis=-1, keepdims=True))


def log_softmax(logits: Array) -> Array:
    """Along the last axis; no row is −∞ throughout."""
    return logits - logsumexp(logits)


def sums_by(keys: Array, rows: Array, count: int) -> Array:
    """The sum of those of *rows*, float[a, k], that have the same of *keys*, int[a] from 0, float[count, k].

    On an accelerator, keys from *count* on are left out.
    """
    if isinstance(rows, jax.Array):
        return jax.ops.segment_sum(rows, keys, count)
    return csr_array((np.ones(len(keys)), (keys, np.arange(len(keys)))), shape=(count, len(keys))) @ rows


def in_few_sizes(indices: np.ndarray) -> np.ndarray:
    """*indices*, int[n]; for an accelerator, which would compile for each n, the first is repeated up to a power of 2.

    Results for what was added are to be cut off.
    """
    if not on_accelerator() or not len(indices):
        return indices
    more = (1 << (len(indices) - 1).bit_length()) - len(indices)
    return np.concatenate([indices, np.repeat(indices[:1], more)])


def rows_of(array: Array, rows: slice) -> Array:
    """*array*, which may be sharded, at *rows*, without a program of its own for each place on an accelerator."""
    if not isinstance(array, jax.Array | ShardedRows):
        return array[rows]
    start, stop, _ = rows.indices(len(array))
    if stop - start == len(array):
        return array
    if isinstance(array, ShardedRows) and not array.is_even(slice(start, stop)):
        return taken(array, np.arange(start, stop))
    return _rows_of(stop - start, array, to_device(np.asarray(start)))


@fused(static=(0,))
def _rows_of(length: int, array: Array, start: Array) -> Array:
    if isinstance(array, ShardedRows):
        return array.panel(start, length)
    return jax.lax.dynamic_slice_in_dim(array, start, length)


def taken(rows: Any, indices: np.ndarray) -> Array:
    """*rows*, which may be sharded, at *indices*, int[n], where they are calculated with."""
    return _taken(rows, indices) if isinstance(rows, jax.Array | ShardedRows) else to_device(rows[indices])


def part_of(array: Array, rows: slice | Array) -> Array:
    """*array* at *rows*, which are a slice or indices."""
    return rows_of(array, rows) if isinstance(rows, slice) else taken(array, rows)


@fused()
def _taken(rows: Array, indices: Array) -> Array:
    return rows[indices]


def whole(rows: Array) -> Array:
    """*rows*, no longer sharded."""
    return _whole(rows) if isinstance(rows, ShardedRows) else rows


@fused()
def _whole(rows: ShardedRows) -> Array:
    return rows.whole()


def whitened(factor: Array, block: Array) -> Array:
    """B L⁻ᵀ for *factor* L, lower triangular [m, m], and *block* B, [n, m], which may be overwritten; of one dtype.

    Cost: nm² flops.
    """
    if isinstance(block, jax.Array):
        return jax.scipy.linalg.solve_triangular(factor, block.T, lower=True).T
    return solve_triangular(factor, block.T, lower=True, overwrite_b=True, check_finite=False).T


def second_moment(panel: Array) -> Array:
    """AᵀA for A, [n, m], in its precision; only what is on and below the diagonal counts.

    Cost: nm² flops, by an accelerator 1.25 times as many.
    """
    if isinstance(panel, jax.Array):
        return _in_strips(panel)
    # As NumPy's product, but that then fills the other half in element by element.
    (syrk,) = get_blas_funcs(("syrk",), (panel,))
    return syrk(1.0, panel.T).T


def _in_strips(panel: Array) -> Array:
    """AᵀA with zeros above the blocks on its diagonal: a strip of columns at a time, from its diagonal block down."""
    width = -(-panel.shape[1] // STRIPS)
    starts = range(0, panel.shape[1], width)
    strips = [panel[:, start:].T @ panel[:, start : start + width] for start in starts]
    padded = [jax.numpy.pad(strip, ((start, 0), (0, 0))) for start, strip in zip(starts, strips, strict=True)]
    return jax.numpy.concatenate(padded, axis=1)


def solved(positive: Array, right: Array) -> Array:
    """A⁻¹ B for *positive* A, symmetric positive definite [n, n], of which what is on and below the diagonal counts,
    and *right* B, [n, k]. Cost: n³/3 flops.
    """
    if isinstance(positive, jax.Array):
        return jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(positive, lower=True), right)
    return solve(positive, right, assume_a="pos", lower=True)


def eigen(symmetric: Array) -> tuple[Array, Array]:
    """Eigenvalues, ascending, and eigenvectors as columns, of a float64[m, m] of which what is on and below the
    diagonal counts; it may be overwritten.

    Raises ValueError where an entry is not finite: an accelerator would make numbers of it. Cost: about 10m³ flops.
    """
    if not isinstance(symmetric, jax.Array):
        return eigh(symmetric, overwrite_a=True)
    spectrum, vectors = _eigen(symmetric)
    if not np.isfinite(to_host(spectrum)).all():
        raise ValueError("array must not contain infs or NaNs")
    return spectrum, vectors


@fused()
def _eigen(symmetric: Array) -> tuple[Array, Array]:
    finite = jax.numpy.isfinite(symmetric).all()
    spectrum, vectors = jax.numpy.linalg.eigh(symmetric, UPLO="L", symmetrize_input=False)
    return jax.numpy.where(finite, spectrum, np.nan), vectors


def each(function: Callable[[Array], Array], values: Array) -> Array:
    """*function* of each of *values*, put together."""
    if isinstance(values, jax.Array):
        return jax.lax.map(function, values)
    return np.stack([function(value) for value in values])


def repeated(
    function: Callable[[Kind], Kind], times: int, state: Kind, while_: Callable[[Kind], Array] | None = None
) -> Kind:
    """*state*, arrays or dataclasses of such, after *function* of it so many times, or *while_* that is true of it.

    Its shapes and dtypes stay.
    """
    if any(isinstance(one, jax.Array) for one in jax.tree.leaves(state)):
        if while_ is None:
            return jax.lax.fori_loop(0, times, lambda _, now: function(now), state)
        return jax.lax.while_loop(
            lambda now: (now[0] < times) & while_(now[1]), lambda now: (now[0] + 1, function(now[1])), (0, state)
        )[1]
    for _ in range(times):
        if while_ is not None and not while_(state):
            break
        state = function(state)
    return state


def only(chosen: Array, rows: Array) -> Array:
    """Those of *rows*, [n, …], that are *chosen*, bool[n], for sums over them.

    An accelerator's shapes may not depend on values: there the others are 0.
    """
    if isinstance(rows, jax.Array):
        return jax.numpy.where(chosen.reshape(-1, *[1] * (rows.ndim - 1)), rows, 0)
    return rows[chosen]


def panels(count: int, length: int) -> Iterator[slice]:
    """Slices of up to *length* that cover *count* without overlap, for sums over all items."""
    for start in range(0, count, length):
        yield slice(start, min(start + length, count))


def panelwise(
    function: Callable[..., Array],
    how: Hashable,
    length: int,
    rows: Array,
    *others: Array,
    tick: Tick | None = None,
    overwrite: bool = False,
) -> Array:
    """*function* of *how*, of *length* of the *rows* at a time, and of *others*; its results put together, [N, …].

    So working memory stays that of a panel. Of sharded rows each device takes its own, and so are the results sharded.
    *function* is to be one at the top of a module: each is compiled by itself. *tick* is called with (panels done,
    panels), on an accelerator at the end alone. To *overwrite* the rows, [N, m], with results that are no wider saves a
    processor as much memory again.
    """
    steps = list(panels(len(rows), length))
    if isinstance(rows, jax.Array | ShardedRows):
        result = _filled(function, how, length, rows, *others)
        if tick:
            tick(len(steps), len(steps))
        return result
    for done, panel in enumerate(steps, start=1):
        part = function(how, rows[panel], *others)
        if done == 1:
            result = rows[:, : part.shape[1]] if overwrite else np.empty((len(rows), *part.shape[1:]), part.dtype)
        result[panel] = part
        if tick:
            tick(done, len(steps))
    return result


@fused(static=(0, 1, 2))
def _filled(function: Callable[..., Array], how: Hashable, length: int, rows: Array, *others: Array) -> Array:
    if isinstance(rows, ShardedRows):
        return rows.mapped(partial(_filled, function, how, length), *others)
    count, length = len(rows), min(length, len(rows))

    def start_of(number: Array) -> Array:
        # The last panel overlaps the one before it: a shorter one would be compiled by itself.
        return jax.numpy.minimum(number * length, count - length)

    def filled(number: Array, result: Array) -> Array:
        part = function(how, jax.lax.dynamic_slice_in_dim(rows, start_of(number), length), *others)
        return jax.lax.dynamic_update_slice_in_dim(result, part, start_of(number), axis=0)

    form = jax.eval_shape(partial(function, how), rows[:length], *others)
    return jax.lax.fori_loop(0, -(-count // length), filled, jax.numpy.empty((count, *form.shape[1:]), form.dtype))


def moment(rows: Array, length: int) -> Array:
    """RᵀR for *rows* R, float[N, m], float64[m, m] of which what is on and below the diagonal counts.

    Products of *length* rows, which may be sharded, are taken in their precision, and added up in float64. Cost: Nm²
    flops.
    """
    if isinstance(rows, jax.Array | ShardedRows):
        return _summed(length, rows)
    total = np.zeros((rows.shape[1], rows.shape[1]))
    for panel in panels(len(rows), length):
        total += second_moment(rows[panel])
    return total


@fused(static=(0,))
def _summed(length: int, rows: Array, most: Array | None = None) -> Array:
    """The moment of rows, of the first *most* alone if that is given."""
    if isinstance(rows, ShardedRows):
        return rows.summed(partial(_summed, length))
    count, length = len(rows), min(length, len(rows))
    numbers = jax.numpy.arange(length)

    def added(number: Array, total: Array) -> Array:
        start = jax.numpy.minimum(number * length, count - length)
        part = jax.lax.dynamic_slice_in_dim(rows, start, length)
        counts = start + numbers >= number * length
        counts = counts if most is None else counts & (start + numbers < most)
        return total + second_moment(jax.numpy.where(counts[:, None], part, 0)).astype(total.dtype)

    return jax.lax.fori_loop(0, -(-count // length), added, jax.numpy.zeros((rows.shape[1],) * 2))
