"""Label Studio in an environment of its own, made once and kept in the cache.

It pins its dependencies exactly, so it cannot share an environment with anything else.
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ntk_labelqa.cache import cache_root
from ntk_labelqa.errors import LabelQAError
from ntk_labelqa.files import in_words, open_locked, private_folder
from ntk_labelqa.shown import without_logins

VERSION = "1.23.2"
BINARY_VARIABLE = "NTK_LABELQA_LABEL_STUDIO"
OF_THE_SYSTEM = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")
"""Variables that every program of ours may need. No other is passed on unseen: keys are among them."""
OF_INSTALLERS = (
    *("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "NETRC"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
)
"""Variables by which a package index is reached; and all that begin with :data:`SETTINGS_OF_INSTALLERS`."""
SETTINGS_OF_INSTALLERS = ("PIP_", "UV_")


def label_studio_binary() -> Path:
    """The ``label-studio`` program: the one NTK_LABELQA_LABEL_STUDIO names, else our own, installed if need be.

    Raises LabelQAError if it cannot be installed, or the one named cannot be run. Cost: 1 GB of disk; the first time,
    ten seconds with uv, two minutes with pip.
    """
    if named := os.environ.get(BINARY_VARIABLE):
        if not (found := shutil.which(named)):
            raise LabelQAError(
                f"{BINARY_VARIABLE} names {named}, which is no program that can be run.",
                remedy=f"Name the label-studio program of an environment, or unset {BINARY_VARIABLE}.",
            )
        return Path(found).absolute()
    environment = server_cache() / "venv"
    make_once(environment, lambda: _install(environment))
    return environment / "bin" / "label-studio"


def server_cache() -> Path:
    """The folder of this Label Studio release's environment and data template, or of the named program's template.

    A program that the user named may be of any release, so it never gets a database that another one made.
    """
    if named := os.environ.get(BINARY_VARIABLE):
        return cache_root() / f"label-studio-{hashlib.sha256(named.encode()).hexdigest()[:12]}"
    return cache_root() / f"label-studio-{VERSION}"


def make_once(folder: Path, make: Callable[[], None]) -> None:
    """Call *make*, which fills *folder*, unless that was completed before.

    Two processes do not make it at once, and what a killed one left behind is begun anew.
    """
    complete = folder.with_name(f"{folder.name}.complete")
    with in_words(folder):
        private_folder(folder.parent)
        lock = open_locked(folder.with_name(f"{folder.name}.lock"), wait=math.inf)
    with lock:
        # Installers that outlive a killed process keep the lock, so that nobody begins anew in their way.
        os.set_inheritable(lock.fileno(), True)
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make()
            complete.touch()


def _install(environment: Path) -> None:
    print(f"Installing Label Studio {VERSION} into {environment} (once)", file=sys.stderr)
    requirement = f"label-studio=={VERSION}"
    uv = _uv()
    if uv:
        _run([*uv, "venv", "--quiet", "--python", sys.executable, str(environment)])
        _run([*uv, "pip", "install", "--quiet", "--python", str(environment / "bin" / "python"), requirement])
    else:
        _run([sys.executable, "-m", "venv", str(environment)])
        _run([str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", requirement])


def _uv() -> list[str]:
    """How to call uv, which installs ten times faster than pip; empty where there is none."""
    if importlib.util.find_spec("uv"):
        return [sys.executable, "-m", "uv"]
    found = shutil.which("uv")
    return [found] if found else []


def inherited(*further: str) -> dict[str, str]:
    """The variables of ours that a program gets: those of the system, and those named *further*."""
    return {name: os.environ[name] for name in (*OF_THE_SYSTEM, *further) if name in os.environ}


def _run(command: Sequence[str]) -> None:
    settings = [name for name in os.environ if name.startswith(SETTINGS_OF_INSTALLERS)]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        close_fds=False,
        env=inherited(*OF_INSTALLERS, *settings),
    )
    if done.returncode:
        raise LabelQAError(
            f"Label Studio {VERSION} could not be installed: {without_logins(done.stderr).strip()[-500:]}",
            why="The package index may be out of reach, or the disk full.",
            remedy=f"Install it yourself, and name its program in {BINARY_VARIABLE}.",
        )
