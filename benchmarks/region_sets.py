"""The data sets of ``regions.py``, read from ``--data-dir``; none is shipped.

========================  ============================================================================================
``bccd.zip``              ``images/*.jpg`` and ``boxes.csv`` (image, width, height, label, xmin, ymin, xmax, ymax) of
                          https://github.com/Shenggan/BCCD_Dataset
``wnut17_train.conll.gz`` token TAB tag, a blank line after each text:
                          https://github.com/leondz/emerging_entities_17
========================  ============================================================================================
"""

from __future__ import annotations

import gzip
import io
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw


@dataclass
class RegionSet:
    """Tasks with regions: *places* [R, 4] in per cent or [R, 2] in characters, *labels* and *tasks* (rows) int64[R]."""

    places: np.ndarray
    labels: np.ndarray
    tasks: np.ndarray
    class_names: list[str]
    contents: list[str]
    """A file's path or a text, one a task."""
    sizes: list[tuple[int, int]]
    """Of images: height and width."""


def load_bccd(folder: Path) -> RegionSet:
    """Blood cells. Boxes of less than 4 pixels a side, of which there are two, are left out."""
    unpacked = Path(tempfile.mkdtemp(prefix="bccd-"))
    with zipfile.ZipFile(folder / "bccd.zip") as archive:
        archive.extractall(unpacked)
    boxes = pd.read_csv(unpacked / "boxes.csv")
    boxes = boxes[(boxes.xmax - boxes.xmin >= 4) & (boxes.ymax - boxes.ymin >= 4)]
    labels, names = pd.factorize(boxes["label"], sort=True)
    tasks, images = pd.factorize(boxes["image"], sort=True)
    first = boxes.groupby("image", sort=True).first()
    sides = np.column_stack([boxes.xmax - boxes.xmin, boxes.ymax - boxes.ymin])
    scale = 100 / boxes[["width", "height"]].to_numpy()
    places = np.column_stack([boxes[["xmin", "ymin"]].to_numpy() * scale, sides * scale])
    paths = [str(unpacked / "images" / name) for name in images]
    return RegionSet(places, labels, tasks, list(names), paths, list(zip(first.height, first.width, strict=True)))


def load_wnut17(folder: Path) -> RegionSet:
    """Entities in tweets; the text is its tokens with a space between them."""
    with gzip.open(folder / "wnut17_train.conll.gz", "rt", encoding="utf-8") as lines:
        blocks = io.StringIO(lines.read())
    texts, spans, tokens = [], [], []
    for line in [*blocks, ""]:
        if line.strip():
            tokens.append(line.rstrip("\n").split("\t"))
        elif tokens:
            spans += [(len(texts), *span) for span in _spans(tokens)]
            texts.append(" ".join(token for token, _ in tokens))
            tokens = []
    table = pd.DataFrame(spans, columns=["task", "start", "end", "label"])
    labels, names = pd.factorize(table["label"], sort=True)
    places = table[["start", "end"]].to_numpy(np.int64)
    return RegionSet(places, labels, table["task"].to_numpy(np.int64), list(names), texts, [])


def _spans(tokens: list[list[str]]) -> list[tuple[int, int, str]]:
    """Start, end and label of the entities, in characters."""
    found: list[list] = []
    at = 0
    inside = ""
    for token, tag in tokens:
        kind = tag[2:]
        if tag.startswith("B-") or (kind and kind != inside):
            found.append([at, at + len(token), kind])
        elif kind:
            found[-1][1] = at + len(token)
        inside = kind
        at += len(token) + 1
    return [tuple(each) for each in found]


def synthetic(folder: Path, count: int, seed: int = 0, boxes: int = 20) -> RegionSet:
    """*count* photos of 640 by 480 with *boxes* discs, squares and bars each, on a mottled ground."""
    rng = np.random.default_rng(seed)
    places, labels, paths = [], [], []
    for task in range(count):
        ground = rng.integers(90, 150, (15, 20, 3)).astype(np.uint8)
        image = Image.fromarray(ground).resize((640, 480), Image.Resampling.BICUBIC)
        draw = ImageDraw.Draw(image)
        for cell in rng.permutation(30)[:boxes]:
            kind = int(rng.integers(3))
            wide, high = np.array([(60, 60), (45, 45), (80, 30)][kind]) * rng.uniform(0.8, 1.2)
            x, y = 106 * (cell % 6) + rng.uniform(0, 20), 96 * (cell // 6) + rng.uniform(0, 20)
            frame, colour = (x, y, x + wide, y + high), tuple(rng.integers([180, 20, 20][kind], 240, 3).tolist())
            (draw.ellipse if kind == 0 else draw.rectangle)(frame, fill=colour)
            places.append((x / 6.4, y / 4.8, wide / 6.4, high / 4.8))
            labels.append(kind)
        paths.append(str(folder / f"{task}.jpg"))
        image.save(paths[-1], quality=90)
    tasks = np.repeat(np.arange(count), boxes)
    return RegionSet(np.array(places), np.array(labels), tasks, ["disc", "square", "bar"], paths, [(480, 640)] * count)
