"""The regions of files, cut out: once that is done, a region is a file like any other."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from ntk_labelqa.dataset import Control, LabeledDataset, LeftOut
from ntk_labelqa.files import clear_leftovers_in, in_words, private_folder, whole_file
from ntk_labelqa.label_types.item_type import RegionType, picture_path
from ntk_labelqa.label_types.place import UnusableRegion
from ntk_labelqa.labelstudio.media.cache import touch

CUT = 3
"""Version of how regions are cut out; those that were cut otherwise are cut anew."""
CANNOT = "region that cannot be cut out"


def cut_regions(dataset: LabeledDataset, kind: RegionType, folder: Path) -> LabeledDataset:
    """*dataset* with ``path`` naming a file for each region, in *folder*, where it named the whole.

    Regions that cannot be cut out are left out, by their reason. What is in *folder* already is not cut again.

    Raises NotWrittenError where the folder cannot be written.

    Cost: one decoding a file.
    """
    with in_words(folder):
        private_folder(folder)
    clear_leftovers_in(folder)
    control = dataset.control or Control("", "")
    wanted = [_target(folder, kind, *row) for row in dataset.items[["path", "value"]].itertuples(index=False)]
    reasons: dict[str, list[int]] = {}
    wholes = dataset.items["path"].where(dataset.items["path"] != "", dataset.items["value"].map(kind.whole))
    for source, rows in dataset.items.groupby(wholes, sort=False).indices.items():
        opened = None
        for row in rows:
            if wanted[row].exists():
                touch(wanted[row])
                touch(picture_path(wanted[row]))
                continue
            try:
                with _in_words():
                    opened = kind.opened(str(source), control) if opened is None else opened
                    region, picture = kind.cut(opened, str(dataset.items["value"].iloc[row]))
            except UnusableRegion as reason:
                reasons.setdefault(str(reason), []).append(int(row))
                continue
            if picture is not None:
                _write(picture_path(wanted[row]), picture)
            _write(wanted[row], region)
    values = [kind.completed(value, path) for value, path in zip(dataset.items["value"], wholes, strict=True)]
    cut = replace(dataset, items=dataset.items.assign(path=[str(path) for path in wanted], value=values))
    return _without(cut, reasons)


@contextmanager
def _in_words() -> Iterator[None]:
    """UnusableRegion for whatever odd places and files make of decoders."""
    try:
        yield
    except UnusableRegion:
        raise
    except Exception as error:
        raise UnusableRegion(CANNOT) from error


def _without(dataset: LabeledDataset, reasons: dict[str, list[int]]) -> LabeledDataset:
    """*dataset* without the items of *reasons*, which are named as regions of their annotations."""
    kept = np.ones(len(dataset), bool)
    gone = []
    for reason, rows in reasons.items():
        kept[rows] = False
        of_rows = dataset.annotations["item"].isin(rows)
        gone.append(LeftOut(reason, tuple(dataset.annotations.loc[of_rows, "annotation_id"].tolist()), "region"))
    return replace(dataset.without_items(~kept), left_out=(*dataset.left_out, *gone))


def _write(path: Path, content: bytes) -> None:
    with whole_file(path, private=True, among_many=True) as stream:
        stream.write(content)


def _target(folder: Path, kind: RegionType, path: str, value: str) -> Path:
    """Cached files are named by their content, others change in place: hence their time of change."""
    changed = os.stat(path).st_mtime_ns if path else 0
    about = f"{CUT}|{path}|{changed}|{value}"
    return folder / f"{hashlib.sha256(about.encode(errors='surrogatepass')).hexdigest()[:32]}{kind.suffix}"
