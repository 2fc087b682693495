"""Whole audits of ever more items: time and memory of each stage, and how right the findings are.

    python -m benchmarks.any_size
    python -m benchmarks.any_size --items 500000 1000000 --width 256 --classes 20
    python -m benchmarks.any_size --items 60000 --width 64 --classes 1000

Needs no data: the items are Gaussian clouds, a twentieth of the labels is wrong. Each size runs in a process of its own
with default options, from features in a file that is mapped into memory. Prints seconds and seconds of a processor, the
peak of memory beside what the plan said, the average precision of the wrong labels, and for the last size what the
exact kernel makes of a sample of the same items.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score

from ntk_labelqa.audit_folder import Audit
from ntk_labelqa.auditing import audit_fitted
from ntk_labelqa.dataset import from_arrays
from ntk_labelqa.diagnostics.audit_plan import plan_audit
from ntk_labelqa.diagnostics.fitted_kernel import FittedKernel, fit_kernel
from ntk_labelqa.label_model.annotations import Annotations
from ntk_labelqa.memory import in_units
from ntk_labelqa.options import AuditOptions
from ntk_labelqa.progress import Stages

SIZES = (125_000, 250_000, 500_000, 1_000_000)
SPREAD, WRONG, EXACT = 0.22, 0.05, 10_000
CHUNK = 50_000


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, nargs="+", default=SIZES)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--landmarks", default="auto")
    parser.add_argument("--folder", type=Path, help="for the features; by default a temporary one")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    landmarks = asked.landmarks if asked.landmarks in ("auto", "all") else int(asked.landmarks)
    if asked.one:
        print(json.dumps(one(Path(asked.one[0]), int(asked.one[1]), landmarks)))
        return
    print("| items | s | s of a processor | peak | planned | AP | flagged, of them wrong | ridge | slowest stages |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        for items in asked.items:
            make(Path(folder), items, asked.width, asked.classes)
            for count in (items, EXACT) if items == asked.items[-1] else (items,):
                how = "all" if count < items else asked.landmarks
                command = [sys.executable, "-m", __spec__.name, "--one", folder, str(count), "--landmarks", how]
                found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
                print(f"| {count:,}{' (exact)' if count < items else ''} | {found['row']} |", flush=True)


def make(folder: Path, items: int, width: int, classes: int) -> None:
    """Features and labels in *folder*."""
    random = np.random.default_rng(5)
    centres = (random.normal(size=(classes, width)) * SPREAD * (256 / width) ** 0.5).astype(np.float32)
    codes = random.integers(0, classes, items)
    features = np.lib.format.open_memmap(folder / "features.npy", "w+", np.float32, (items, width))
    for start in range(0, items, CHUNK):
        some = codes[start : start + CHUNK]
        features[start : start + CHUNK] = centres[some] + random.normal(size=(len(some), width)).astype(np.float32)
    features.flush()
    wrong = random.random(items) < WRONG
    given = np.where(wrong, (codes + random.integers(1, classes, items)) % classes, codes)
    np.savez(folder / "labels.npz", given=given, wrong=wrong)


def made(folder: Path, items: int | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The first *items* of :func:`make`, or all: features, mapped into memory, labels, and which of them are wrong."""
    features = np.load(folder / "features.npy", mmap_mode="r")[:items]
    with np.load(folder / "labels.npz") as kept:
        return features, kept["given"][:items], kept["wrong"][:items]


def audited(
    features: np.ndarray, given: np.ndarray, options: AuditOptions, stages: Stages
) -> tuple[FittedKernel, Audit]:
    """A whole audit from arrays to findings, without looking for kept factors."""
    dataset = from_arrays(given)
    numbers = np.ones(features.shape[1], bool) if features.ndim == 2 else None
    fitted = fit_kernel(features, Annotations.of_dataset(dataset).mean_rows(), options, numbers=numbers, stages=stages)
    return fitted, audit_fitted(fitted, dataset, options, encoder="precomputed", stages=stages)


def one(folder: Path, items: int, landmarks: int | str) -> dict[str, str]:
    """Audit the first *items*."""
    features, given, wrong = made(folder, items)
    options, stages = AuditOptions(landmarks=landmarks), Stages(quiet=True)
    plan = plan_audit(features, given.max() + 1, len(given), landmarks=landmarks).largest()
    start, spent = time.perf_counter(), time.process_time()
    fitted, audit = audited(features, given, options, stages)
    seconds, spent = time.perf_counter() - start, time.process_time() - spent
    flagged = audit.findings["is_label_issue"].to_numpy()
    precision = average_precision_score(wrong, audit.findings["error_probability"])
    slowest = sorted(stages.seconds.items(), key=lambda stage: -stage[1])[:4]
    figures = (
        f"{seconds:.0f}",
        f"{spent:.0f}",
        in_units(1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss),
        in_units(plan.memory),
        f"{precision:.4f}",
        f"{flagged.sum():,}, {(flagged & wrong).sum():,}",
        f"{fitted.inverse.ridge:.3g}",
        ", ".join(f"{name} {value:.0f} s" for name, value in slowest),
    )
    return {"row": " | ".join(figures)}


if __name__ == "__main__":
    main()
