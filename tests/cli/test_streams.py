"""No exit code depends on the streams that results and messages are printed to, and documents are UTF-8."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cli.test_exit_codes import run_python
from tests.gate.audits import audit_of, with_findings, write_policy

pytestmark = pytest.mark.long  # some thirty starts of the program
PROGRAM = [sys.executable, "-m", "ntk_labelqa"]
ENCODINGS = ("latin-1:strict", "cp1252:strict", "ascii:strict", "utf-8:strict")
FORMS = ("json", "junit", "markdown")
ANNOTATOR = "Zoë Łukasz 猫"
POLICY = """check = "suspects"
at_most = 0
[[check]]
check = "annotator_error_rate"
at_most = 0.0
"""
NASTY = r'raise RuntimeError("Zo\xeb \u732b \udce9")'
PASSED = 'check = "error_rate"\nat_most = 0.5'
FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")


@pytest.fixture
def gate(tmp_path):
    """The command line of a gate: of an audit with names that few encodings have."""
    folder = with_findings(audit_of(wrong=4), annotator=ANNOTATOR).save(tmp_path / "audit")

    def command(*options: str, policy: str = POLICY) -> list[str]:
        return [*PROGRAM, "gate", str(folder), "--policy", str(write_policy(tmp_path, policy)), *options]

    return command


def in_shell(command: list[str], redirected: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirected}', "sh", *command],
        capture_output=True,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize(
    ("encoding", "form"),
    [*((encoding, "text") for encoding in ENCODINGS), *(("latin-1:strict", form) for form in FORMS)],
)
def test_a_failed_gate_fails_in_every_encoding(gate, encoding: str, form: str) -> None:
    done = in_shell(gate("--format", form), "", PYTHONIOENCODING=encoding)
    assert done.returncode == 1, done.stderr
    if form != "text":
        assert ANNOTATOR.split()[0] in done.stdout.decode("utf-8")
    if form == "json":
        assert json.loads(done.stdout)["exit_code"] == 1
    elif form == "junit":
        assert ElementTree.fromstring(done.stdout).get("failures") == "2"


def test_letters_that_the_encoding_lacks_are_written_as_numbers(gate) -> None:
    done = in_shell(gate(), "", PYTHONIOENCODING="latin-1:strict")
    assert "Zoë \\u0141ukasz \\u732b" in " ".join(done.stdout.decode("latin-1").split())


@FULL
@pytest.mark.parametrize(("policy", "form"), [(POLICY, "text"), (PASSED, "text"), (POLICY, "json")])
def test_a_full_disk_is_neither_a_pass_nor_a_failure(gate, policy: str, form: str) -> None:
    done = in_shell(gate("--format", form, policy=policy), "> /dev/full")
    assert done.returncode == 3
    assert done.stderr.decode().startswith("Error: Standard output cannot be written: No space left on device.")


@pytest.mark.parametrize("policy", [POLICY, PASSED])
def test_a_closed_output_is_neither_a_pass_nor_a_failure(gate, policy: str) -> None:
    done = in_shell(gate(policy=policy), ">&-")
    assert done.returncode == 3
    assert done.stderr.decode().startswith("Error: Standard output is closed.")


@pytest.mark.parametrize("redirected", ["2>&-", pytest.param("2> /dev/full", marks=FULL)])
@pytest.mark.parametrize(("policy", "code"), [(POLICY, 1), (PASSED, 0)])
def test_lost_messages_change_no_verdict(gate, redirected: str, policy: str, code: int) -> None:
    assert in_shell(gate(policy=policy), redirected).returncode == code


@pytest.mark.parametrize("redirected", [">&- 2>&-", "<&- >&- 2>&-", pytest.param("> /dev/full 2>&1", marks=FULL)])
def test_without_any_stream_nothing_is_judged(gate, redirected: str) -> None:
    assert in_shell(gate(), redirected).returncode == 3


def test_a_closed_pipe_of_messages_changes_no_verdict(gate) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as closed:
        done = subprocess.run(
            gate("--notify", "/no/such/folder/file"), stdout=subprocess.PIPE, stderr=closed, check=False
        )
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        *((NASTY, encoding) for encoding in ENCODINGS),
        ('raise type("Broken", (Exception,), {"__str__": lambda self: 1 / 0})()', ENCODINGS[0]),
        ('raise type("Panic", (BaseException,), {})("of an extension")', ENCODINGS[0]),
        ("raise SystemExit(1)", ENCODINGS[0]),
        ('raise SystemExit("a library gives up")', ENCODINGS[0]),
        ("raise OSError(28, 'No space left on device')", ENCODINGS[0]),
    ],
)
def test_no_crash_looks_like_a_failed_gate(body: str, encoding: str, tmp_path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = run_python(body, env={**environment, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}, errors="replace")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "Traceback" in next(tmp_path.iterdir()).read_text(encoding="utf-8")


def test_a_crash_without_a_place_for_its_log_says_everything(tmp_path) -> None:
    program = (
        "import tempfile\n"
        "def nowhere(*_, **__): raise FileNotFoundError('No usable temporary directory')\n"
        "tempfile.NamedTemporaryFile = nowhere\n"
        "from ntk_labelqa.cli import commands, entry\n"
        "commands.LazyGroup.get_command = lambda *_: 1 / 0\n"
        "entry.main(['doctor'])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "ZeroDivisionError" in done.stderr


def test_another_system_is_refused_in_words() -> None:
    program = "import os\nfrom ntk_labelqa.cli import entry\nos.name = 'nt'\nentry.main(['doctor'])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "POSIX" in done.stderr
    assert "Traceback" not in done.stderr
