"""Photos embedded by a process that is killed at three points: what of the work is done twice, and at what rate.

    python benchmarks/embedding_resume.py --data-dir FOLDER --model PATH --items 20000

FOLDER has ``cifar10.npz`` (see ``image_sets.py``), PATH is an ONNX model of pictures with its settings. Prints how
often each photo went through the model, how many a second, and how long a second pass takes, which embeds none.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from image_sets import load
from PIL import Image

from ntk_labelqa.cache import VARIABLE
from ntk_labelqa.contents import file_digest
from ntk_labelqa.encoders.encoder import EncodeBatch
from ntk_labelqa.encoders.model_folder import open_model
from ntk_labelqa.encoders.pretrained import BATCH, as_picture, embed

KILLED_AT = (0.2, 0.5, 0.8)
"""Shares of the photos after which the process is killed."""


class Logging:
    """A model that notes how many inputs each call had."""

    def __init__(self, path: Path, log: Path) -> None:
        self.model, self.log = open_model(path), log
        self.kinds, self.identity = self.model.kinds, self.model.identity

    def load(self) -> EncodeBatch:
        """The model's own, noted."""
        encode = self.model.load()

        def noted(batch: Sequence[Any]) -> np.ndarray:
            with open(self.log, "a") as log:
                log.writelines(f"{hash(picture.tobytes())}\n" for picture in batch)
            return encode(batch)

        return noted


def embedded(folder: Path, model: Path, log: Path) -> None:
    """One pass over the photos of *folder*."""
    paths = [str(path) for path in sorted(folder.glob("*.png"))]
    embed(Logging(model, log), [file_digest(path) for path in paths], paths, as_picture)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--items", type=int, default=20_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as kept:
        folder, log = Path(kept, "photos"), Path(kept, "log")
        folder.mkdir()
        photos, _ = load("cifar10", given.data_dir, given.items)
        for number, photo in enumerate(photos):
            Image.fromarray(np.rint(photo * 255).astype(np.uint8)).save(folder / f"{number:06d}.png")
        again = [sys.executable, __file__, "--pass", str(folder), str(given.model), str(log)]
        environment = {**os.environ, VARIABLE: str(Path(kept, "cache")), "PYTHONHASHSEED": "0"}
        start = time.perf_counter()
        for share in KILLED_AT:
            process = subprocess.Popen(again, env=environment)
            while _lines(log) < share * len(photos):
                time.sleep(0.05)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            print(f"killed after {_lines(log):,} embeddings", flush=True)
        subprocess.run(again, env=environment, check=True)
        seconds = time.perf_counter() - start
        times = Counter(log.read_text().split())
        twice = sum(times.values()) - len(times)
        print(f"{len(times):,} different photos, embedded {sum(times.values()):,} times in {seconds:,.0f} s")
        print(f"twice: {twice}, at most {len(KILLED_AT)} batches of {BATCH}")
        start = time.perf_counter()
        subprocess.run(again, env=environment, check=True)
        print(f"a second pass: {_lines(log) - sum(times.values())} embeddings, {time.perf_counter() - start:.1f} s")


def _lines(log: Path) -> int:
    return log.read_bytes().count(b"\n") if log.is_file() else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--pass"]:
        embedded(*map(Path, sys.argv[2:5]))
    else:
        main()
