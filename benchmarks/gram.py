"""Our Gram matrix beside neural-tangents used plainly: time, peak memory and error, in one run.

Each way runs in a process of its own, one after the other, so that its peak memory is its own::

    python benchmarks/gram.py                     # five architectures: docs/explanation/benchmarks/gram.md
    python benchmarks/gram.py --arch 2-L --items 4000 --runs 5
    python benchmarks/gram.py --device gpu        # on jax's default accelerator

Inputs are noise; the convolutional ones 28 by 28 images. Nothing has to be downloaded.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

ITEMS = {"2-L": 4000, "10-L": 4000, "CNN-1": 300, "CNN-2": 200, "CNN-3": 40}
BATCH = {"2-L": 1000, "10-L": 1000, "CNN-1": 20, "CNN-2": 20, "CNN-3": 4}
WAYS = ("ours", "eager kernel_fn", "jit(kernel_fn)", "nt.batch")
MEBIBYTE = 2**20


def main() -> None:
    """Print a table an architecture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arch", choices=ITEMS, action="append")
    parser.add_argument("--items", type=int)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.way:
        print(json.dumps(measure(asked.way, asked.arch[0], asked.items, asked.runs, np.dtype(asked.dtype))))
        return
    for architecture in asked.arch or ITEMS:
        compare(architecture, asked.items or ITEMS[architecture], asked)


def compare(architecture: str, items: int, asked: argparse.Namespace) -> None:
    """One table: every way in a child process."""
    print(f"{architecture}, {items} items, {asked.dtype}, {asked.device}, median of {asked.runs}", flush=True)
    ours: dict[str, float] = {}
    for way in WAYS:
        result = in_child(way, architecture, items, asked)
        ours = ours or result
        print(
            f"  {way:<16} {result['seconds']:8.3f} s  {result['seconds'] / ours['seconds']:6.2f} times ours"
            f"  {result['peak'] / MEBIBYTE:7.0f} MiB beside the result",
            flush=True,
        )


def in_child(way: str, architecture: str, items: int, asked: argparse.Namespace) -> dict[str, float]:
    """:func:`measure` in a process of its own."""
    words = ["--way", way, "--arch", architecture, "--items", items, "--runs", asked.runs, "--dtype", asked.dtype]
    platform = {"JAX_PLATFORMS": "cpu"} if asked.device == "cpu" else {}
    child = subprocess.run(
        [sys.executable, __file__, *map(str, words)],
        check=True,
        stdout=subprocess.PIPE,
        env=os.environ | platform,
    )
    return json.loads(child.stdout)


def measure(way: str, architecture: str, items: int, runs: int, dtype: np.dtype) -> dict[str, float]:
    """Median seconds of *runs* calls after one that compiles, and the peak memory of all beside the result."""
    features = np.random.default_rng(0).normal(size=(items, 28, 28) if "CNN" in architecture else (items, 784))
    make = {"ours": ours}.get(way, theirs)
    # A few items first: what importing and compiling load is in nobody's peak.
    make(way, architecture, features[: BATCH[architecture]].astype(dtype))()
    call = make(way, architecture, features.astype(dtype))
    before = resident()
    size = call().nbytes
    times = [seconds(call) for _ in range(runs)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before - size
    return {"seconds": statistics.median(times), "peak": max(peak, 0)}


def ours(_way: str, architecture: str, features: np.ndarray) -> Callable[[], np.ndarray]:
    """The call of this package, its preparation of the inputs included."""
    from ntk_labelqa import gram_matrix

    return lambda: gram_matrix(features, architecture=architecture, dtype=features.dtype)


def theirs(way: str, architecture: str, features: np.ndarray) -> Callable[[], np.ndarray]:
    """A call of neural-tangents, on inputs scaled beforehand."""
    import jax

    from ntk_labelqa.gram.matrix import prepare
    from ntk_labelqa.kernels import neural_tangents_compat as compat

    jax.config.update("jax_enable_x64", features.dtype == np.float64)
    inputs = prepare(features, architecture, features.dtype)[1]
    if inputs.ndim == 2:
        inputs = inputs * np.sqrt(inputs.shape[1]).astype(inputs.dtype)
    kernel_fn = network(compat.stax(), architecture)[2]
    if way == "eager kernel_fn":
        return lambda: np.asarray(kernel_fn(inputs, None, "ntk"))
    if way == "jit(kernel_fn)":
        jitted = jax.jit(lambda rows: kernel_fn(rows, None, "ntk"))
        return lambda: np.asarray(jitted(inputs))
    batched = compat.batch()(kernel_fn, batch_size=BATCH[architecture], device_count=0)
    return lambda: np.asarray(batched(inputs, None, "ntk"))


def network(stax: Any, architecture: str, width: int = 1, outputs: int = 1) -> tuple[Callable[..., Any], ...]:
    """The architecture as a user of stax would write it: (init_fn, apply_fn, kernel_fn)."""
    from ntk_labelqa.kernels.architectures import CONVOLUTIONAL, DENSE

    options = {"W_std": 2**0.5, "b_std": None}
    if architecture in DENSE:
        layers = [
            layer for _ in range(DENSE[architecture] - 1) for layer in (stax.Dense(width, **options), stax.Relu())
        ]
        return stax.serial(*layers, stax.Dense(outputs, **options))
    strides, pooled = CONVOLUTIONAL[architecture]
    layers = [
        layer
        for stride in strides
        for layer in (stax.Conv(width, (3, 3), (stride, stride), "SAME", **options), stax.Relu())
    ]
    return stax.serial(*layers, stax.GlobalAvgPool() if pooled else stax.Flatten(), stax.Dense(outputs, **options))


def resident() -> int:
    """Bytes of memory that this process holds now."""
    import psutil

    return psutil.Process().memory_info().rss


def seconds(call: Callable[[], object]) -> float:
    """How long *call* takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
