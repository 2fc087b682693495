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

import numpy as np

from ntk_labelqa.cache import cache_root
from ntk_labelqa.dataset import LabeledDataset, LeftOut
from ntk_labelqa.errors import InvalidInputError
from ntk_labelqa.labelstudio.connect import server_url
from ntk_labelqa.labelstudio.media_cache import Entry, MediaCache

if TYPE_CHECKING:
    import httpx
    from label_studio_sdk.client import LabelStudio

MOST_BYTES = 50 * 2**20
MOST_PIXELS = 100_000_000
THREADS = 4
TIMEOUT = 60.0

Tick = Callable[[int, int], None]


class UnusableImage(Exception):
    """Why an image is left out, in words: no fault of the program, hence no LabelQAError."""


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
        dataset: items whose ``value`` is an address: of the server, ``data:``, http(s), or a path below *root*.
        client: for addresses on the Label Studio server.
        root: folder that paths in an export start from; nothing outside it is read.
        allowed_hosts: hosts besides the server that images may come from.
        cache_dir: where fetched images are kept; None takes the user's cache.
        max_failed: largest share of unusable images with which the result is still of use.
        progress: called with (images done, images).

    Raises:
        InvalidInputError: more than *max_failed* of the images are unusable; says why.
    """
    cache = MediaCache(cache_dir or cache_root() / "media")
    values = dataset.items["value"].tolist()
    with _Fetcher(cache, client, root, frozenset(allowed_hosts)) as fetcher:
        results = _all(fetcher, values, progress)
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
    return replace(kept, left_out=(*dataset.left_out, *named))


def _all(fetcher: _Fetcher, values: Sequence[str], progress: Tick | None) -> list[Path | str]:
    """Each value's file, or the reason why there is none."""

    def fetch(value: str) -> Path | str:
        try:
            return fetcher.fetch(value)
        except UnusableImage as reason:
            return str(reason)

    results: list[Path | str] = []
    with ThreadPoolExecutor(THREADS) as pool:
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
    """Fetches one address at a time; safe to call from several threads."""

    def __init__(
        self, cache: MediaCache, client: LabelStudio | None, root: Path | None, allowed_hosts: frozenset[str]
    ) -> None:
        import httpx

        self.cache, self.client, self.root = cache, client, root
        self.server = server_url(client) if client else ""
        self.allowed_hosts = allowed_hosts
        # Redirects pass the hook too: an allowed host cannot lead to one that is not.
        self.outside = httpx.Client(
            follow_redirects=True, timeout=TIMEOUT, event_hooks={"request": [self._check_allowed]}
        )

    def __enter__(self) -> _Fetcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.outside.close()

    def fetch(self, value: str) -> Path:
        """The file with the image at *value*; raises UnusableImage."""
        if value.startswith("data:"):
            return self._checked(self.cache.store(value, _from_data_uri(value)))
        address = urllib.parse.urljoin(self.server + "/", value) if self.server else value
        parts = urllib.parse.urlsplit(address)
        if self.server and address.startswith(self.server + "/"):
            return self._checked(self._download(address, inside=True))
        if parts.scheme in ("http", "https"):
            return self._checked(self._download(address, inside=False))
        return self._checked(self._local(value))

    def _download(self, address: str, *, inside: bool) -> Path:
        import httpx

        known = self.cache.look_up(address)
        if known and "/data/upload/" in address:  # uploads get a new name whenever they change
            return self.cache.path_of(known.digest)
        try:
            response = self._get(address, known, inside=inside)
        except httpx.HTTPError as error:
            raise UnusableImage(f"image not fetched: {type(error).__name__}") from error
        if response.status_code == 304 and known:
            return self.cache.path_of(known.digest)
        if response.status_code != 200:
            raise UnusableImage(f"image not fetched: status {response.status_code}")
        return self.cache.store(
            address,
            response.content,
            etag=response.headers.get("etag", ""),
            last_modified=response.headers.get("last-modified", ""),
        )

    def _get(self, address: str, known: Entry | None, *, inside: bool) -> httpx.Response:
        import httpx

        headers = {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified} if known else {}
        headers = {name: value for name, value in headers.items() if value}
        http = self.outside
        if inside and self.client:
            wrapper = self.client._client_wrapper
            headers |= {"Authorization": wrapper.get_headers()["Authorization"]}
            http = wrapper.httpx_client.httpx_client
        with http.stream("GET", address, headers=headers) as response:
            size, chunks = 0, []
            for chunk in response.iter_bytes():
                size += len(chunk)
                if size > MOST_BYTES:
                    raise UnusableImage(f"image larger than {MOST_BYTES // 2**20} MiB")
                chunks.append(chunk)
        whole = {key: value for key, value in response.headers.items() if key != "content-encoding"}
        return httpx.Response(response.status_code, headers=whole, content=b"".join(chunks))

    def _check_allowed(self, request: httpx.Request) -> None:
        if request.url.host not in self.allowed_hosts:
            raise UnusableImage(f"image on a host that is not allowed: --allow-host {request.url.host}")

    def _local(self, value: str) -> Path:
        """A path below the root; Label Studio's own addresses keep their path below its data folder."""
        if self.root is None:
            raise UnusableImage("image address without a server or a folder it could belong to")
        parts = urllib.parse.urlsplit(value)
        local_file = urllib.parse.parse_qs(parts.query).get("d")
        relative = local_file[0] if local_file else urllib.parse.unquote(parts.path).removeprefix("/data/")
        root = self.root.resolve()
        path = (root / relative.lstrip("/")).resolve()
        if not path.is_relative_to(root):
            raise UnusableImage("image path outside the folder of the export")
        if not path.is_file():
            raise UnusableImage("image file missing")
        if path.stat().st_size > MOST_BYTES:
            raise UnusableImage(f"image larger than {MOST_BYTES // 2**20} MiB")
        return path

    def _checked(self, path: Path) -> Path:
        """*path*, if it holds an image that can be decoded."""
        from PIL import Image

        try:
            with (
                warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning),
                Image.open(path) as image,
            ):
                if image.width * image.height > MOST_PIXELS:
                    raise UnusableImage(f"image of more than {MOST_PIXELS // 10**6} megapixels")
                image.load()
        except Image.DecompressionBombError as error:
            raise UnusableImage(f"image of more than {MOST_PIXELS // 10**6} megapixels") from error
        except (OSError, SyntaxError, ValueError) as error:  # what Pillow's decoders raise for damaged files
            raise UnusableImage("unreadable image") from error
        return path


def _from_data_uri(value: str) -> bytes:
    head, _, body = value.partition(",")
    try:
        content = (
            base64.b64decode(body, validate=True) if head.endswith(";base64") else urllib.parse.unquote_to_bytes(body)
        )
    except (binascii.Error, ValueError) as error:
        raise UnusableImage("data URI that cannot be decoded") from error
    if len(content) > MOST_BYTES:
        raise UnusableImage(f"image larger than {MOST_BYTES // 2**20} MiB")
    return content
