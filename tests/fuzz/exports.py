"""Files that are said to be exports: of every form, spelling and packing."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

from ntk_labelqa.labelstudio.reading.export_file import read_export
from tests.fuzz.odd import as_json, damaged, mutated
from tests.fuzz.runs import seeded
from tests.fuzz.samples import DATA, samples, tasks_of


class File(NamedTuple):
    """An export's bytes, and the labelling config that goes along; None to infer it."""

    content: bytes
    config: str | None
    control: str | None


class Exports:
    """Bytes, as :func:`~ntk_labelqa.labelstudio.reading.export_file.read_export` takes them from the disk."""

    together = 1

    def __init__(self, folder: Path) -> None:
        self.folder, self.samples = folder, samples()

    def make(self, seed: int) -> File:
        rng = seeded("exports", seed)
        sample = rng.choice(self.samples)
        content = _form(tasks_of(sample), rng)
        if rng.random() < 0.2:
            content = damaged(content, rng)
        content = _packed(content, rng)
        given = rng.random() < 0.3
        return File(content, sample.config if given else None, sample.control if given else None)

    def read(self, some: list[File]) -> str:
        [made] = some
        path, config = self.folder / "export.json", self.folder / "config.xml"
        path.write_bytes(made.content)
        if made.config is not None:
            config.write_text(made.config, encoding="utf-8")
        read_export(path, label_config=None if made.config is None else config, control=made.control)
        return "read"


def _form(tasks: list[dict[str, Any]], rng: random.Random) -> bytes:
    """*tasks* as one of the forms that Label Studio writes, with odd values."""
    form = rng.randrange(14)
    if form == 0:  # JSON_MIN
        return as_json(mutated([{**DATA, "id": 1, "annotation_id": 2, "annotator": 1, "choice": "a"}], rng), rng)
    if form == 1:  # CSV
        return _csv(rng)
    if form == 2:  # JSON lines
        lines = [json.dumps(mutated(task, rng, most=2)) for task in tasks for _ in range(2)]
        return rng.choice(["\n", "\r\n", "\n\n"]).join(lines).encode()
    if form == 3:  # a target storage
        annotation = tasks[0]["annotations"][0]
        stored: Any = {**annotation, "task": {key: value for key, value in tasks[0].items() if key != "annotations"}}
        return as_json(mutated([stored, stored] if rng.random() < 0.5 else stored, rng), rng)
    if form == 4:  # an answer of the API
        return as_json(mutated({"tasks": tasks, "total": len(tasks)}, rng), rng)
    if form == 5:  # of old versions
        renamed = [{**task, "completions": task["annotations"]} for task in tasks]
        return as_json(mutated([{k: v for k, v in one.items() if k != "annotations"} for one in renamed], rng), rng)
    return as_json(mutated(tasks, rng, most=rng.choice([1, 1, 2, 3, 10])), rng)


def _csv(rng: random.Random) -> bytes:
    written = io.StringIO()
    writer = csv.writer(written, delimiter=rng.choice(",\t;"))
    rows = mutated([["id", "text", "choice"], [1, "some", "a"], [2, "more", "b"]], rng)
    for row in rows if isinstance(rows, list) else [rows]:
        writer.writerow(row if isinstance(row, list) else [row])
    return written.getvalue().encode("utf-8", "surrogatepass")


def _packed(content: bytes, rng: random.Random) -> bytes:
    kind = rng.random()
    if kind < 0.9:
        return content
    if kind < 0.95:
        packed = gzip.compress(content, 1, mtime=0)
    else:
        written = io.BytesIO()
        with zipfile.ZipFile(written, "w", rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
            for name in rng.choice([["a.json"], ["a.json", "b.json"], ["a/b.jsonl", "c.txt"], ["\u202ea.json"]]):
                archive.writestr(zipfile.ZipInfo(name), content)
        packed = written.getvalue()
    return damaged(packed, rng) if rng.random() < 0.5 else packed
