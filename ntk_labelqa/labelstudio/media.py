"""The images of a data set, fetched to disk: from Label Studio, from hosts the user allowed, from data URIs and files.

The key goes to the Label Studio server alone. Images that cannot be had are left out by reason; too many of them stop
the run.
"""

from __future__ import annotations

import base64
import binascii
import urllib.parse
import warnings
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import numpy as np

from ntk_labelqa.cache import cache_root
from ntk_labelqa.dataset import LabeledDataset, LeftOut
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.images import decoded, opened
from ntk_labelqa.labelstudio.crops import cut_regions
from ntk_labelqa.labelstudio.media_cache import MediaCache
from ntk_labelqa.labelstudio.media_download import MOST_BYTES, Downloader, UnusableImage
from ntk_labelqa.labelstudio.regions import split_crop

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio

MOST_PIXELS = 100_000_000
THREADS = 4

Tick = Callable[[int, int], None]


def fetch_media(
    dataset: LabeledDataset,
    *,
    client: LabelStudio | None = None,
    root: Path | None = None,
    allowed_hosts: Collection[str] = (),
    cache_dir: Path | None = None,
    max_failed: float = 0.05,
    progress: Tick | None = None,
) -> LabeledDataset:
    """*dataset* with a ``path`` for each item's image, without the items whose image is unusable.

    Args:
        dataset: items whose ``value`` is an address: of the server, ``data:``, http(s), or a path below *root*;
            where they are crops, their images are fetched once each, and the crops cut out.
        client: for addresses on the Label Studio server.
        root: folder that paths in an export start from; nothing outside it is read.
        allowed_hosts: hosts besides the server that images may come from, ``name`` or ``name:port``.
        cache_dir: where fetched images are kept; None takes the user's cache.
        max_failed: largest share of unusable images with which the result is still of use.
        progress: called with (images done, images).

    Raises:
        InvalidInputError: more than *max_failed* of the images are unusable; says why.
        LabelStudioError: the server took the key away meanwhile.
        LabelQAError: the cache cannot be written.

    Cost: Label Studio's development server gives about 50 images a second, however many are asked for at a time. What
    is cached is asked for again, at little less cost, to hear whether it changed; uploads never change.
    """
    cache = MediaCache(cache_dir or cache_root() / "media")
    crops = dataset.kind == "crop"
    values = [split_crop(value)[0] if crops else value for value in dataset.items["value"]]
    unique = list(dict.fromkeys(values)) if crops else values  # an image has several regions
    with Downloader(client, allowed_hosts) as downloader:
        files = dict(zip(unique, _all(_Fetcher(cache, downloader, root), unique, progress), strict=True))
    results = [files[value] for value in values]
    reasons: dict[str, list[int]] = defaultdict(list)
    for row, result in enumerate(results):
        if isinstance(result, str):
            reasons[result].append(row)
    _refuse_too_many(dataset, reasons, max_failed)
    usable = np.array([isinstance(result, Path) for result in results])
    items = dataset.items.assign(path=[str(result) if isinstance(result, Path) else "" for result in results])
    kept = replace(dataset, items=items).keep_items(usable, "unusable image")
    task_ids = dataset.items["task_id"].to_numpy()
    named = tuple(LeftOut(reason, tuple(task_ids[rows].tolist())) for reason, rows in sorted(reasons.items()))
    found = replace(kept, left_out=(*dataset.left_out, *named))
    return cut_regions(found, (cache_dir or cache_root() / "media") / "crops") if crops else found


def _all(fetcher: _Fetcher, values: Sequence[str], progress: Tick | None) -> list[Path | str]:
    """Each value's file, or the reason why there is none."""

    def fetch(value: str) -> Path | str:
        try:
            return fetcher.fetch(value)
        except UnusableImage as reason:
            return str(reason)

    from PIL import Image

    results: list[Path | str] = []
    # Our own limit on pixels is stricter. Filters of warnings are the process's, so they are set once and not a thread.
    ignoring = warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning)
    with ignoring, ThreadPoolExecutor(THREADS) as pool:
        try:
            for result in pool.map(fetch, values):
                results.append(result)
                if progress:
                    progress(len(results), len(values))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # Ctrl-C: do not fetch the rest first
            raise
    return results


def _refuse_too_many(dataset: LabeledDataset, reasons: dict[str, list[int]], max_failed: float) -> None:
    failed = sum(len(rows) for rows in reasons.values())
    if failed <= max_failed * len(dataset):
        return
    task_ids = dataset.items["task_id"].to_numpy()
    shown = "; ".join(
        f"{reason} ({len(rows)}, for example task {task_ids[rows[0]]})"
        for reason, rows in sorted(reasons.items(), key=lambda entry: -len(entry[1]))[:5]
    )
    raise InvalidInputError(
        f"{failed} of {len(dataset)} images cannot be used: {shown}.",
        why=f"That is more than the {max_failed:.0%} with which an audit still says something.",
        remedy="Mend the addresses, or raise --max-unreadable.",
    )


class _Fetcher:
    """Gets the file of one address at a time; safe to call from several threads."""

    def __init__(self, cache: MediaCache, downloader: Downloader, root: Path | None) -> None:
        self.cache, self.downloader = cache, downloader
        self.root = root.resolve() if root else None

    def fetch(self, value: str) -> Path:
        """The file with the image at *value*; raises UnusableImage."""
        if not value:
            raise UnusableImage("task without an image address")
        if value.startswith("data:"):
            return _checked(self.cache.store(value, _from_data_uri(value)))
        try:
            address = self.downloader.address_of(value)
            path = self._download(address) if address else self._local(value)
        except (httpx.InvalidURL, ValueError) as error:
            raise UnusableImage("image address that is none") from error
        return _checked(path)

    def _download(self, address: str) -> Path:
        known = self.cache.look_up(address)
        is_upload = "/data/upload/" in address and self.downloader.is_inside(address)
        if known and is_upload:  # uploads get a new name whenever they change
            return self.cache.path_of(known.digest)
        answer = self.downloader.get(address, known)
        if known and answer.unchanged:
            return self.cache.path_of(known.digest)
        return self.cache.store(address, answer.content, etag=answer.etag, last_modified=answer.last_modified)

    def _local(self, value: str) -> Path:
        """A file below the root, by its path or by the address that Label Studio had for it."""
        parts = urllib.parse.urlsplit(value)
        if parts.scheme not in ("", "file"):
            raise UnusableImage(f"image in a storage that is not read: {parts.scheme}://")
        if self.root is None:
            raise UnusableImage("image address without a server or a folder it could belong to")
        served = urllib.parse.parse_qs(parts.query).get("d", [urllib.parse.unquote(parts.path).removeprefix("/data/")])
        # First as it stands, for names that only look encoded; then as a path within the folder.
        paths = [(self.root / name).resolve() for name in (value, *served, served[0].lstrip("/"))]
        inside = [path for path in paths if path.is_relative_to(self.root)]
        if not inside:
            raise UnusableImage("image path outside the folder of the export")
        try:
            path = next(path for path in inside if path.is_file())
        except (StopIteration, OSError) as error:  # a name can be too long to be one
            raise UnusableImage("image file missing") from error
        if path.stat().st_size > MOST_BYTES:
            raise UnusableImage(f"image larger than {MOST_BYTES // 2**20} MiB")
        return path


def _checked(path: Path) -> Path:
    """*path*, if it holds an image that can be decoded."""
    from PIL import Image

    try:
        with opened(path) as image:
            if image.width * image.height > MOST_PIXELS:
                raise Image.DecompressionBombError
        decoded(path)
    except Image.DecompressionBombError as error:
        raise UnusableImage(f"image of more than {MOST_PIXELS // 10**6} megapixels") from error
    except Exception as error:  # Pillow's many decoders let whatever damaged files cause through
        raise UnusableImage("unreadable image") from error
    return path


def _from_data_uri(value: str) -> bytes:
    head, _, body = value.partition(",")
    content = urllib.parse.unquote_to_bytes(body)
    if head.endswith(";base64"):
        try:
            content = base64.b64decode(b"".join(content.split()), validate=True)
        except binascii.Error as error:
            raise UnusableImage("data URI that cannot be decoded") from error
    if len(content) > MOST_BYTES:
        raise UnusableImage(f"image larger than {MOST_BYTES // 2**20} MiB")
    return content
