"""What each compiled step costs by XLA's own analysis, beside what the mathematics needs.

XLA counts an operation of each entry of an array, a product of matrices [n, k] by [k, m] as 2nmk, and the bytes that
each fused operation reads and writes. It knows nothing of a library's solver or decomposition (-1), counts square
roots apart, and the body of a loop once; so a step that goes over panels is analysed for one panel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import jax
import numpy as np

from ntk_labelqa.gram import conjugate_gradients, eigen_features, nystrom
from ntk_labelqa.gram.arrays import Array, _eigen, _summed, fused, whitened
from ntk_labelqa.gram.tiles import cross_block, upper_tiles
from ntk_labelqa.kernels import dense
from ntk_labelqa.kernels.architectures import kernel_of
from ntk_labelqa.kernels.kernel import Kernel

NARROW, WIDE = np.dtype(np.float32), np.dtype(np.float64)
ARCSINE = 23
"""Operations of an angle: a polynomial of degree 8 (16), and 7 around it."""
RELU = ARCSINE + 9
"""With what κ₀ and κ₁ are made of it."""
LAYER = RELU + 5
NEARNESS = 6
"""1 ∓ cosine within its bounds, and whether the pair is near."""
SERIES = 16 * 3 + 3
"""A series of 16 terms by Clenshaw's recurrence."""
PIXEL, PATCH = 2 * 9 + 6 + RELU + 8, 30
"""Operations of a convolution: a pixel and pair, and a pixel and image."""

FUSES = jax.__version_info__ >= (0, 10)
"""Whether XLA fuses a sum with what is summed on a processor; on a GPU it always has."""


@dataclass(frozen=True)
class Sizes:
    """Of the arrays that steps are analysed for: a panel of items."""

    items: int = 2048
    landmarks: int = 3000
    features: int = 784
    classes: int = 10
    images: int = 16
    side: int = 28


@dataclass(frozen=True)
class Step:
    """One compiled program, and what it has to do.

    Attributes:
        name: of the step.
        program: a function of :func:`ntk_labelqa.gram.arrays.fused`.
        arguments: forms of its arrays, and what else it takes.
        flops, read: operations, and bytes between the processor's units and its memory, that the mathematics needs.
        why: both as formulas.
        unlike: why XLA's figures do not count the same, by figure.
        wide: whether its arithmetic is float64's.
    """

    name: str
    program: Callable[..., Any]
    arguments: tuple[Any, ...]
    flops: float
    read: float
    why: str
    unlike: dict[str, str] = field(default_factory=dict)
    wide: bool = False

    def compiled(self) -> Any:
        """For this device; to be called with the arrays alone."""
        return self.program.lower(*self.arguments).compile()

    def analysed(self, compiled: Any) -> dict[str, float | None]:
        """``flops`` and ``bytes`` of what is *compiled*, by XLA; None where it does not know."""
        found = compiled.cost_analysis() or {}
        # Releases of jax before 0.5 give a list of one.
        found = found[0] if isinstance(found, list) else found
        figures = {"flops": found.get("flops"), "bytes": found.get("bytes accessed")}
        return {name: value if value is not None and value > 0 else None for name, value in figures.items()}

    def times(self) -> dict[str, float]:
        """How many times what is needed XLA counts, of what it counts alike."""
        needed = {"flops": self.flops, "bytes": self.read}
        found = {name: value for name, value in self.analysed(self.compiled()).items() if name not in self.unlike}
        return {name: value / needed[name] for name, value in found.items() if value is not None}


def form(*shape: int, dtype: np.dtype = NARROW) -> jax.ShapeDtypeStruct:
    """Of an array that a program is compiled for."""
    return jax.ShapeDtypeStruct(shape, dtype)


def steps(sizes: Sizes) -> list[Step]:
    """All that an accelerator runs for a Gram matrix and an audit with landmarks."""
    return [*dense_blocks(sizes), convolutional_block(sizes), *inverse_steps(sizes), *regression_steps(sizes)]


def dense_blocks(sizes: Sizes) -> list[Step]:
    """A panel of items with the landmarks."""
    n, m, d = sizes.items, sizes.landmarks, sizes.features
    arrays = (form(n, d), form(m, d))
    found = []
    for name, pair, said in [
        ("linear", 3, "3 for the bounds of a cosine"),
        ("2-L", NEARNESS + LAYER, f"{NEARNESS} for the bounds, {LAYER} for a layer"),
        (
            "10-L",
            NEARNESS + ARCSINE + SERIES,
            f"{NEARNESS} for the bounds, {ARCSINE} for the angle, {SERIES} for 16 terms",
        ),
    ]:
        flops, read = n * m * (2 * d + pair), 4 * (n + m) * d + 12 * n * m
        why = f"nm(2D + {pair}): a product, {said}; the inputs, the product written and read, the result written"
        kernel = kernel_of(name)
        found.append(Step(f"{name}, block", fused(static=(0,))(with_none_near), (kernel, *arrays), flops, read, why))
        if name != "linear":
            title = f"{name}, block with its search for near pairs"
            unlike = {"bytes": "one round of the search is counted, which runs only where pairs are near"}
            found.append(Step(title, fused(static=(0,))(cross_block), (kernel, *arrays), flops, read, why, unlike))
    return found


def with_none_near(kernel: Kernel, rows: Array, columns: Array) -> Array:
    """:func:`cross_block` of a dense network without the search for near pairs."""
    with patch.dict(dense.NEAR, {NARROW: 0.0}):
        return cross_block(kernel, rows, columns)


def convolutional_block(sizes: Sizes) -> Step:
    """Images with as many others."""
    a, side = sizes.images, sizes.side
    flops, read = (
        a * a * side**2 * PIXEL + 2 * a * side**2 * PATCH,
        a * a * side**2 * 16 + 2 * a * side**2 * 4 + 4 * a * a,
    )
    why = (
        f"{PIXEL} a pixel and pair: 18 for a patch's product, {RELU} for the ReLU; the float64 product written and read"
    )
    unlike = {
        "bytes": "XLA fuses less on a processor, and hands sums to a library with all that goes into them written"
    }
    if not FUSES:
        unlike["flops"] = "older releases of XLA compute anew what several sums need, on a processor"
    arrays = (form(a, side, side, 1),) * 2
    return Step(
        "CNN-1, block", fused(static=(0,))(cross_block), (kernel_of("CNN-1"), *arrays), flops, read, why, unlike
    )


def inverse_steps(sizes: Sizes) -> list[Step]:
    """From a panel of kernel values to eigen-features."""
    n, m = sizes.items, sizes.landmarks
    panel, square, gains = form(n, m), form(m, m), form(m)
    solver = dict.fromkeys(("flops", "bytes"), "a library solves it, of which XLA knows nothing")
    moments = {"bytes": "each strip's operands are counted, and copies of them; the products hide both"}
    return [
        Step(
            "whitening", fused()(whitened), (square, panel), n * m * m, 8 * n * m + 2 * m * m, "nm²: half of L", solver
        ),
        Step(
            "second moment",
            _summed,
            (n, panel),
            n * m * m,
            4 * n * m + 4 * m * m,
            "nm²: half of AᵀA",
            moments,
        ),
        Step(
            "eigenvectors",
            _eigen,
            (form(m, m, dtype=WIDE),),
            10 * m**3,
            24 * m * m,
            "about 10m³; the matrix read, the vectors written and read",
            solver,
            wide=True,
        ),
        Step(
            "rotation",
            fused(static=(0,))(nystrom.rotated),
            (None, panel, square),
            2 * n * m * m,
            8 * n * m + 4 * m * m,
            "2nm²; panel, vectors and result once",
        ),
        Step(
            "leverages",
            fused(static=(0,))(eigen_features.unexplained),
            (None, panel, gains),
            3 * n * m,
            4 * n * m,
            "3nm: a square, a product, a sum; the panel once",
            {} if FUSES else {"bytes": "older releases of XLA write what is summed, on a processor"},
        ),
    ]


def regression_steps(sizes: Sizes) -> list[Step]:
    """Of a panel's labels."""
    n, m, k = sizes.items, sizes.landmarks, sizes.classes
    panel, gains, shift = form(n, m), form(m), form(dtype=WIDE)
    labels, weights, size = form(n, k, dtype=WIDE), form(m, k, dtype=WIDE), form(k, dtype=WIDE)
    product, once = 2 * n * m * k, 4 * n * m
    return [
        Step(
            "labels learnt",
            eigen_features.with_moment_of,
            (weights, panel, labels),
            product,
            once + 8 * n * k + 16 * m * k,
            "2nmK; the panel and the labels once, the moment read and written",
        ),
        Step(
            "left-out predictions",
            eigen_features.left_out,
            (panel, gains, weights, form(n, dtype=WIDE), labels),
            product + 3 * n * k + m * k,
            once + 8 * m * k + 8 * n + 16 * n * k,
            "2nmK + 3nK; the panel and the labels once, the result once",
        ),
        Step(
            "applying the inverse",
            eigen_features.applied,
            (panel, gains, shift, labels),
            2 * product,
            2 * once + 24 * n * k,
            "4nmK; the panel twice, the values twice and the result once",
        ),
        Step(
            "a step of conjugate gradients",
            fused()(conjugate_step),
            (panel, shift, form(m, dtype=WIDE), weights, weights, weights, size),
            2 * product + 13 * m * k,
            2 * once + 88 * m * k,
            "4nmK + 13mK; the panel twice, and eleven arrays [m, K]: two sums have to be there before they scale",
        ),
    ]


def conjugate_step(
    features: Array, shift: Array, diagonal: Array, solution: Array, residual: Array, direction: Array, size: Array
) -> Array:
    """The two programs of a step, one after the other."""
    image = eigen_features.gram_times(features, direction)
    return conjugate_gradients.step(image, shift, diagonal, (solution, residual, direction, size))


def pairs_computed(items: int, side: int) -> float:
    """Pairs of a Gram matrix that are computed, times those on and above its diagonal."""
    return len(list(upper_tiles(items, side))) * side**2 / (items * (items + 1) / 2)
