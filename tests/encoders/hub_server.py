"""As much of the Hugging Face Hub as its own library asks for, on this machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """Repositories by name, each its files by path; and the addresses that were asked for."""

    address: str
    repositories: dict[str, dict[str, bytes]]
    asked: list[str] = field(default_factory=list)


@contextmanager
def hub_with(repositories: dict[str, dict[str, bytes]]) -> Iterator[Hub]:
    """A Hub of *repositories*, each with one commit, :data:`COMMIT`; every file is one of its large-file storage."""
    hub = Hub("", repositories)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            hub.asked.append(f"{self.command} {self.path}")
            _, *parts = self.path.partition("?")[0].split("/")
            if parts[:2] == ["api", "models"]:
                return self.answer_about("/".join(parts[2:4]))
            repository, path = "/".join(parts[:2]), "/".join(parts[4:])
            content = hub.repositories.get(repository, {}).get(path)
            if content is None:
                return self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})
            digest = hashlib.sha256(content).hexdigest()
            about = {"ETag": f'"{digest}"', "X-Repo-Commit": COMMIT, "X-Linked-Size": str(len(content))}
            if asked := self.headers.get("Range"):
                start = int(asked.removeprefix("bytes=").partition("-")[0])
                about["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
                return self.answer(206, content[start:], about)
            return self.answer(200, content, about)

        def answer_about(self, repository: str) -> None:
            if repository not in hub.repositories:
                return self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})
            files = [
                {
                    "rfilename": path,
                    "size": len(content),
                    "lfs": {"size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "pointerSize": 1},
                }
                for path, content in hub.repositories[repository].items()
            ]
            about = {"id": repository, "sha": COMMIT, "siblings": files, "private": False, "tags": [], "downloads": 0}
            return self.answer(200, json.dumps(about).encode(), {"Content-Type": "application/json"})

        def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
