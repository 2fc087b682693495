"""The demonstration's command: what it says, how it is ended, and that it leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.live
ENDINGS = [
    (signal.SIGINT, 130),
    pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow),
    pytest.param(signal.SIGHUP, 143, marks=pytest.mark.slow),
]


def start(tmp_path: Path) -> subprocess.Popen[str]:
    """The command in a process of its own, whose temporary files are all below *tmp_path*."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    return subprocess.Popen(
        [sys.executable, "-m", "ntk_labelqa", "demo", "--out", str(tmp_path / "audit")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(temporary)},
    )


def server_log(tmp_path: Path) -> Path:
    """The log of the server that was started, once it says something."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        for log in (tmp_path / "temporary").glob("*/server.log"):
            if log.stat().st_size:
                return log
        time.sleep(0.05)
    pytest.fail("no server was started")


@pytest.mark.parametrize(("number", "code"), ENDINGS)
def test_ended_while_the_server_starts(server, tmp_path, number: int, code: int) -> None:
    with start(tmp_path) as demo:
        server_log(tmp_path)
        demo.send_signal(number)
        _, said = demo.communicate(timeout=200)
    assert demo.returncode == code, said
    assert "Traceback" not in said
    assert not list((tmp_path / "temporary").glob("ntk-labelqa-*"))
    assert not (tmp_path / "audit").exists()


@pytest.mark.slow
def test_stays_up_until_ctrl_c(server, tmp_path) -> None:
    with start(tmp_path) as demo:
        assert demo.stdout is not None
        said = {}
        for line in demo.stdout:
            if "stays up until Ctrl-C" in line:
                break
            said[line[:15].strip()] = line[15:].strip()
        review = said["Review project"]
        assert "/user/login" in httpx.get(review, follow_redirects=True).url.path
        assert not re.search(r"\b[0-9a-f]{40}\b", str(said))  # the token
        demo.send_signal(signal.SIGINT)
        _, errors = demo.communicate(timeout=200)
    assert demo.returncode == 0, errors
    with pytest.raises(httpx.ConnectError):
        httpx.get(review)
    assert not list((tmp_path / "temporary").glob("ntk-labelqa-*"))
    assert (tmp_path / "audit" / "report.html").exists()
