"""Table 2 of the paper: seconds to train a wide net of the same architecture, beside our Gram matrix of the same items.

The paper trains 100 epochs at width 10,000. Here *width* and *epochs* are options, and the time of 100 epochs is
extrapolated from those run and marked with a tilde; nothing is extrapolated over the width::

    python benchmarks/table2.py --data-dir DATA --items 2000 --width 512 --epochs 2
    python benchmarks/table2.py --data-dir DATA --items 60000 --width 10000 --epochs 100     # on a GPU

See image_sets.py for the data.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from gram import network
from image_sets import FILES, load

from ntk_labelqa.gram.matrix import gram_of, prepare
from ntk_labelqa.kernels import neural_tangents_compat as compat

BATCH = 128
RATE = 0.1


def main() -> None:
    """Print one row an architecture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--set", choices=FILES, default="mnist")
    parser.add_argument("--arch", nargs="+", default=["2-L", "10-L", "CNN-1", "CNN-2", "CNN-3"])
    parser.add_argument("--items", type=int, default=2000)
    parser.add_argument(
        "--width", type=int, default=512, help="of dense layers; convolutions get an eighth as channels"
    )
    parser.add_argument("--epochs", type=int, default=2)
    asked = parser.parse_args()
    images, labels = load(asked.set, asked.data_dir, asked.items)
    print(f"{asked.set}, {asked.items:,} items, {jax.devices()[0].device_kind}, jax {jax.__version__}, float32")
    for architecture in asked.arch:
        width = asked.width // 8 if "CNN" in architecture else asked.width
        trained, accuracy = training_seconds(architecture, images, labels, width, asked.epochs)
        kernel = gram_seconds(architecture, images)
        hundred = trained * 100 / asked.epochs
        print(
            f"{architecture:<6} width {width}: {asked.epochs} epochs {trained:.2f} s (right: {accuracy:.1%}), "
            f"100 epochs ~{hundred:,.0f} s; Gram matrix {kernel:.2f} s, {hundred / kernel:,.0f} times faster",
            flush=True,
        )


def training_seconds(
    architecture: str, images: np.ndarray, labels: np.ndarray, width: int, epochs: int
) -> tuple[float, float]:
    """Seconds of *epochs* of plain gradient descent on cross-entropy, compilation left out; the training accuracy."""
    inputs = prepare(images, architecture, "float32")[1]
    if inputs.ndim == 2:
        inputs = inputs * np.float32(np.sqrt(inputs.shape[1]))
    classes = int(labels.max()) + 1
    init_fn, apply_fn, _ = network(compat.stax(), architecture, width, classes)
    _, weights = init_fn(jax.random.PRNGKey(0), (-1, *inputs.shape[1:]))
    step = jax.jit(step_of(apply_fn))
    targets = np.eye(classes, dtype=np.float32)[labels]
    jax.block_until_ready(step(weights, inputs[:BATCH], targets[:BATCH]))
    random, start = np.random.default_rng(0), time.perf_counter()
    for _ in range(epochs):
        order = random.permutation(len(inputs))
        for first in range(0, len(order) - BATCH + 1, BATCH):
            rows = order[first : first + BATCH]
            weights = step(weights, inputs[rows], targets[rows])
    jax.block_until_ready(weights)
    seconds = time.perf_counter() - start
    guesses = [apply_fn(weights, inputs[i : i + BATCH]).argmax(axis=1) for i in range(0, len(inputs), BATCH)]
    return seconds, float((np.concatenate(guesses) == labels).mean())


def step_of(apply_fn: Callable[..., Any]) -> Callable[..., Any]:
    """One step of gradient descent."""

    def loss(weights: Any, inputs: jax.Array, targets: jax.Array) -> jax.Array:
        return -(targets * jax.nn.log_softmax(apply_fn(weights, inputs))).sum(axis=1).mean()

    def step(weights: Any, inputs: jax.Array, targets: jax.Array) -> Any:
        gradient = jax.grad(loss)(weights, inputs, targets)
        return jax.tree_util.tree_map(lambda weight, slope: weight - RATE * slope, weights, gradient)

    return step


def gram_seconds(architecture: str, images: np.ndarray) -> float:
    """Seconds of our Gram matrix of the same items, compilation left out."""
    kernel, inputs = prepare(images, architecture, "float32")
    gram_of(kernel, inputs[: min(len(inputs), 64)])
    start = time.perf_counter()
    gram_of(kernel, inputs)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
