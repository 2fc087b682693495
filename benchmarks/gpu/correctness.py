"""Figures of the device beside those of the processor in float64, on inputs that are new in each run."""

from __future__ import annotations

import secrets
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.gpu.common import asked_of_child, head, options, row, said

ALLOWED = {
    "kernel": {"float32": 1e-5, "float64": 1e-11},
    "exact": {"float32": 1e-4, "float64": 1e-8},
    "landmarks": {"float32": 1e-3, "float64": 1e-7},
    "probability": {"float32": 1e-5, "float64": 1e-5},
}
"""Differences from the processor's float64, relative to the largest entry of kernel values; probabilities are compared
with the processor's in the same precision."""
EVEN = 0.5
"""The probability from which on a label is flagged."""


def main() -> None:
    """Print a row a comparison; status 1 where one does not hold."""
    asked = options(__doc__)
    seed, small = secrets.randbelow(2**31), ["--small"] * asked.small
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{name}.npz" for name in ("processor", "device")]
        common = ("--seed", seed, *small, "--to")
        with ThreadPoolExecutor() as both:  # neither is timed
            cpu = both.submit(asked_of_child, "answers", *common, files[0], JAX_PLATFORMS="cpu")
            gpu = both.submit(asked_of_child, "answers", *common, files[1], *["--accelerator"] * asked.small)
            processor, device = cpu.result()["device"], gpu.result()["device"]
        exact, found = (dict(np.load(file).items()) for file in files)
    said(f"{device} beside {processor}; seed {seed}. Among the inputs of kernels are exact, near and opposite twins.")
    head("what", "largest difference", "allowed", "holds")
    holds = [compared(name, found, exact) for name in found if not name.startswith("flag")]
    sys.exit(0 if all(holds) else 1)


def compared(name: str, found: dict[str, np.ndarray], exact: dict[str, np.ndarray]) -> bool:
    """Print the row of one array."""
    kind, *_, precision = name.split("/")
    reference = exact[name] if kind == "probability" else exact[name.replace("float32", "float64")]
    unit = np.abs(reference).max() if kind == "kernel" else 1.0
    difference = float(np.abs(found[name].astype(np.float64) - reference).max() / unit)
    allowed = ALLOWED[kind][precision]
    holds, text = difference <= allowed, f"{difference:.2g}"
    if kind == "probability":
        flags = [answers[f"flag/{precision}"] for answers in (found, exact)]
        differ = flags[0] != flags[1]
        apart = differ & (np.abs(reference - EVEN) > allowed)
        holds &= not apart.any()
        text += f"; {flags[0].sum():,} flagged, {differ.sum()} otherwise than on the processor, {apart.sum()} no ties"
    row(", ".join(name.split("/")), text, f"{allowed:g}", "yes" if holds else "**no**")
    return bool(holds)


if __name__ == "__main__":
    main()
