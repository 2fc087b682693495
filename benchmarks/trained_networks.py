"""Two small networks, really trained, for benchmarks that need a truth to be held against: in JAX, with Adam."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

KINDS = ("dense", "convolutional")
EPOCHS, BATCH, RATE = 30, 50, 1e-3
HIDDEN, CHANNELS = 256, (32, 64)


def test_accuracy(
    kind: str, images: np.ndarray, codes: np.ndarray, test_images: np.ndarray, test_codes: np.ndarray, seed: int
) -> float:
    """Share of the test items that a network of *kind*, trained on *images* [N, H, W, C], puts into their class."""
    probabilities = test_probabilities(kind, images, codes, test_images, seed)
    return float((probabilities.argmax(axis=1) == test_codes).mean())


def test_probabilities(
    kind: str, images: np.ndarray, codes: np.ndarray, test_images: np.ndarray, seed: int
) -> np.ndarray:
    """float[M, K]: what a network of *kind*, trained on *images* [N, H, W, C] of K classes, gives each test item."""
    mean, deviation = images.mean(), images.std()
    x, test = ((part - mean) / deviation for part in (images, test_images))
    random = np.random.default_rng(seed)
    weights = _initial(kind, x.shape[1:], int(codes.max()) + 1, random)
    moments = jax.tree.map(jnp.zeros_like, (weights, weights))
    step = 0
    for _ in range(EPOCHS):
        order = random.permutation(len(x))
        for start in range(0, len(x) - BATCH + 1, BATCH):
            rows, step = order[start : start + BATCH], step + 1
            weights, moments = _adam(kind, weights, moments, step, x[rows], codes[rows])
    parts = [jax.nn.softmax(_logits(kind, weights, test[row : row + 1000])) for row in range(0, len(test), 1000)]
    return np.concatenate(parts)


def _initial(kind: str, shape: tuple[int, ...], classes: int, random: np.random.Generator) -> list[jax.Array]:
    """He's initialisation; weights and biases in turn."""
    height, width, channels = shape
    if kind == "dense":
        sizes: list[tuple[int, ...]] = [(height * width * channels, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, classes)]
    else:
        quarter = -(-height // 4) * -(-width // 4)
        sizes = [(3, 3, channels, CHANNELS[0]), (3, 3, *CHANNELS), (quarter * CHANNELS[1], classes)]
    layers = []
    for size in sizes:
        layers += [random.normal(0, np.sqrt(2 / np.prod(size[:-1])), size), np.zeros(size[-1])]
    return [jnp.asarray(layer, jnp.float32) for layer in layers]


@partial(jax.jit, static_argnums=0)
def _logits(kind: str, weights: list[jax.Array], x: jax.Array) -> jax.Array:
    *hidden, top, bias = weights
    for matrix, shift in zip(hidden[::2], hidden[1::2], strict=True):
        if kind == "dense":
            x = x.reshape(len(x), -1) @ matrix
        else:
            x = jax.lax.conv_general_dilated(x, matrix, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        x = jax.nn.relu(x + shift)
    return x.reshape(len(x), -1) @ top + bias


@partial(jax.jit, static_argnums=0)
def _adam(
    kind: str, weights: list[jax.Array], moments: tuple, step: int, x: jax.Array, codes: jax.Array
) -> tuple[list[jax.Array], tuple]:
    """One step of Adam (Kingma and Ba, 2015) on the cross-entropy."""

    def loss(candidate: list[jax.Array]) -> jax.Array:
        return -jnp.take_along_axis(jax.nn.log_softmax(_logits(kind, candidate, x)), codes[:, None], axis=1).mean()

    slopes = jax.grad(loss)(weights)
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, moments[0], slopes)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g**2, moments[1], slopes)

    def moved(weight: jax.Array, m: jax.Array, v: jax.Array) -> jax.Array:
        return weight - RATE * (m / (1 - 0.9**step)) / (jnp.sqrt(v / (1 - 0.999**step)) + 1e-8)

    return jax.tree.map(moved, weights, first, second), (first, second)
