"""A local S3 server, from a package in an environment of its own: its requirements do not go with ours."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from ntk_labelqa.cache import cache_root
from ntk_labelqa.demo.environment import make_once
from ntk_labelqa.demo.server import free_port

PACKAGE = "moto[s3,server]==5.1.22"
LONGEST_START = 300.0
_CREDENTIAL = "Credential=test/20250101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=none"
SIGNED = {"Authorization": f"AWS4-HMAC-SHA256 {_CREDENTIAL}"}
"""Nobody checks it."""


@contextmanager
def s3_server() -> Iterator[str]:
    """The address of an empty S3 server, which takes any key."""
    port = free_port()
    command = [_program(), "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address, process)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=120)


def put(address: str, bucket: str, files: dict[str, bytes]) -> None:
    """A bucket with *files*."""
    with httpx.Client(base_url=address, headers=SIGNED) as http:
        http.put(f"/{bucket}").raise_for_status()
        for name, content in files.items():
            http.put(f"/{bucket}/{name}", content=content).raise_for_status()


def _program() -> Path:
    environment = cache_root() / PACKAGE.replace("[s3,server]", "").replace("==", "-")

    def make() -> None:
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, environment], check=True)
        python = environment / "bin" / "python"
        subprocess.run([*uv, "pip", "install", "--quiet", "--python", python, PACKAGE], check=True)

    make_once(environment, make)
    return environment / "bin" / "moto_server"


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + LONGEST_START
    while time.monotonic() < end and process.poll() is None:
        try:
            httpx.get(address, timeout=2)
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("The S3 server did not start.")
