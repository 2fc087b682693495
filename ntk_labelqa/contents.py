"""Hashes of what items show, so that exact copies are recognised under any name."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from ntk_labelqa.dataset import LabeledDataset


def contents(dataset: LabeledDataset) -> np.ndarray:
    """A hash of each item's content, str[N]: equal for exact copies, empty for plain features.

    Of images and what else was fetched the file's bytes, of texts and spans the text, of table rows the task data, of
    time series that lie in the task data their values. Cost: every file is read once.

    Raises OSError where a file that was fetched is gone.
    """
    items = dataset.items
    if "path" in items:
        digests = {path: file_digest(path) for path in items["path"].unique() if path}
        found = items["path"].map(digests).to_numpy(object)
        for row in np.flatnonzero(items["path"] == ""):
            found[row] = _of(items["value"].iloc[row].encode())
        return found
    if dataset.kind in ("text", "span"):
        return items["value"].map(lambda text: _of(text.encode(errors="surrogatepass"))).to_numpy(object)
    if dataset.kind == "row" and "data" in items:
        rows = (json.dumps(row, sort_keys=True, default=str) for row in items["data"])
        return np.array([_of(row.encode()) for row in rows], object)
    return np.full(len(items), "", object)


def file_digest(path: str) -> str:
    """The hash of a file's bytes, as :func:`contents` gives it. Raises OSError where there is none."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()[:32]


def _of(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
