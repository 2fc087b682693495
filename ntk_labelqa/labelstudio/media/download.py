"""Files over http(s): the key goes to the Label Studio server alone, and there to where it serves files.

Other hosts are asked only where allowed.
"""

from __future__ import annotations

import base64
import posixpath
import re
import time
import urllib.parse
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Literal

import httpx

from ntk_labelqa.labelstudio.answers import BoundedClient, RefusedAnswer
from ntk_labelqa.labelstudio.connect import server_url, translating_errors
from ntk_labelqa.labelstudio.media.cache import Entry

if TYPE_CHECKING:
    from label_studio_sdk.client import LabelStudio

MOST_BYTES = 50 * 2**20
"""Of an image."""
MOST_BYTES_OF_FILE = 250 * 2**20
"""Of a sound, a video, or another file; a few at a time are held in memory."""
TIMEOUT = httpx.Timeout(60.0, connect=10.0)
HEAD_SECONDS = 90.0
"""For the head of one file's answer, from connecting on."""
BODY_SECONDS = 300.0
"""For the body: 250 MiB at a megabyte a second."""
TRIES, PAUSE_SECONDS = 3, 0.2
GIVE_UP = 9
"""Failed tries in a row after which a host is not asked again: 10,000 files must not each wait for a time-out."""
PASSING = frozenset({429, 500, 502, 503, 504})
"""Statuses that may be gone at the next try; SQLite behind Label Studio answers 500 while it is locked."""
REDIRECTS = 5
CLOUDS = ("s3", "s3s", "gs", "gcs", "azure-blob", "azure_spi", "wasbs", "wasb", "dbfs")
"""Schemes of storages, which the Label Studio server reads for those who have a key of its own."""

SERVING = re.compile(r"(data|storage-data/uploaded|(tasks|projects)/\d+/(?P<signing>resolve|presign))/")
"""Where Label Studio serves files to those who have a key, below its own address. To ask there changes nothing."""
OPEN = re.compile(r"(static|samples)/")
"""Where it serves files to everybody."""
NEVER = re.compile(r"(api|api-auth|logout|user|admin|django-rq|trigger500)(/|$)|$", re.IGNORECASE)
"""What serves no files, and may change something; and where nobody knows what is asked for."""
_STEP_UP = re.compile(r"\.{1,2}(;.*)?")
"""A part of a path that some server or other takes for a step up the tree."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DECODED_AT_MOST = 5

What = Literal["image", "file"]


class UnusableFile(Exception):
    """Why a file is left out, in words: no fault of the program, hence no LabelQAError."""


@dataclass(frozen=True)
class Answer:
    """What a server gave: status, body, and the headers by which it can be asked for changes."""

    status: int
    content: bytes
    etag: str
    last_modified: str
    location: str

    @property
    def unchanged(self) -> bool:
        """Whether what is cached is still what the server has."""
        return self.status == 304


class Downloader:
    """Fetches one address at a time; safe to call from several threads.

    Args:
        client: of the Label Studio server; None where there is none.
        allowed_hosts: other hosts, ``name`` or ``name:port``.
        project_id: whose storages the server is asked to read.
        what: is fetched, as reasons call it.
    """

    def __init__(
        self,
        client: LabelStudio | None,
        allowed_hosts: Collection[str],
        project_id: int | None = None,
        what: What = "image",
    ) -> None:
        self.client, self.project_id, self.what = client, project_id, what
        self.server = httpx.URL(server_url(client)) if client else None
        self.allowed = frozenset(host.lower() for host in allowed_hosts)
        self.failures: Counter[str] = Counter()
        # A session cookie is as good as the key, and cookie jars do not tell ports apart: none are kept.
        self.http = BoundedClient(
            head_seconds=HEAD_SECONDS,
            body_seconds=BODY_SECONDS,
            timeout=TIMEOUT,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            headers={"Accept-Encoding": "identity"},  # images are packed already
        )

    def __enter__(self) -> Downloader:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def address_of(self, value: str) -> str:
        """The address that *value* of a task means; raises UnusableFile where it does not lead to a server."""
        scheme = urllib.parse.urlsplit(value).scheme
        if scheme in ("http", "https"):
            return value
        if scheme in CLOUDS:
            if self.server is None or self.project_id is None:
                raise UnusableFile(
                    f"{self.what} in a storage, {scheme}://, that the Label Studio server alone reads: name its "
                    "--project, or give --features"
                )
            # Base64, as the labelling page asks for it.
            asked = base64.urlsafe_b64encode(value.encode()).decode()
            return self._origin(f"/projects/{self.project_id}/resolve/?fileuri={asked}")
        if scheme:
            raise UnusableFile(f"{self.what} in a storage that is not read, {scheme}://: give --features")
        if self.server is None:
            raise UnusableFile(f"{self.what} address without a server or a folder it could belong to")
        if value.startswith("//"):
            return f"{self.server.scheme}:{value}"
        return self._origin(value if value.startswith("/") else f"/{value}")

    def _origin(self, path: str) -> str:
        """*path* on the server. Behind a sub-path, some releases write that into the task data and some do not."""
        assert self.server is not None
        base = self.server.path.rstrip("/")
        origin = str(self.server.copy_with(path="/")).rstrip("/")
        return origin + (path if path.startswith(f"{base}/") else base + path)

    def is_inside(self, address: str | httpx.URL) -> bool:
        """Whether *address* is one of the Label Studio server's own."""
        if self.server is None:
            return False
        url = httpx.URL(address)
        same = (url.scheme, url.host, url.port) == (self.server.scheme, self.server.host, self.server.port)
        return same and f"{posixpath.normpath(url.path)}/".startswith(f"{self.server.path.rstrip('/')}/")

    def _page(self, url: httpx.URL) -> str:
        """The path of *url* below the Label Studio server's own; empty where servers could disagree on where it leads.

        Whatever stands in front of Label Studio may decode a path once more than it does.
        """
        assert self.server is not None
        path = url.raw_path.decode("ascii").partition("?")[0]
        for _ in range(_DECODED_AT_MOST):
            path = urllib.parse.unquote(path)
        parts = path.replace("\\", "/").split("/")
        if urllib.parse.unquote(path) != path or any(map(_STEP_UP.fullmatch, parts)) or _CONTROL.search(path):
            return ""
        return path.removeprefix(f"{self.server.path.rstrip('/')}/")

    def get(self, address: str, known: Entry | None = None) -> Answer:
        """The file at *address*, or the answer that it is still as *known*; raises UnusableFile."""
        conditions = {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified} if known else {}
        conditions = {name: value for name, value in conditions.items() if _can_be_sent(value)}
        url = httpx.URL(address)
        # Redirects are followed by hand: each of their addresses has to be allowed, and may or may not see the key.
        for _ in range(REDIRECTS + 1):
            answer = self._tried(url, conditions | self._credentials(url))
            if not (answer.location and 300 <= answer.status < 400):
                break
            served = SERVING.match(self._page(url)) if self.is_inside(url) else None
            at_storage = bool(served and served["signing"])
            url = url.join(answer.location)
            if at_storage and not self.is_inside(url):
                # An address that the server signed, of one file in a storage of its own. No key goes there.
                answer = self._tried(url, conditions)
                break
        if answer.status == 200 or (answer.unchanged and known):
            return answer
        raise UnusableFile(f"{self.what} not fetched: status {answer.status}")

    def refuse_large(self, size: int) -> None:
        """Raise UnusableFile where *size*, bytes, is more than is taken."""
        most = MOST_BYTES if self.what == "image" else MOST_BYTES_OF_FILE
        if size > most:
            raise UnusableFile(f"{self.what} larger than {most // 2**20} MiB")

    def refuse_disallowed(self, address: str) -> None:
        """Raise UnusableFile where :meth:`get` would not ask at *address*."""
        self._takes_key(httpx.URL(address))

    def _credentials(self, url: httpx.URL) -> dict[str, str]:
        """The header that lets us in; empty where none is needed. Raises UnusableFile where nothing may be asked."""
        if not self._takes_key(url):
            return {}
        assert self.client is not None
        with translating_errors("Renewing the access token"):
            return {"Authorization": self.client._client_wrapper.get_headers()["Authorization"]}

    def _takes_key(self, url: httpx.URL) -> bool:
        """Whether the key goes to *url*, and not to hosts that the user allowed. Raises UnusableFile for all others."""
        if url.userinfo:
            raise UnusableFile(f"{self.what} address with a login in it")
        refused = f"on a host that is not allowed: --allow-host {url.host}"
        if self.client and self.is_inside(url):
            page = self._page(url)
            if SERVING.match(page):
                return True
            if OPEN.match(page):
                return False
            if NEVER.match(page):
                raise UnusableFile(f"{self.what} at a page of Label Studio that serves none")
            refused = f"where Label Studio serves none: --allow-host {url.host} fetches it without the key"
        if url.scheme not in ("http", "https") or not {url.host, f"{url.host}:{url.port}"} & self.allowed:
            raise UnusableFile(f"{self.what} {refused}")
        return False

    def _tried(self, url: httpx.URL, headers: dict[str, str]) -> Answer:
        """The answer at *url*, if need be at a second or third try."""
        problem = ""
        for attempt in range(TRIES):
            if self.failures[url.host] >= GIVE_UP:
                raise UnusableFile(f"{self.what} not fetched: {url.host} does not answer")
            time.sleep(PAUSE_SECONDS * attempt)
            try:
                answer = self._once(url, headers)
            except RefusedAnswer as refused:
                raise UnusableFile(f"{self.what} not fetched: {refused}") from refused
            except httpx.HTTPError as error:
                self.failures[url.host] += 1
                problem = type(error).__name__
                continue
            self.failures[url.host] = 0
            if answer.status not in PASSING:
                return answer
            problem = f"status {answer.status}"
        raise UnusableFile(f"{self.what} not fetched: {problem}")

    def _once(self, url: httpx.URL, headers: dict[str, str]) -> Answer:
        with self.http.stream("GET", url, headers=headers) as response:
            size, chunks = 0, []
            for chunk in response.iter_bytes():
                size += len(chunk)
                self.refuse_large(size)
                chunks.append(chunk)
        found = (response.headers.get(name, "") for name in ("etag", "last-modified", "location"))
        return Answer(response.status_code, b"".join(chunks), *found)


def _can_be_sent(header: str) -> bool:
    """Whether a request can carry what an answer had in a *header*: an ETag, for example, may have any letters."""
    return bool(header) and header.isascii() and header.isprintable()
