"""The dense steps that grow with the cube of the landmarks, on the accelerator if jax has one, else on the processor.

On a processor NumPy and SciPy are as fast as jax. An accelerator is ten times faster, copies to and fro included.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import eigh, get_blas_funcs, solve_triangular

from ntk_labelqa.kernels.precision import compiled, precision

FULL = jax.lax.Precision.HIGHEST
"""By name: TF32 may be a GPU's default."""


def on_accelerator() -> bool:
    """Whether jax computes on something else than the processor."""
    return jax.default_backend() != "cpu"


def whitened(factor: np.ndarray, block: np.ndarray) -> np.ndarray:
    """B L⁻ᵀ for *factor* L, lower triangular [m, m], and *block* B, [n, m], which may be overwritten; of one dtype.

    Cost: nm² flops.
    """
    if not on_accelerator():
        return solve_triangular(factor, block.T, lower=True, overwrite_b=True, check_finite=False).T
    with precision(block.dtype):
        return np.asarray(_whitened(factor, block))


def second_moment(panel: np.ndarray) -> np.ndarray:
    """AᵀA for A, [n, m], in its precision; only what is on and below the diagonal counts. Cost: nm² flops."""
    if not on_accelerator():
        # As NumPy's product, but that then fills the other half in element by element.
        (syrk,) = get_blas_funcs(("syrk",), (panel,))
        return syrk(1.0, panel.T).T
    with precision(panel.dtype):
        return np.asarray(_second_moment(panel))


def product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """A B of one dtype, in its precision."""
    if not on_accelerator():
        return left @ right
    with precision(left.dtype):
        return np.asarray(_product(left, right))


def eigen(symmetric: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues, ascending, and eigenvectors as columns, of a float64[m, m] of which what is on and below the
    diagonal counts; it may be overwritten.

    Raises ValueError where an entry is not finite: an accelerator would make numbers of it. Cost: about 10m³ flops.
    """
    np.asarray_chkfinite(symmetric)
    if not on_accelerator():
        return eigh(symmetric, overwrite_a=True, check_finite=False)
    with precision(np.dtype(np.float64)):
        spectrum, vectors = _eigen(symmetric)
        return np.asarray(spectrum), np.asarray(vectors)


@compiled(quickly=True)
def _whitened(factor: jax.Array, block: jax.Array) -> jax.Array:
    return jax.scipy.linalg.solve_triangular(factor, block.T, lower=True).T


@compiled(quickly=True)
def _second_moment(panel: jax.Array) -> jax.Array:
    return jnp.matmul(panel.T, panel, precision=FULL)


@compiled(quickly=True)
def _product(left: jax.Array, right: jax.Array) -> jax.Array:
    return jnp.matmul(left, right, precision=FULL)


@compiled(quickly=True)
def _eigen(symmetric: jax.Array) -> tuple[jax.Array, jax.Array]:
    return jnp.linalg.eigh(symmetric, UPLO="L", symmetrize_input=False)
