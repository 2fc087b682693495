"""What this package answers on one device, in a file, for :mod:`benchmarks.gpu.correctness` to compare.

python -m benchmarks.gpu.answers --seed 1 --to FILE.npz [--small] [--accelerator]
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.any_size import audited
from benchmarks.gpu.common import as_an_accelerator
from ntk_labelqa.gram.dense import DenseInverse
from ntk_labelqa.gram.inverse import leave_one_out
from ntk_labelqa.gram.matrix import gram_of, prepare
from ntk_labelqa.gram.nystrom import nystrom_inverse
from ntk_labelqa.kernels.architectures import NAMES
from ntk_labelqa.options import AuditOptions
from ntk_labelqa.progress import Stages
from ntk_labelqa.runtime import device

PRECISIONS = ("float32", "float64")
RIDGE, WRONG = 0.1, 0.1


@dataclass(frozen=True)
class Sizes:
    """What is computed: kernels of *names*, of so many rows or images; and audits of so many items."""

    names: tuple[str, ...] = NAMES
    rows: int = 600
    images: int = 24
    items: int = 4000
    landmarks: int = 500


SMALL = Sizes(names=("2-L", "CNN-1"), rows=60, images=6, items=200, landmarks=40)


def main() -> None:
    """Write the file, and print the device."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--accelerator", action="store_true", help="take whatever device there is for an accelerator")
    asked = parser.parse_args()
    as_an_accelerator(asked.accelerator)
    random, sizes = np.random.default_rng(asked.seed), SMALL if asked.small else Sizes()
    found = {
        **kernel_values(random, sizes),
        **left_out(random, sizes),
        **findings(random, sizes),
    }
    np.savez(asked.to, **found)
    print(json.dumps({"device": device()}))


def with_twins(rows: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """*rows*, of which the second half are copies of the first: exact, opposite, and ever nearer ones."""
    half = len(rows) // 2
    distance = 10.0 ** -random.uniform(1, 9, half)
    distance[:2] = 0
    noise = random.normal(size=rows[:half].shape)
    twins = rows[:half] + noise * distance.reshape(-1, *[1] * (rows.ndim - 1))
    twins[1] = -rows[1]
    return np.concatenate([rows[:half], twins])


def kernel_values(random: np.random.Generator, sizes: Sizes) -> dict[str, np.ndarray]:
    """H of each architecture in both precisions, of the same inputs."""
    flat = with_twins(random.normal(size=(sizes.rows, 100)), random).astype(np.float32)
    pictures = with_twins(random.normal(size=(sizes.images, 10, 10)), random).astype(np.float32)
    found = {}
    for name in sizes.names:
        for precision in PRECISIONS:
            kernel, inputs = prepare(pictures if "CNN" in name else flat, name, precision)
            found[f"kernel/{name}/{precision}"] = gram_of(kernel, inputs)
    return found


def clouds(random: np.random.Generator, items: int, width: int = 64, classes: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Features and labels, a tenth of them wrong."""
    codes = random.integers(0, classes, items)
    features = random.normal(size=(classes, width))[codes] * 0.4 + random.normal(size=(items, width))
    wrong = random.random(items) < WRONG
    return features.astype(np.float32), np.where(wrong, (codes + random.integers(1, classes, items)) % classes, codes)


def left_out(random: np.random.Generator, sizes: Sizes) -> dict[str, np.ndarray]:
    """Leave-one-out predictions by the exact inverse and by landmarks, in both precisions of the kernel."""
    features, labels = clouds(random, sizes.items // 2)
    given, found = np.eye(labels.max() + 1)[labels], {}
    for precision in PRECISIONS:
        kernel, inputs = prepare(features, "2-L", precision)
        exact = DenseInverse(gram_of(kernel, inputs), ridge=RIDGE)
        few = nystrom_inverse(kernel, inputs, landmarks=sizes.landmarks, ridge=RIDGE, sampling="uniform")
        found |= {
            f"exact/{precision}": leave_one_out(exact, given),
            f"landmarks/{precision}": leave_one_out(few, given),
        }
    return found


def findings(random: np.random.Generator, sizes: Sizes) -> dict[str, np.ndarray]:
    """Probabilities and flags of an audit, in both precisions of the kernel."""
    features, labels = clouds(random, sizes.items)
    found = {}
    for precision in PRECISIONS:
        options = AuditOptions(architecture="2-L", preparation="none", landmarks=sizes.landmarks, dtype=precision)
        table = audited(features, labels, options, Stages(quiet=True))[1].findings
        found[f"probability/{precision}"] = table["error_probability"].to_numpy()
        found[f"flag/{precision}"] = table["is_label_issue"].to_numpy()
    return found


if __name__ == "__main__":
    main()
