"""A Label Studio server on 127.0.0.1, started from a copy of a migrated data folder and gone without a trace."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from ntk_labelqa.demo.environment import inherited, label_studio_binary, make_once, server_cache
from ntk_labelqa.errors import LabelQAError
from ntk_labelqa.files import write_whole

OWNER = "owner@example.org"
PEOPLE = (
    "annotator-1@example.org",
    "annotator-2@example.org",
    "annotator-3@example.org",
    "reviewer-1@example.org",
    "reviewer-2@example.org",
)
GUARD = Path(__file__).with_name("guard.py")
START_SECONDS = 240.0
STOP_SECONDS = 10.0
MOVED = "Trying to start at"
"""What it prints when its port was taken in the last moment, and it moves on to the next: not where we look for it."""

# Typed into an interactive console, hence the empty line that ends the block.
_ADD_PEOPLE = """
from organizations.models import Organization
from users.models import User
for email in {people!r}:
    user = User.objects.create_user(email=email, username=email, password={password!r})
    organization = Organization.objects.first()
    organization.add_user(user)
    user.active_organization = organization
    user.save()

print("people added")
"""


@dataclass(frozen=True)
class Login:
    """The owner's legacy token, and the one password of the owner and of :data:`PEOPLE`."""

    token: str
    password: str


class LocalServer:
    """A running Label Studio, as a context manager.

    Attributes:
        url: address, on 127.0.0.1.
        token: the owner's legacy token.
        username, password: the owner's login; :data:`PEOPLE` have the same password.
        files: folder that local storage may serve from.
        log: what the server printed.
    """

    def __init__(self, *, port: int | None = None, environment: Mapping[str, str] | None = None) -> None:
        self.binary = label_studio_binary()
        login = _template(self.binary)
        self.username, self.token, self.password = OWNER, login.token, login.password
        self.home = Path(tempfile.mkdtemp(prefix="ntk-labelqa-server-"))
        self.log = self.home / "server.log"
        self.files = self.home / "files" / "served"
        self._process: subprocess.Popen[bytes] | None = None
        try:
            shutil.copytree(_template_folder(), self.home / "data")
            self.files.mkdir(parents=True)
            self._start(port or free_port(), environment or {})
        except BaseException:
            self.stop()
            raise

    def _start(self, port: int, environment: Mapping[str, str]) -> None:
        _refuse_busy(port)
        self.url = f"http://127.0.0.1:{port}"
        variables = _variables(self.home, Login(self.token, self.password)) | dict(environment)
        self._process = _start(self.binary, port, variables, self.home)
        _wait_until_up(self._process, port, self.log)

    def stop(self) -> None:
        """End the server and everything it started, and remove its folder."""
        if self._process is not None:
            _end(self._process)
            self._process = None
        shutil.rmtree(self.home, ignore_errors=True)

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _template_folder() -> Path:
    return server_cache() / "template"


def _template(binary: Path) -> Login:
    """Make, once, a migrated data folder with its people: a first start takes a minute, a copy of it seconds."""
    folder, logins = _template_folder(), server_cache() / "login.json"

    def make() -> None:
        print("Preparing Label Studio's database (once)", file=sys.stderr)
        login = Login(token=secrets.token_hex(20), password=secrets.token_urlsafe(9))
        with tempfile.TemporaryDirectory(prefix="ntk-labelqa-template-") as name:
            home, port = Path(name), free_port()
            variables = _variables(home, login)
            process = _start(binary, port, variables, home)
            try:
                _wait_until_up(process, port, home / "server.log")
            finally:
                _end(process)
            _add_people(binary, variables, login)
            shutil.copytree(home / "data", folder)
        write_whole(logins, json.dumps(asdict(login)), private=True)

    make_once(folder, make)
    return Login(**json.loads(logins.read_text()))


def _add_people(binary: Path, variables: Mapping[str, str], login: Login) -> None:
    # Through Django itself: users made by the API get no password that works.
    done = subprocess.run(
        [str(binary), "shell"],
        input=_ADD_PEOPLE.format(people=PEOPLE, password=login.password),
        env=dict(variables),
        capture_output=True,
        text=True,
        check=False,
    )
    if "people added" not in done.stdout:
        raise LabelQAError(f"Label Studio's users could not be made: {done.stderr.strip()[-500:]}")


def _variables(home: Path, login: Login) -> dict[str, str]:
    """The server's environment: everything it writes stays below *home*, and it calls nobody.

    It reads settings from names as common as HOST, PORT and LOG_LEVEL, hence so little of ours.
    """
    own = {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_DATA_HOME": str(home / "share"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "LABEL_STUDIO_BASE_DATA_DIR": str(home / "data"),
        "LABEL_STUDIO_USERNAME": OWNER,
        "LABEL_STUDIO_PASSWORD": login.password,
        "LABEL_STUDIO_USER_TOKEN": login.token,
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LABEL_STUDIO_COLLECT_ANALYTICS": "false",
        "LABEL_STUDIO_LATEST_VERSION_CHECK": "false",
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(home / "files"),
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "PYTHONUNBUFFERED": "1",
    }
    return inherited() | own


def _refuse_busy(port: int) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise LabelQAError(
                f"Something else listens on port {port}.",
                remedy="Name another port, or none: then a free one is taken.",
            )


def _start(binary: Path, port: int, variables: Mapping[str, str], home: Path) -> subprocess.Popen[bytes]:
    command = [str(binary), "start", "--no-browser", "--internal-host", "127.0.0.1", "--port", str(port)]
    with (home / "server.log").open("wb") as output:
        return subprocess.Popen(
            [sys.executable, str(GUARD), str(home), *command],
            env=dict(variables),
            stdin=subprocess.PIPE,  # the guard ends the server when this closes, which it does even if we are killed
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in the terminal is for us; we end it in our own time
        )


def _wait_until_up(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        answers = _answers(port)
        if MOVED in log.read_text(encoding="utf-8", errors="replace"):
            break
        if answers:
            return
        time.sleep(0.1)
    tail = log.read_text(encoding="utf-8", errors="replace")[-1500:]
    raise LabelQAError(f"Label Studio did not start on port {port}. Its last words:\n{tail}")


def _answers(port: int) -> bool:
    try:
        # No proxy: the environment may name one for everything.
        return httpx.get(f"http://127.0.0.1:{port}/health", timeout=2, trust_env=False).json() == {"status": "UP"}
    except (httpx.HTTPError, ValueError):
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(process.pid, number)
                process.wait(STOP_SECONDS)
    if process.stdin is not None:
        process.stdin.close()
