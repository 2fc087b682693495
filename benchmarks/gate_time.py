"""How long the gate takes on a saved audit of 60,000 items, with every check of the policy.

    python -m benchmarks.gate_time [ITEMS]

Needs no data: the audit is made up. Prints the wall and processor time of the whole command, start of Python
included.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from tests.gate.audits import audit_of

POLICY = """version = 1
[[check]]
check = "error_rate"
at_most = 0.1
[[check]]
check = "error_rate"
at_most = 0.1
scope = {class = "dog", annotator = "ada@example.org"}
[[check]]
check = "suspects"
at_most = 10_000
[[check]]
check = "unreviewed"
at_most = 10_000
[[check]]
check = "annotator_error_rate"
at_most = 0.2
[[check]]
check = "entanglement"
at_most = 0
[[check]]
check = "smallest_class"
at_least = 20
[[check]]
check = "duplicate_conflicts"
at_most = 0
[[check]]
check = "coverage"
at_least = 0.9
[[check]]
check = "no_worse"
margin = 0.01
accepted = "earlier"
[[check]]
check = "scheme_rank"
against = ["earlier"]
"""
RUNS = 5


def main() -> None:
    """Make the audits, ask the gate, print the times."""
    items = int(sys.argv[1]) if len(sys.argv) > 1 else 60_000
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        audit = audit_of(items, wrong=items // 50)
        picture = bytes(range(256)) * 16
        shown = [picture] * 300 + [None] * (items - 300)
        replace(audit, items=audit.items.assign(thumbnail=shown)).save(folder / "audit")
        audit_of(items, wrong=items // 60, created="2026-02-02T00:00:00+00:00").save(folder / "earlier")
        (folder / "labelqa.toml").write_text(POLICY)
        command = [sys.executable, "-m", "ntk_labelqa", "gate", str(folder / "audit")]
        for run in range(RUNS):
            start, used = time.perf_counter(), cpu_seconds()
            done = subprocess.run([*command, "--policy", str(folder / "labelqa.toml")], capture_output=True, text=True)
            took, used = time.perf_counter() - start, cpu_seconds() - used
            print(f"run {run + 1}: {took:.2f} s, {used:.2f} s of a processor, exit code {done.returncode}")
        print(done.stdout)


def cpu_seconds() -> float:
    """Processor time of all commands so far."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


if __name__ == "__main__":
    main()
