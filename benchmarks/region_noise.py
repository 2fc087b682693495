"""Wrong regions planted into right ones, for ``regions.py``: 5 % of each kind, no region in two.

=============  =======================================================================================================
``swapped``    the region's class becomes any other
``missing``    the region is deleted
``shifted``    a box is moved by half its width or height; one end of a span is moved by a token
``spurious``   a place where no region is becomes one: of the size and class of another region, overlapping none by
               more than a tenth; of texts, as many tokens anywhere that no span touches
=============  =======================================================================================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
from region_sets import RegionSet

from ntk_labelqa.encoders.places import overlaps

KINDS = ("swapped", "missing", "shifted", "spurious")
TRIES = 500


@dataclass
class Planted:
    """The set with errors.

    Attributes:
        given: what people are taken to have drawn.
        kind: of each of its regions, str[R]; empty = right.
        right: the class of each, int64[R]; −1 where nothing is.
        missing: rows of the right set that were deleted.
        moved: rows of the right set that were moved.
    """

    given: RegionSet
    kind: np.ndarray
    right: np.ndarray
    missing: np.ndarray
    moved: np.ndarray


def planted(right: RegionSet, share: float, seed: int, kinds: tuple[str, ...] = KINDS) -> Planted:
    """*right* with *share* of its regions changed, of each of *kinds*."""
    rng = np.random.default_rng(seed)
    count, total = round(share * len(right.places)), len(right.places)
    order = rng.permutation(total)
    kind = np.full(total, "", object)
    for number, name in enumerate(KINDS[:3]):
        if name in kinds:
            kind[order[number * count : (number + 1) * count]] = name
    places, labels = right.places.copy(), right.labels.copy()
    swapped = np.flatnonzero(kind == "swapped")
    labels[swapped] = (labels[swapped] + rng.integers(1, len(right.class_names), len(swapped))) % len(right.class_names)
    for row in np.flatnonzero(kind == "shifted"):
        text = right.contents[right.tasks[row]] if not right.sizes else ""
        moved = _moved_span(text, places[row], rng) if text else _moved_box(places[row], rng)
        if moved is None:
            kind[row] = ""
        else:
            places[row] = moved
    added = [_nowhere(right, rng) for _ in range(count if "spurious" in kinds else 0)]
    kept = kind != "missing"
    given = replace(
        right,
        places=np.concatenate([places[kept], [place for _, place, _ in added]]) if added else places[kept],
        labels=np.concatenate([labels[kept], [label for *_, label in added]]).astype(np.int64),
        tasks=np.concatenate([right.tasks[kept], [task for task, *_ in added]]).astype(np.int64),
    )
    return Planted(
        given=given,
        kind=np.concatenate([kind[kept], np.full(len(added), "spurious", object)]),
        right=np.concatenate([right.labels[kept], np.full(len(added), -1)]).astype(np.int64),
        missing=np.flatnonzero(~kept),
        moved=np.flatnonzero(kind == "shifted"),
    )


def _moved_box(box: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    for direction in rng.permutation(4):
        axis, sign = direction % 2, 1 if direction < 2 else -1
        moved = box.copy()
        moved[axis] += sign * 0.5 * box[2 + axis]
        if moved[axis] >= 0 and moved[axis] + moved[2 + axis] <= 100:
            return moved
    return None


def _moved_span(text: str, span: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    tokens = _tokens(text)
    first = next((at for at, (_, end) in enumerate(tokens) if end > span[0]), None)
    last = next((at for at, (_, end) in enumerate(tokens) if end >= span[1]), None)
    if first is None or last is None:
        return None
    options = [(first - 1, last), (first, last + 1), (first + 1, last), (first, last - 1)]
    usable = [(a, b) for a, b in options if 0 <= a <= b < len(tokens)]
    if not usable:
        return None
    a, b = usable[rng.integers(len(usable))]
    return np.array([tokens[a][0], tokens[b][1]])


def _nowhere(right: RegionSet, rng: np.random.Generator) -> tuple[int, np.ndarray, int]:
    """Task, place and class of a region that nothing is in."""
    for _ in range(TRIES):
        task, like = int(rng.integers(len(right.contents))), int(rng.integers(len(right.places)))
        drawn = right.places[right.tasks == task]
        if right.sizes:
            sides = right.places[like, 2:]
            place, most = np.concatenate([rng.random(2) * (100 - sides), sides]), 0.1
        else:
            tokens = _tokens(right.contents[task])
            length = len(_tokens(right.contents[right.tasks[like]][slice(*right.places[like])]))
            if length > len(tokens):
                continue
            first = int(rng.integers(len(tokens) - length + 1))
            place, most = np.array([tokens[first][0], tokens[first + length - 1][1]]), 0.0
        if overlaps(place[None], drawn).max(initial=0.0) <= most:
            return task, place, int(right.labels[like])
    raise RuntimeError("no place without a region was found")


def _tokens(text: str) -> list[tuple[int, int]]:
    return [found.span() for found in re.finditer(r"\S+", text)]
