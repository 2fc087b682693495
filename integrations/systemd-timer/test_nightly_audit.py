"""The nightly script, run as the unit and the cron line run it, on an export that gets worse."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.exports import digits_export

HERE = Path(__file__).parent
OPT = "/opt/ntk-labelqa"
POLICY = """version = 1
[[check]]
check = "no_worse"
margin = 0.02
accepted = "audits/accepted"
[[check]]
check = "error_rate"
at_most = 0.3
"""
FAILING = """#!/bin/sh
# In the place of ntk-labelqa: an audit is an empty folder, and no gate is passed.
case "$1" in
    audit) while [ "$1" != --out ]; do shift; done; mkdir "$2" ;;
    gate) exit 1 ;;
esac
"""


@pytest.fixture
def machine(tmp_path) -> Path:
    """A folder in the place of a machine's root: what the units name is there below it."""
    opt = tmp_path / "opt/ntk-labelqa"
    (opt / "bin").mkdir(parents=True)
    (opt / "bin/ntk-labelqa").symlink_to(Path(sys.executable).parent / "ntk-labelqa")
    shutil.copy(HERE / "nightly-audit", opt)
    state = tmp_path / "var/lib/labelqa/cats"
    state.mkdir(parents=True)
    (state / "labelqa.toml").write_text(POLICY)
    (tmp_path / "etc/labelqa").mkdir(parents=True)
    (tmp_path / "etc/labelqa/cats.env").write_text(
        f'LABELQA_SOURCE="{tmp_path}/export.json --features {tmp_path}/features.npz --arch 2-L"\n'
    )
    return tmp_path


def run_shell(machine: Path, command: str) -> subprocess.CompletedProcess[str]:
    """*command*, with the machine's folders in the place of the real ones."""
    for folder in ("/opt/", "/etc/", "/var/"):
        command = command.replace(folder, f"{machine}{folder}")
    path = f"{machine}{OPT}/bin:{os.environ['PATH']}"
    return subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, check=False, env={**os.environ, "PATH": path}
    )


def as_the_unit(machine: Path) -> subprocess.CompletedProcess[str]:
    text = (HERE / "labelqa@.service").read_text()
    start = re.search(r"^ExecStart=(.*)$", text, re.MULTILINE)[1]
    command = start.replace("%S", "/var/lib").replace("%i", "cats")
    return run_shell(machine, f"set -a; . /etc/labelqa/cats.env; exec {command}")


def as_cron(machine: Path) -> subprocess.CompletedProcess[str]:
    line = (HERE / "crontab").read_text().splitlines()[-1]
    return run_shell(machine, line.split(None, 6)[6])


@pytest.mark.long
@pytest.mark.slow  # the tutorial has three nights as well
def test_three_nights(machine) -> None:
    state = machine / "var/lib/labelqa/cats"

    digits_export(machine, 400, wrong=0.03)
    first = as_the_unit(machine)
    assert first.returncode == 3, first.stderr  # nothing was accepted yet, so nothing can be compared
    assert "NOT JUDGED  no_worse" in first.stdout
    (state / "audits/accepted").symlink_to(next((state / "audits").glob("20*")).name)

    digits_export(machine, 400, wrong=0.04)
    second = as_cron(machine)
    assert second.returncode == 0, second.stdout + second.stderr
    accepted = (state / "audits/accepted").resolve()
    assert accepted == sorted((state / "audits").glob("20*"))[1]

    digits_export(machine, 400, wrong=0.10)
    third = as_the_unit(machine)
    assert third.returncode == 1, third.stdout + third.stderr
    assert "FAILED" in (state / "verdict.txt").read_text()
    assert (state / "audits/accepted").resolve() == accepted
    assert len(list((state / "audits").glob("20*"))) == 3
    assert (state / "history.html").read_text().count("<svg") == 2


def test_old_audits_go_and_the_accepted_one_stays(machine) -> None:
    audits = machine / "var/lib/labelqa/cats/audits"
    program = machine / "opt/ntk-labelqa/bin/ntk-labelqa"
    program.unlink()
    program.write_text(FAILING)
    program.chmod(0o755)
    for name in ("2020-01-01T000000", "2020-01-02T000000"):
        (audits / name).mkdir(parents=True)
        os.utime(audits / name, (0, 0))
    (audits / "accepted").symlink_to("2020-01-01T000000")
    done = as_cron(machine)
    assert done.returncode == 1, done.stderr
    made = next(path.name for path in audits.glob("20*") if not path.name.startswith("2020"))
    assert {path.name for path in audits.iterdir()} == {"accepted", "2020-01-01T000000", made}


def test_the_units_are_valid(machine) -> None:
    units = []
    for name in ("labelqa@.service", "labelqa@.timer"):
        unit = machine / name
        unit.write_text((HERE / name).read_text().replace(OPT, f"{machine}{OPT}"))
        units.append(str(unit))
    assert "ExecStart=" in Path(units[0]).read_text()
    if shutil.which("systemd-analyze"):
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
