"""How near each step comes to what the card can do, measured in the same run, and what XLA counts of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.gpu.common import as_an_accelerator, head, options, row, said, seconds_each
from benchmarks.gpu.costs import NARROW, WIDE, Sizes, Step, steps
from ntk_labelqa.gram.arrays import fused
from ntk_labelqa.kernels.precision import precision

SMALL = Sizes(items=128, landmarks=64, features=32, images=4, side=8)
LARGE = Sizes(items=16_384, landmarks=3000, features=784, classes=10, images=200)
SIDE, COPIED = 8192, 2**30
"""Rows of the product that stands for the card's arithmetic, and numbers that are copied."""


def main() -> None:
    """Print the limits, then two tables of the steps: their shares, and their costs."""
    asked = options(__doc__)
    as_an_accelerator(asked.small)
    narrow, wide = (arithmetic(256 if asked.small else SIDE, kind) for kind in (NARROW, WIDE))
    memory = copying(2**16 if asked.small else COPIED)
    said(
        f"A matrix product at full precision: {narrow / 1e12:.4g} TFLOP/s in float32, {wide / 1e12:.4g} in float64; "
        f"a copy: {memory / 1e9:.4g} GB/s, read and written."
    )
    sizes = SMALL if asked.small else LARGE
    said(
        f"Panels of {sizes.items:,} items with {sizes.landmarks:,} landmarks, {sizes.features} features, "
        f"{sizes.classes} classes; blocks of {sizes.images} images. Shares are what the mathematics needs in the time "
        "taken, of each limit. XLA's count is given as times what is needed: in brackets where it counts something "
        "else, as said below; a dash where it knows nothing."
    )
    head("step", "seconds", "of the arithmetic", "of the memory", "operations needed", "XLA's", "bytes needed", "XLA's")
    listed = steps(sizes)
    for step in listed:
        compiled = step.compiled()
        took = seconds_each(call_of(step, compiled))
        of_arithmetic = step.flops / took / (wide if step.wide else narrow)
        cells = counted(step, step.analysed(compiled))
        row(step.name, f"{took:.3g}", f"{of_arithmetic:.1%}", f"{step.read / took / memory:.1%}", *cells)
    said("What is needed, n items by m landmarks, D features and K classes, and where XLA counts otherwise:")
    for step in listed:
        otherwise = "".join(f" {name.capitalize()}: {why}." for name, why in step.unlike.items())
        print(f"- {step.name}: {step.why}.{otherwise}", flush=True)


def counted(step: Step, found: dict[str, float | None]) -> list[str]:
    """Operations and bytes that are needed, each with how many times as many XLA counts."""
    cells = []
    for name, needed in (("flops", step.flops), ("bytes", step.read)):
        value = found[name]
        times = "–" if value is None else f"{value / needed:.2f}"
        cells += [f"{needed:.3g}", f"({times})" if value is not None and name in step.unlike else times]
    return cells


def arithmetic(side: int, kind: np.dtype[Any]) -> float:
    """Operations a second of a square matrix product at full precision."""
    square = made(jax.ShapeDtypeStruct((side, side), kind), 0)
    return 2 * side**3 / seconds_each(lambda: product(square, square))


def copying(count: int) -> float:
    """Bytes a second, read and written, of adding 1 to *count* numbers."""
    numbers = made(jax.ShapeDtypeStruct((count,), NARROW), 0)
    return 2 * numbers.nbytes / seconds_each(lambda: one_more(numbers))


@fused()
def product(left: jax.Array, right: jax.Array) -> jax.Array:
    """Of two matrices."""
    return left @ right


@fused()
def one_more(numbers: jax.Array) -> jax.Array:
    """Each of *numbers* and 1."""
    return numbers + 1


def call_of(step: Step, compiled: Any) -> Callable[[], Any]:
    """The call of a step's program with arrays that are on the device."""
    forms = [part for part in step.arguments if isinstance(part, jax.ShapeDtypeStruct)]
    arrays = [made(form, number) for number, form in enumerate(forms)]
    return lambda: compiled(*arrays)


def made(form: jax.ShapeDtypeStruct, seed: int) -> jax.Array:
    """An array of *form*: rows of norm 1, so that few pairs are near, and more on the diagonal of a square."""
    shape, kind = form.shape, form.dtype
    with precision(np.dtype(kind)):
        numbers = jax.random.normal(jax.random.key(seed), shape, kind)
        if len(shape) != 2:
            return jnp.abs(numbers) + 1 if len(shape) < 2 else numbers
        rows = numbers / jnp.linalg.norm(numbers, axis=1, keepdims=True)
        return rows + 2 * jnp.eye(len(rows), dtype=kind) if shape[0] == shape[1] else rows


if __name__ == "__main__":
    main()
