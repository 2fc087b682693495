"""The files of a data set, fetched to disk: from Label Studio, from hosts the user allowed, from data URIs and files.

The key goes to the Label Studio server alone. Images and other files that cannot be had are left out by reason; too
many of them stop the run.
"""

from __future__ import annotations

import base64
import os
import re
import urllib.parse
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pandas as pd

from ntk_labelqa.cache import cache_root
from ntk_labelqa.dataset import LabeledDataset, LeftOut
from ntk_labelqa.errors import InvalidInputError, LabelQAError
from ntk_labelqa.label_types.item_type import ItemType, RegionType
from ntk_labelqa.label_types.registry import item_type_of
from ntk_labelqa.labelstudio.media.cache import MediaCache
from ntk_labelqa.labelstudio.media.check import Check, check_for, ignoring_bombs
from ntk_labelqa.labelstudio.media.download import CLOUDS, Downloader, UnusableFile, What
from ntk_labelqa.labelstudio.media.regions import cut_regions

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio

THREADS = 4

_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
"""Of Windows, where a path begins."""

Tick = Callable[[int, int], None]


def fetch_media(
    dataset: LabeledDataset,
    *,
    client: LabelStudio | None = None,
    project_id: int | None = None,
    root: Path | None = None,
    allowed_hosts: Collection[str] = (),
    cache_dir: Path | None = None,
    max_failed: float = 0.05,
    progress: Tick | None = None,
) -> LabeledDataset:
    """*dataset* with a ``path`` for each item's image or other file, without the items whose file is unusable.

    Args:
        dataset: items whose ``value`` is an address: of the server, ``data:``, http(s), or a path below *root*;
            where they are regions, their files are fetched once each, and the regions cut out. A time series that
            lies in the task data itself needs no file; its path is empty.
        client: for addresses on the Label Studio server, and for those in storages that it reads.
        project_id: whose storages these are; None takes the project that the data set was pulled from.
        root: folder that paths in an export start from, and that addresses of the server and of storages are looked up
            in first; nothing outside it is read.
        allowed_hosts: hosts besides the server that files may come from, ``name`` or ``name:port``.
        cache_dir: where fetched files are kept; None takes the user's cache.
        max_failed: largest share of unusable files with which the result is still of use.
        progress: called with (files done, files).

    Raises:
        InvalidInputError: more than *max_failed* of the files are unusable; says why. Or the library is missing that
            reads them; nothing is fetched then.
        LabelStudioError: the server took the key away meanwhile.
        LabelQAError: the cache cannot be written.

    Cost: Label Studio's development server gives about 50 small files a second, however many are asked for at a time.
    What is cached is asked for again, at little less cost, to hear whether it changed: not if it was within the last
    ten minutes, and uploads never change. Every file is read once, to see whether it can be.
    """
    check = check_for(dataset)
    cache = MediaCache(cache_dir or cache_root() / "media")
    cache.make_room()
    kind = item_type_of(dataset)
    values = [kind.address(value) for value in dataset.items["value"]]
    wholes_of = [kind.whole(value) if isinstance(kind, RegionType) else value for value in dataset.items["value"]]
    inline = [not address and bool(whole) for address, whole in zip(values, wholes_of, strict=True)]
    fetched = [value for value, lies_in_task in zip(values, inline, strict=True) if not lies_in_task]
    wholes = _addresses_of_wholes(dataset, kind)
    unique = list(dict.fromkeys([*fetched, *wholes])) if kind.is_region else fetched  # a file has several regions
    project = dataset.provenance.project_id if project_id is None else project_id
    what: What = kind.noun
    with Downloader(client, allowed_hosts, project, what) as downloader:
        files = dict(zip(unique, _all(_Fetcher(cache, downloader, root, check), unique, progress), strict=True))
    results = [None if lies_in_task else files[value] for value, lies_in_task in zip(values, inline, strict=True)]
    reasons: dict[str, list[int]] = defaultdict(list)
    for row, result in enumerate(results):
        if isinstance(result, str):
            reasons[result].append(row)
    _refuse_too_many(dataset, what, reasons, max_failed)
    usable = np.array([not isinstance(result, str) for result in results])
    items = dataset.items.assign(path=[str(result) if isinstance(result, Path) else "" for result in results])
    kept = replace(dataset, items=items).keep_items(usable, f"unusable {what}")
    task_ids = dataset.items["task_id"].to_numpy()
    named = tuple(LeftOut(reason, tuple(task_ids[rows].tolist())) for reason, rows in sorted(reasons.items()))
    found = replace(kept, left_out=(*dataset.left_out, *named), wholes=_with_paths(dataset.wholes, wholes, files))
    if not isinstance(kind, RegionType) or not kind.suffix:
        return found
    return cut_regions(found, kind, (cache_dir or cache_root() / "media") / "regions")


def _addresses_of_wholes(dataset: LabeledDataset, kind: ItemType) -> list[str]:
    """The files of what spurious and missing regions are looked for in, a row of ``wholes`` each."""
    if dataset.wholes is None or not isinstance(kind, RegionType) or not kind.scanned:
        return []
    return [kind.address(value) for value in dataset.wholes["value"]]


def _with_paths(
    wholes: pd.DataFrame | None, addresses: Sequence[str], files: Mapping[str, Path | str]
) -> pd.DataFrame | None:
    if wholes is None or not addresses:
        return wholes
    found = [files[address] for address in addresses]
    usable = [isinstance(path, Path) for path in found]
    return wholes.assign(path=list(map(str, found)))[usable].reset_index(drop=True)


def _all(fetcher: _Fetcher, values: Sequence[str], progress: Tick | None) -> list[Path | str]:
    """Each value's file, or the reason why there is none."""

    def fetch(value: str) -> Path | str:
        try:
            return fetcher.fetch(value)
        except UnusableFile as reason:
            return str(reason)
        except LabelQAError:  # of no single file: the cache cannot be written, the key was taken away
            raise
        except Exception as error:  # noqa: BLE001 - whatever odd addresses and files cause costs their own item alone
            return f"{fetcher.what} that cannot be read ({type(error).__name__})"

    results: list[Path | str] = []
    pool = ThreadPoolExecutor(THREADS)
    try:
        with ignoring_bombs():  # once and not a thread: filters of warnings are the process's
            for result in pool.map(fetch, values):
                results.append(result)
                if progress:
                    progress(len(results), len(values))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # Ctrl-C: neither the rest nor what hangs is waited for
    return results


def _refuse_too_many(dataset: LabeledDataset, what: What, reasons: dict[str, list[int]], max_failed: float) -> None:
    failed = sum(len(rows) for rows in reasons.values())
    if failed <= max_failed * len(dataset):
        return
    task_ids = dataset.items["task_id"].to_numpy()
    shown = "; ".join(
        f"{reason} ({len(rows)}, for example task {task_ids[rows[0]]})"
        for reason, rows in sorted(reasons.items(), key=lambda entry: -len(entry[1]))[:5]
    )
    raise InvalidInputError(
        f"{failed} of {len(dataset)} {what}s cannot be used: {shown}.",
        why=f"That is more than the {max_failed:.0%} with which an audit still says something.",
        remedy="Correct the addresses, give features that you computed with --features, or raise --max-unreadable.",
    )


class _Fetcher:
    """Gets the file of one address at a time; safe to call from several threads."""

    def __init__(self, cache: MediaCache, downloader: Downloader, root: Path | None, check: Check) -> None:
        self.cache, self.downloader, self.check = cache, downloader, check
        self.root = Path(os.path.realpath(root)) if root else None
        self.what = downloader.what

    def fetch(self, value: str) -> Path:
        """The file at *value*; raises UnusableFile."""
        if not value:
            raise UnusableFile(f"task without {'an image' if self.what == 'image' else 'a file'} address")
        if value.startswith("data:"):
            return self._checked(self.cache.store(value, self._from_data_uri(value)))
        try:
            path = self._below_root(value)
            if path is None:
                path = self._download(self.downloader.address_of(value))
        except (httpx.InvalidURL, ValueError) as error:
            raise UnusableFile(f"{self.what} address that is none") from error
        return self._checked(path)

    def _checked(self, path: Path) -> Path:
        self.check(path)
        return path

    def _download(self, address: str) -> Path:
        known = self.cache.look_up(address)
        is_upload = "/data/upload/" in address and self.downloader.is_inside(address)
        if known and (is_upload or known.is_fresh):  # uploads get a new name whenever they change
            self.downloader.refuse_disallowed(address)
            return self.cache.path_of(known.digest)
        answer = self.downloader.get(address, known)
        if known and answer.unchanged:
            return self.cache.confirm(address, known)
        return self.cache.store(address, answer.content, etag=answer.etag, last_modified=answer.last_modified)

    def _from_data_uri(self, value: str) -> bytes:
        head, _, body = value.partition(",")
        try:
            content = urllib.parse.unquote_to_bytes(body)
            if head.endswith(";base64"):
                content = base64.b64decode(b"".join(content.split()), validate=True)
        except ValueError as error:  # binascii.Error and UnicodeEncodeError are
            raise UnusableFile("data URI that cannot be decoded") from error
        self.downloader.refuse_large(len(content))
        return content

    def _below_root(self, value: str) -> Path | None:
        """The file below the root that *value* names, as a path, a path of a storage, or an address of the server.

        None where there is none, and it may be had elsewhere; raises UnusableFile where it cannot.
        """
        if self.root is None:
            return None
        # Path.resolve raises on links that lead in a circle; of other Python versions, it does not.
        paths = [Path(os.path.realpath(self.root / name)) for name in names_below(value)]
        inside = [path for path in paths if path.is_relative_to(self.root)]
        try:
            path = next((path for path in inside if path.is_file()), None)
        except OSError:  # a name can be too long to be one
            path = None
        is_path = urllib.parse.urlsplit(value).scheme in ("", "file") or _DRIVE.match(value)
        if path is None and is_path and not self.downloader.client:
            missing = "image file missing" if self.what == "image" else "file missing"
            raise UnusableFile(missing if inside else f"{self.what} path outside the folder of the export")
        if path is not None:
            self.downloader.refuse_large(path.stat().st_size)
        return path


def names_below(value: str) -> list[str]:
    """Where below a folder of media the file at *value* may be: its path, in every way that it is written.

    Example:
        >>> names_below("/data/local-files/?d=cats%5Ca.png")
        ['/data/local-files/?d=cats%5Ca.png', 'cats/a.png']
        >>> names_below("s3://bucket/cats/a.png")
        ['bucket/cats/a.png', 'cats/a.png']
        >>> names_below("https://studio.example/data/upload/3/a.png")
        ['upload/3/a.png']
        >>> names_below("https://elsewhere.example/a.png")
        []
    """
    if _DRIVE.match(value):
        return [value[3:].replace("\\", "/")]
    parts = urllib.parse.urlsplit(value)
    if parts.scheme in CLOUDS:
        key = parts.path.lstrip("/")
        return [f"{parts.netloc}/{key}", key]
    served = urllib.parse.parse_qs(parts.query).get("d")
    if served is None:
        path = urllib.parse.unquote(parts.path)
        below = path.partition("/data/")[2] if "/data/" in path else ""
        served = [below or path]
        if parts.scheme not in ("", "file") and not below:
            return []
    names = [served[0].replace("\\", "/"), served[0].replace("\\", "/").lstrip("/")]
    # First as it stands, for names that only look encoded.
    as_it_stands = [value] if not parts.scheme else []
    return list(dict.fromkeys([*as_it_stands, *names]))
