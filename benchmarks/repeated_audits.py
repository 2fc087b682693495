"""Resident memory of one process that audits again and again, as a server does::

    python benchmarks/repeated_audits.py
    python benchmarks/repeated_audits.py --audits 100 --items 60 --arch linear --growing --most 1.05

Each audit is the whole command, from an export of short texts to the folder with its report. With ``--growing`` each
export has one text more than the one before, as a project that people work on has. With ``--most`` it ends with 1 where
the memory goes further.
"""

from __future__ import annotations

import argparse
import gc
import io
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import psutil

WORDS = {
    "sport": "goal match team season coach player league score win cup".split(),  # noqa: SIM905
    "space": "orbit rocket moon launch probe planet crew lunar comet star".split(),  # noqa: SIM905
    "cars": "engine brake wheel gear clutch diesel tyre hood motor seat".split(),  # noqa: SIM905
}
WRONG = 0.1
WARM = 10
"""Audits after which all that is loaded once has been loaded."""


def main() -> None:
    """Print the memory after every tenth audit, and how far it went beyond what it was after the tenth."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audits", type=int, default=100)
    parser.add_argument("--items", type=int, default=300)
    parser.add_argument("--arch", default="2-L")
    parser.add_argument("--growing", action="store_true")
    parser.add_argument("--most", type=float, default=float("inf"))
    asked = parser.parse_args()
    memory = []
    for size in resident(asked.audits, asked.items, asked.arch, growing=asked.growing):
        memory.append(size)
        if len(memory) % 10 == 0:
            print(f"after {len(memory):>3} audits: {size / 2**20:.0f} MiB", flush=True)
    print(f"most from the {WARM}th audit on: {growth(memory):.3f} of what it was after the {WARM}th")
    raise SystemExit(growth(memory) > asked.most)


def growth(memory: list[int]) -> float:
    """The most memory from the :data:`WARM` th audit on, as a share of what it was after that."""
    return max(memory[WARM - 1 :]) / memory[WARM - 1]


def resident(audits: int, items: int, architecture: str, *, growing: bool) -> Iterator[int]:
    """Bytes in memory after each audit."""
    from ntk_labelqa.cache import VARIABLE
    from ntk_labelqa.cli.entry import run

    with tempfile.TemporaryDirectory() as name:
        os.environ[VARIABLE] = str(Path(name, "cache"))
        source, folder = Path(name, "export.json"), Path(name, "audit")
        for number in range(audits):
            source.write_text(json.dumps(export(items + number * growing, seed=number)))
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as said:
                code = run(["audit", str(source), "--out", str(folder), "--overwrite", "--arch", architecture])
            if code:
                raise SystemExit(said.getvalue())
            gc.collect()
            yield psutil.Process().memory_info().rss


def export(items: int, *, seed: int) -> list[dict[str, object]]:
    """Texts of six words of a topic, of which :data:`WRONG` are labelled as another."""
    random, topics = np.random.default_rng(seed), list(WORDS)
    tasks: list[dict[str, object]] = []
    for number in range(items):
        topic = topics[number % len(topics)]
        text = " ".join(random.choice(WORDS[topic], 6))
        label = random.choice([one for one in topics if one != topic]) if random.random() < WRONG else topic
        result = {"from_name": "topic", "to_name": "text", "type": "choices", "value": {"choices": [str(label)]}}
        annotation = {"id": number + 1, "completed_by": 1, "was_cancelled": False, "result": [result]}
        tasks.append({"id": number + 1, "data": {"text": text}, "annotations": [annotation]})
    return tasks


if __name__ == "__main__":
    main()
