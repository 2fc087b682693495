"""Runs the fast tests on each Python, with the oldest and the newest dependencies that pyproject.toml allows.

``make test-matrix`` calls it. What came out goes into ``docs/reference/test-matrix.md``; what was not run this time, or
has no interpreter here, keeps the line that it had, or says so. Options: ``--python`` and ``--resolution`` choose some.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "docs/reference/test-matrix.md"
FOLDER = ROOT / ".matrix"
UV = [sys.executable, "-m", "uv"]
PYTHONS = ("3.11", "3.12", "3.13")
RESOLUTIONS = {"oldest": "lowest-direct", "newest": "highest"}
SHOWN = ("jax", "numpy", "scipy", "pandas", "scikit-learn", "label-studio-sdk", "click", "pyarrow")
HEAD = f"""# Test matrix

What `make test-matrix` had to say last: the fast tests on each Python, with the oldest versions of our own dependencies
that `pyproject.toml` allows (uv's `lowest-direct`; those that have wheels) and with the newest that there are.

| Python | dependencies | {" | ".join(SHOWN)} | tests | run on |
|{"---|" * (len(SHOWN) + 4)}
"""


def interpreter(python: str) -> str | None:
    """A program that is this *python*: the first that runs, on the path or among pyenv's."""
    among = sorted(map(str, Path.home().glob(f".pyenv/versions/{python}.*/bin/python")))
    for path in filter(None, (shutil.which(f"python{python}"), *among)):
        asked = [path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        if subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() == python:
            return path
    return None


def install(path: str, name: str, resolution: str) -> Path:
    """An environment of its own, made anew; its Python."""
    home = FOLDER / name
    subprocess.run([*UV, "venv", "--quiet", "--clear", "--python", path, str(home)], check=True)
    python = home / "bin/python"
    pip = [*UV, "pip", "install", "--quiet", "--python", str(python)]
    wheels = ["--only-binary", ":all:"]  # the oldest that a user gets who has no compilers
    subprocess.run(
        [*pip, *wheels, "--resolution", resolution, "--editable", ".", "--group", "dev"], cwd=ROOT, check=True
    )
    subprocess.run([*pip, "--no-deps", "--group", "weights"], cwd=ROOT, check=True)
    return python


def versions(python: Path) -> list[str]:
    """Of the packages shown."""
    listed = [*UV, "pip", "list", "--quiet", "--format", "json", "--python", str(python)]
    found = json.loads(subprocess.run(listed, capture_output=True, text=True, check=True).stdout)
    return [{one["name"]: one["version"] for one in found}[name] for name in SHOWN]


def outcome(python: Path, tests: str) -> str:
    """Run the *tests*; how many passed, failed and were skipped."""
    written = python.parents[1] / "junit.xml"
    written.unlink(missing_ok=True)
    command = [
        str(python),
        "-m",
        "pytest",
        "-q",
        "-n",
        "2",
        "--dist",
        "worksteal",
        "-m",
        tests,
        f"--junitxml={written}",
    ]
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    if code not in (0, 1) or not written.exists():
        return "did not run"
    suite = ElementTree.parse(written).getroot()[0]
    count, skipped = int(suite.attrib["tests"]), int(suite.attrib["skipped"])
    failed = int(suite.attrib["failures"]) + int(suite.attrib["errors"])
    return f"{count - failed - skipped} passed, {failed} failed, {skipped} skipped"


def earlier() -> dict[tuple[str, ...], str]:
    """The lines of the table as it is."""
    text = TABLE.read_text(encoding="utf-8") if TABLE.exists() else ""
    return {tuple(line.split(" | ")[:2]): line for line in text.splitlines() if line.startswith("| 3.")}


def line(python: str, kind: str, packages: list[str], said: str, date: str) -> str:
    return "| " + " | ".join([python, kind, *packages, said, date]) + " |"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", nargs="+", choices=PYTHONS, default=PYTHONS)
    parser.add_argument("--resolution", nargs="+", choices=RESOLUTIONS, default=list(RESOLUTIONS))
    parser.add_argument("--tests", default="not slow and not long and not live and not browser", help="pytest's -m")
    chosen = parser.parse_args(arguments)
    rows, failed = earlier(), False
    for python in PYTHONS:
        for kind, resolution in RESOLUTIONS.items():
            path, key = interpreter(python), (f"| {python}", kind)
            unknown = ["–"] * len(SHOWN)
            if python in chosen.python and kind in chosen.resolution and path:
                made = install(path, f"{python}-{kind}", resolution)
                said = outcome(made, chosen.tests)
                failed |= ", 0 failed" not in said
                rows[key] = line(python, kind, versions(made), said, datetime.now(UTC).date().isoformat())
            elif key not in rows:
                why = "not run" if path else "not run: no such Python here"
                rows[key] = line(python, kind, unknown, why, "–")
            TABLE.parent.mkdir(exist_ok=True)
            TABLE.write_text(HEAD + "".join(f"{row}\n" for row in rows.values()), encoding="utf-8")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
