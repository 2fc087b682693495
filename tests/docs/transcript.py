"""A tutorial's code blocks, run as a reader would run them, and what they print compared with what the page shows.

- ``sh``: typed into one shell, in an empty folder;
- ``python`` with ``title="name.py"``, or another language with a title: saved as that file;
- ``python``: a cell of one notebook, which shows the value of its last line;
- ``text`` right after one of these: what it prints, standard error included; see :func:`alike`;
- a comment ``<!-- test: name -->``: what a person does by hand there, done by the function of that name.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
NOTEBOOK = Path(__file__).with_name("notebook.py")
BY_HAND = re.compile(r"<!-- test: ([\w-]+) -->")
TITLE = re.compile(r'title="([^"]+)"')
NUMBER = r"\d[\d,]*(?:\.\d+)?"
TOLERANCE = 0.1
TIMEOUT = 240


@dataclass
class Step:
    """One block of a page: *kind* is ``sh``, ``python``, ``file`` or ``by hand``; *wanted* is what it prints."""

    kind: str
    text: str
    line: int
    wanted: str | None = None


def steps_of(page: Path) -> list[Step]:
    """The blocks of *page* that are to be run, in order."""
    steps: list[Step] = []
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        line = token.map[0] + 1 if token.map else 0
        if token.type == "html_block" and (by_hand := BY_HAND.search(token.content)):
            steps.append(Step("by hand", by_hand[1], line))
        if token.type != "fence":
            continue
        language = token.info.split(" ")[0]
        if title := TITLE.search(token.info):
            steps.append(Step("file", f"{title[1]}\n{token.content}", line))
        elif language in ("sh", "python"):
            steps.append(Step(language, token.content, line))
        elif language == "text":
            assert steps, f"{page.name}:{line}: a printout of nothing"
            assert steps[-1].wanted is None, f"{page.name}:{line}: a second printout of one block"
            steps[-1].wanted = token.content
    return steps


def run(
    page: Path,
    folder: Path,
    *,
    replaced: Mapping[str, str] | None = None,
    by_hand: Mapping[str, Callable[[], None]] | None = None,
) -> list[Step]:
    """Run the blocks of *page* in *folder*; AssertionError, with the line, where one fails or prints something else.

    Args:
        page: a Markdown file.
        folder: an empty one.
        replaced: what the reader puts in place of what the page has, such as an address.
        by_hand: what people do, by the name that the page gives it.
    """
    steps = steps_of(page)
    for old, new in (replaced or {}).items():
        assert any(old in step.text for step in steps), f"{page.name} has no {old!r}"
        for step in steps:
            step.text = step.text.replace(old, new)
    with Shell(folder) as shell:
        cells = run_notebook([step for step in steps if step.kind == "python"], folder)
        for step in steps:
            where = f"{page.name}:{step.line}"
            match step.kind:
                case "file":
                    name, _, content = step.text.partition("\n")
                    (folder / name).write_text(content, encoding="utf-8")
                case "by hand":
                    (by_hand or {})[step.text]()
                case "sh":
                    compare(where, step, shell.type(step.text))
                case "python":
                    compare(where, step, cells.pop(0))
    return steps


def compare(where: str, step: Step, got: str) -> None:
    """Hold *got* against what the page shows of *step*, if it shows anything."""
    if step.wanted is not None and not alike(step.wanted, got):
        raise AssertionError(f"{where}: the page shows\n{step.wanted}\nand this was printed:\n{got}")


def alike(wanted: str, got: str) -> bool:
    """Whether *got* is what the page shows.

    Figures may differ by a tenth, as they do between machines; lines may be broken elsewhere; ``...`` is anything.
    """
    pattern = "".join(
        {"...": r".*?", " ": r"\s+"}.get(part) or (f"({NUMBER})" if re.fullmatch(NUMBER, part) else re.escape(part))
        for part in re.findall(rf"\.\.\.|{NUMBER}|\s|\S", re.sub(r"\s+", " ", wanted.strip())) or [""]
    )
    found = re.fullmatch(pattern, got.strip(), re.DOTALL)
    if not found:
        return False
    figures = [float(one.replace(",", "")) for one in re.findall(NUMBER, wanted.replace("...", " "))]
    there = [float(one.replace(",", "")) for one in found.groups()]
    return all(abs(one - other) <= TOLERANCE * max(one, other) for one, other in zip(figures, there, strict=True))


def environment(folder: Path) -> dict[str, str]:
    """A reader's: the command on the path, a terminal of 80 columns, a home of their own."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    home = folder.with_name(f"{folder.name}-home")
    home.mkdir(exist_ok=True)
    own = {"PATH": programs, "COLUMNS": "80", "HOME": str(home), "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    return {**{name: value for name, value in os.environ.items() if not name.startswith("LABEL_STUDIO")}, **own}


class Shell:
    """One bash for all blocks, so that what is exported in one holds in the next."""

    END = "ended-with"

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            ["bash", "--norc"],
            cwd=folder,
            env=environment(folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(TIMEOUT)

    def type(self, commands: str) -> str:
        """What *commands* print; AssertionError if the last of them fails."""
        self.process.stdin.write(f"{commands}\necho {self.END} $?\n")
        self.process.stdin.flush()
        lines: list[str] = []
        for line in self.process.stdout:
            if line.startswith(self.END):
                printed = "".join(lines)
                assert line.split()[1] == "0", f"{commands}\nfailed:\n{printed}"
                return printed
            lines.append(line)
        raise AssertionError(f"The shell ended in\n{commands}\n{''.join(lines)}")


def run_notebook(cells: list[Step], folder: Path) -> list[str]:
    """What each of *cells* prints, run one after the other in one process."""
    if not cells:
        return []
    done = subprocess.run(
        [sys.executable, str(NOTEBOOK)],
        input=json.dumps([cell.text for cell in cells]),
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
