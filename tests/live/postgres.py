"""An empty PostgreSQL database for Label Studio, from Debian's package ``postgresql``, for as long as a test runs.

PostgreSQL does not run as root: then it runs as ``nobody``, who owns its folder.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ntk_labelqa.demo.server import GUARD, free_port

DEBIAN = "/usr/lib/postgresql"
"""Where Debian keeps the programs of each release, off the path."""
OTHER_USER = "nobody"
LONGEST_START = 60.0


def programs() -> Path | None:
    """The folder of ``initdb``, ``postgres`` and ``pg_ctl``; None where PostgreSQL's server is not installed."""
    on_the_path = shutil.which("initdb")
    found = [Path(on_the_path).resolve()] if on_the_path else sorted(Path(DEBIAN).glob("*/bin/initdb"))
    return found[-1].parent if found else None


@contextmanager
def postgres(folder_of_programs: Path) -> Iterator[dict[str, str]]:
    """The variables by which Label Studio finds an empty database, on 127.0.0.1; gone without a trace at the end."""
    home = Path(tempfile.mkdtemp(prefix="ntk-labelqa-postgres-"))
    password, port, data = secrets.token_hex(16), free_port(), home / "data"
    secret = home / "password"
    secret.write_text(password)
    if os.geteuid() == 0:
        for path in (home, secret):
            shutil.chown(path, OTHER_USER)
    initdb = [folder_of_programs / "initdb", "--auth=scram-sha-256", "--username=postgres", "--encoding=UTF8"]
    server: subprocess.Popen[bytes] | None = None
    try:
        _run([*initdb, "--no-locale", f"--pwfile={secret}", f"--pgdata={data}"])
        options = ["-D", data, "-p", port, "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        with (home / "log").open("wb") as log:
            server = subprocess.Popen(
                [sys.executable, GUARD, home, *_as_other_user(), folder_of_programs / "postgres", *map(str, options)],
                stdin=subprocess.PIPE,  # the guard ends the server when this closes, also if we are killed
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        _wait_until_up(
            server, [folder_of_programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)], home / "log"
        )
        yield {
            "DJANGO_DB": "default",
            "POSTGRE_NAME": "postgres",
            "POSTGRE_USER": "postgres",
            "POSTGRE_PASSWORD": password,
            "POSTGRE_HOST": "127.0.0.1",
            "POSTGRE_PORT": str(port),
        }
    finally:
        if server is not None:
            _run([folder_of_programs / "pg_ctl", "stop", "-m", "immediate", "-D", data], check=False)
            assert server.stdin is not None
            server.stdin.close()
            server.wait(60)
        shutil.rmtree(home, ignore_errors=True)


def _as_other_user() -> list[str]:
    """What begins a command that must not run as root."""
    return ["setpriv", f"--reuid={OTHER_USER}", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []


def _run(command: Sequence[Any], *, check: bool = True) -> None:
    done = subprocess.run([*_as_other_user(), *command], cwd="/", capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stderr}")


def _wait_until_up(server: subprocess.Popen[bytes], ask: Sequence[Any], log: Path) -> None:
    end = time.monotonic() + LONGEST_START
    while time.monotonic() < end and server.poll() is None:
        if subprocess.run(ask, check=False).returncode == 0:
            return
        time.sleep(0.1)
    raise RuntimeError(f"PostgreSQL did not start: {log.read_text()[-1000:]}")
