r"""The NTK of convolutional ReLU networks: flattened (pixel by pixel) or with global average pooling (all pixel pairs).

A convolution averages the covariance of the layer below over patches. Here, as in :mod:`ntk_labelqa.kernels.relu`, the
recursion carries the gap δ = 1 − cosine instead of the covariance Σ = s(1 − δ), s = √(q q'), since standardised images
meet cosine 1 in most of their pixels, where float32 would lose half its digits. With v the vector of a patch's standard
deviations (of its pixels themselves in the first layer, with the bias as one more entry), s = |v||v'| and

.. math:: δ = 1 - \frac{v \cdot v'}{|v||v'|} + \frac{σ_w^2}{18 s} \sum_\text{patch} s^- (1 - κ_1^-)

where − marks the layer below: nothing cancels. A patch of zeros has s = 0 and adds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ntk_labelqa.kernels.inputs import standardized_images
from ntk_labelqa.kernels.patches import SIDE, outputs, patch_sums, patch_vectors
from ntk_labelqa.kernels.precision import compiled, of_numpy
from ntk_labelqa.kernels.relu import relu
from ntk_labelqa.row_store import Rows
from ntk_labelqa.runtime import device_in_use

ARRAYS = 6
"""Arrays of one number a pixel and pair (or pixel pair and pair) that are alive at once."""
COPIES = 3
"""Of the result, where it is put together from parts."""
DIAGONAL_AT_ONCE = 64
OLDEST_FUSED = 8
"""The first generation of NVIDIA's GPUs (compute capability) that XLA's Triton compiles for."""


@dataclass(frozen=True)
class ConvolutionalNetwork:
    """Convolutions 3x3 with zero padding and a ReLU after each, then flatten or global average pooling, then dense.

    Args:
        strides: of each convolution.
        pooled: global average pooling in place of flatten.
        weight_variance: σ_w² of the NTK parameterisation.
        bias_variance: σ_b²; 0 is no bias.
        standardize: each image to mean 0 and variance 1 over its pixels and channels.
    """

    strides: tuple[int, ...]
    pooled: bool = False
    weight_variance: float = 2.0
    bias_variance: float = 0.0
    standardize: bool = True

    @property
    def share(self) -> float:
        """σ_w²/18: of a patch's sum, after the halving by the ReLU."""
        return self.weight_variance / (2 * SIDE**2)

    def prepare(self, features: Rows, dtype: np.dtype) -> Rows:
        """Images, dtype[N, H, W, C]; a constant image becomes zeros, whose kernel values are those of the bias."""
        return standardized_images(features, dtype, standardize=self.standardize)

    def block(self, rows: np.ndarray, columns: np.ndarray | None = None) -> np.ndarray:
        """Θ, [a, b]. Cost: about 60 flops a convolution, pair, and pixel (all pairs of pixels where pooled)."""
        # 64-bit mode in any case: the first gaps are computed in float64 also where the rest is float32.
        with of_numpy(np.dtype(np.float64)):
            return np.asarray(_block(rows, rows if columns is None else columns, self))

    def values(self, rows: jax.Array, columns: jax.Array) -> jax.Array:
        """As :meth:`block`, within a program in 64-bit mode."""
        if not _fused():
            return _values(rows, columns, self)
        from ntk_labelqa.kernels.fused_convolution import fused_values

        return fused_values(rows, columns, self)

    def diagonal(self, inputs: np.ndarray) -> np.ndarray:
        """Θ of each image with itself, [N]."""
        with of_numpy(np.dtype(np.float64)):
            parts = range(0, len(inputs), DIAGONAL_AT_ONCE)
            return np.concatenate([_diagonal(inputs[start : start + DIAGONAL_AT_ONCE], self) for start in parts])

    def bytes_per_pair(self, inputs: Rows) -> int:
        """Covariances of the first, largest layer; where they stay on the chip, the result and copies of it alone.

        Besides, the fused form has the maps and the scratch of up to 1,024 by 1,024 pairs, however many there are.
        """
        return COPIES * inputs.dtype.itemsize if _fused() else self.covariance_bytes(inputs)

    def covariance_bytes(self, inputs: Rows) -> int:
        """Of a pair's covariances, whether or not they are written to memory: by these goes the time that it takes."""
        pixels = outputs(inputs.shape[1], self.strides[0]) * outputs(inputs.shape[2], self.strides[0])
        return ARRAYS * inputs.dtype.itemsize * (pixels**2 if self.pooled else pixels)


class Side(NamedTuple):
    """What one image gives to a layer's covariance, for each of n images and pixels.

    Attributes:
        direction: v/|v|, float64[n, H, W, k].
        deviation: |v| = √q, [n, H, W], of the inputs' dtype.
    """

    direction: jax.Array
    deviation: jax.Array


class Layer(NamedTuple):
    """State of the recursion after a ReLU, in the shape that the pairing gives.

    Attributes:
        scale: s.
        lost: s(1 − κ₁): twice what the ReLU's covariance falls short of s by.
        theta: Θ κ₀, twice the NTK.
    """

    scale: jax.Array
    lost: jax.Array
    theta: jax.Array


@compiled(static_argnums=2)
def _block(rows: jax.Array, columns: jax.Array, network: ConvolutionalNetwork) -> jax.Array:
    return network.values(rows, columns)


def _fused() -> bool:
    """Whether values are computed by :mod:`ntk_labelqa.kernels.fused_convolution`: on the GPUs that it is compiled for.

    Everything else takes the form below, as the diagonal does everywhere.
    """
    used = device_in_use()
    if used.platform != "gpu":
        return False
    from jax.experimental.pallas import triton

    # Releases of jax before 0.7 have its parameters by another name, and were not tried.
    if "cuda" not in used.client.platform_version or not hasattr(triton, "CompilerParams"):
        return False
    return float(used.compute_capability) >= OLDEST_FUSED


def _values(rows: jax.Array, columns: jax.Array, network: ConvolutionalNetwork) -> jax.Array:
    pairing = _AllPixels if network.pooled else _SamePixel
    layer = None
    for stride, left, right in zip(network.strides, _sides(rows, network), _sides(columns, network), strict=True):
        scale = pairing.products(left.deviation, right.deviation)
        gap, rest = pairing.gaps(left.direction, right.direction, rows.dtype)
        below = layer and [network.share * pairing.patch_sums(part, stride) for part in (layer.lost, layer.theta)]
        layer = _convolved(scale, gap, rest, below)
    assert layer is not None
    readout = pairing.mean(layer.scale - layer.lost) + pairing.mean(layer.theta)
    return readout * (network.weight_variance / 2) + network.bias_variance


def _convolved(scale: jax.Array, gap: jax.Array, rest: jax.Array, below: list[jax.Array] | None) -> Layer:
    if below:
        gap = gap + below[0] / jnp.where(scale == 0, 1, scale)
        rest = 2 - gap
    theta = scale * (1 - gap) + (below[1] if below else 0)
    fall, derivative = relu(gap, rest)
    return Layer(scale, scale * fall, theta * derivative)


@compiled(static_argnums=1)
def _diagonal(images: jax.Array, network: ConvolutionalNetwork) -> jax.Array:
    return jax.lax.map(lambda image: _values(image[None], image[None], network)[0, 0], images)


def _sides(images: jax.Array, network: ConvolutionalNetwork) -> list[Side]:
    """What *images* give to each layer: its input patches, then the patches of standard deviations below it."""
    sides: list[Side] = []
    values = images.astype(jnp.float64) * np.sqrt(network.weight_variance / (SIDE**2 * images.shape[-1]))
    for stride in network.strides:
        vectors = patch_vectors(values, stride)
        if network.bias_variance:
            bias = jnp.full((*vectors.shape[:-1], 1), np.sqrt(network.bias_variance))
            vectors = jnp.concatenate([vectors, bias], axis=-1)
        norm = jnp.sqrt(jnp.square(vectors).sum(axis=-1, keepdims=True))
        sides.append(Side(vectors / jnp.where(norm == 0, 1, norm), norm[..., 0].astype(images.dtype)))
        values = norm * np.sqrt(network.weight_variance / (2 * SIDE**2))
    return sides


class _SamePixel:
    """Flattened networks need the covariance of each pixel with the same pixel of the other image: [H, W, a, b]."""

    @staticmethod
    def products(left: jax.Array, right: jax.Array) -> jax.Array:
        return left.transpose(1, 2, 0)[:, :, :, None] * right.transpose(1, 2, 0)[:, :, None, :]

    @staticmethod
    def gaps(left: jax.Array, right: jax.Array, dtype: jnp.dtype) -> tuple[jax.Array, jax.Array]:
        rows, columns = left.transpose(1, 2, 0, 3), right.transpose(1, 2, 0, 3)
        if dtype == jnp.float64:
            return _from_differences(rows[:, :, :, None], columns[:, :, None])
        return _from_products(jnp.einsum("hwak,hwbk->hwab", rows, columns), dtype)

    @staticmethod
    def patch_sums(values: jax.Array, stride: int) -> jax.Array:
        return patch_sums(values, [0], [1], stride)

    @staticmethod
    def mean(values: jax.Array) -> jax.Array:
        return values.mean(axis=(0, 1), dtype=jnp.float64).astype(values.dtype)


class _AllPixels:
    """Global average pooling needs the covariance of every pixel with every pixel: [H, W, a, H', W', b]."""

    @staticmethod
    def products(left: jax.Array, right: jax.Array) -> jax.Array:
        return left.transpose(1, 2, 0)[..., None, None, None] * right.transpose(1, 2, 0)

    @staticmethod
    def gaps(left: jax.Array, right: jax.Array, dtype: jnp.dtype) -> tuple[jax.Array, jax.Array]:
        rows, columns = left.transpose(1, 2, 0, 3), right.transpose(1, 2, 0, 3)
        if dtype == jnp.float64:
            return _from_differences(rows[:, :, :, None, None, None], columns)
        return _from_products(jnp.einsum("hwak,ijbk->hwaijb", rows, columns), dtype)

    @staticmethod
    def patch_sums(values: jax.Array, stride: int) -> jax.Array:
        return patch_sums(values, [0, 3], [1, 4], stride)

    @staticmethod
    def mean(values: jax.Array) -> jax.Array:
        return values.mean(axis=(0, 1, 3, 4), dtype=jnp.float64).astype(values.dtype)


def _from_products(cosine: jax.Array, dtype: jnp.dtype) -> tuple[jax.Array, jax.Array]:
    """1 − cosine and 1 + cosine for float32: their float64 products of unit vectors carry enough digits."""
    return jnp.clip(1 - cosine, 0, 2).astype(dtype), jnp.clip(1 + cosine, 0, 2).astype(dtype)


def _from_differences(rows: jax.Array, columns: jax.Array) -> tuple[jax.Array, jax.Array]:
    """1 − cosine and 1 + cosine in float64, as |a ∓ b|²/2 of unit vectors, an entry at a time to hold memory flat."""
    gap = rest = jnp.zeros(())
    for entry in range(rows.shape[-1]):
        gap = gap + jnp.square(rows[..., entry] - columns[..., entry]) / 2
        rest = rest + jnp.square(rows[..., entry] + columns[..., entry]) / 2
    return jnp.minimum(gap, 2), jnp.minimum(rest, 2)
